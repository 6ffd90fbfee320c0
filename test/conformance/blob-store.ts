/*
 * Goal: every BlobStore keeps the same promises.
 * Method: one suite; each store brings a way to run a test against an empty store, with as many
 * clients as the test asks for, and a crash where one can be arranged.
 */
import { describe, expect, it } from 'vitest';
import { EngineError } from '../../src/common/errors.ts';
import { toEtag, type BlobStore, type Etag } from '../../src/storage/blob-store.ts';

export interface BlobStoreSubject {
  /** Runs a test against an empty store. */
  readonly run: (test: (world: BlobStoreWorld) => Promise<void>) => Promise<void>;
  /** Whether `replaceIf` finds out that a blob was made by `create`. */
  readonly tellsCreated: boolean;
}

export interface BlobStoreWorld {
  /** A client of the one store, as another process would have. */
  readonly open: () => BlobStore;
  /** Takes away what is not durable. Clients opened before are gone. */
  readonly crash?: () => void;
}

/** Declares the tests of a store. */
export function blobStoreConformance(name: string, subject: BlobStoreSubject): void {
  const test = (title: string, body: (world: BlobStoreWorld) => Promise<void>): void => {
    it(title, () => subject.run(body));
  };
  describe(`${name}: create`, () => declareCreate(test));
  describe(`${name}: replaceIf`, () => declareReplaceIf(test, subject.tellsCreated));
  describe(`${name}: read`, () => declareRead(test));
  describe(`${name}: list and delete`, () => declareListAndDelete(test));
  describe(`${name}: durability`, () => declareDurability(test));
  describe(`${name}: paths`, () => declarePaths(test));
}

type Test = (title: string, body: (world: BlobStoreWorld) => Promise<void>) => void;

function declareCreate(test: Test): void {
  test('stores a blob', async ({ open }) => {
    const store = open();
    const etag = await store.create('jobs/one/data', bytesOf('hello'));
    expect(etag).not.toBe('taken');
    expect(await textOf(store, 'jobs/one/data')).toBe('hello');
    expect((await store.read('jobs/one/data'))?.etag).toBe(etag);
  });

  test('leaves a blob that is there as it is', async ({ open }) => {
    const store = open();
    await store.create('data', bytesOf('first'));
    expect(await store.create('data', bytesOf('second'))).toBe('taken');
    expect(await open().create('data', bytesOf('third'))).toBe('taken');
    expect(await textOf(store, 'data')).toBe('first');
  });

  test('takes many parts, empty ones and none', async ({ open }) => {
    const store = open();
    await store.create('parts', [bytesOf('a'), bytesOf(''), bytesOf('bc')]);
    await store.create('none', []);
    await store.create('empty', bytesOf(''));
    expect(await textOf(store, 'parts')).toBe('abc');
    expect(await textOf(store, 'none')).toBe('');
    expect(await textOf(store, 'empty')).toBe('');
  });

  test('stores a large blob as it is', async ({ open }) => {
    const store = open();
    const large = new Uint8Array(3_000_000).map((_, i) => (i * 7919) % 251);
    await store.create('large', [large.subarray(0, 1_234_567), large.subarray(1_234_567)]);
    const found = await store.read('large');
    expect(Buffer.compare(found?.bytes ?? new Uint8Array(), large)).toBe(0);
  });

  test('gives one of many at a time the name', async ({ open }) => {
    const writers = [0, 1, 2, 3, 4, 5];
    const results = await Promise.all(
      writers.map((i) => open().create('race', bytesOf(`writer ${i}`))),
    );
    const winners = writers.filter((i) => results[i] !== 'taken');
    expect(winners).toHaveLength(1);
    expect(await textOf(open(), 'race')).toBe(`writer ${winners[0] ?? -1}`);
  });

  test('gives the name to a create or to a first replaceIf, not to both', async ({ open }) => {
    const results = await Promise.all([
      open().create('race', bytesOf('create')),
      open().replaceIf('race', bytesOf('replaceIf'), undefined),
    ]);
    const winners = results.filter((result) => result !== 'taken' && result !== 'changed');
    expect(winners).toHaveLength(1);
    expect(await textOf(open(), 'race')).toBe(results[0] === 'taken' ? 'replaceIf' : 'create');
  });

  test('is free again after a delete', async ({ open }) => {
    const store = open();
    const first = await store.create('a/b', bytesOf('one'));
    await store.delete(['a/b']);
    const second = await store.create('a/b', bytesOf('one'));
    expect(second).not.toBe('taken');
    expect(second).not.toBe(first);
  });
}

function declareReplaceIf(test: Test, tellsCreated: boolean): void {
  test('makes, then replaces', async ({ open }) => {
    const store = open();
    const first = await replaced(store, 'job/HEAD', 'one', undefined);
    const second = await replaced(store, 'job/HEAD', 'two', first);
    expect(second).not.toBe(first);
    expect(await textOf(store, 'job/HEAD')).toBe('two');
    expect((await open().read('job/HEAD'))?.etag).toBe(second);
  });

  test('changes nothing when the blob is another version, or is not there', async ({ open }) => {
    const store = open();
    expect(await store.replaceIf('HEAD', bytesOf('x'), toEtag('v1-none'))).toBe('changed');
    expect(await store.read('HEAD')).toBeUndefined();
    const first = await replaced(store, 'HEAD', 'one', undefined);
    expect(await store.replaceIf('HEAD', bytesOf('x'), undefined)).toBe('changed');
    const second = await replaced(store, 'HEAD', 'two', first);
    expect(await store.replaceIf('HEAD', bytesOf('x'), first)).toBe('changed');
    expect(await textOf(store, 'HEAD')).toBe('two');
    await replaced(store, 'HEAD', 'three', second);
  });

  test('tells versions of equal content apart', async ({ open }) => {
    const store = open();
    const first = await replaced(store, 'HEAD', 'same', undefined);
    const second = await replaced(store, 'HEAD', 'other', first);
    await replaced(store, 'HEAD', 'same', second);
    expect(await store.replaceIf('HEAD', bytesOf('x'), first)).toBe('changed');
  });

  test('does not touch what was deleted and made again', async ({ open }) => {
    const store = open();
    const first = await replaced(store, 'HEAD', 'same', undefined);
    await store.delete(['HEAD']);
    expect(await store.replaceIf('HEAD', bytesOf('x'), first)).toBe('changed');
    await replaced(store, 'HEAD', 'same', undefined);
    expect(await store.replaceIf('HEAD', bytesOf('x'), first)).toBe('changed');
    expect(await textOf(store, 'HEAD')).toBe('same');
  });

  test('lets one of many at a time win each version', async ({ open }) => {
    let etag = await replaced(open(), 'HEAD', 'start', undefined);
    for (let round = 0; round < 5; round += 1) {
      const writers = [0, 1, 2, 3];
      const expected = etag;
      const results = await Promise.all(
        writers.map((i) => open().replaceIf('HEAD', bytesOf(`${round}/${i}`), expected)),
      );
      const winners = writers.filter((i) => results[i] !== 'changed');
      expect(winners).toHaveLength(1);
      const winner = winners[0] ?? -1;
      expect(await textOf(open(), 'HEAD')).toBe(`${round}/${winner}`);
      etag = results[winner] as Etag;
    }
  });

  test('counts up without a loss among many', async ({ open }) => {
    await replaced(open(), 'counter', '0', undefined);
    const count = async (store: BlobStore): Promise<void> => {
      for (let left = 5; left > 0;) {
        const found = await store.read('counter');
        if (found === undefined)
          throw new EngineError('STO-001', 'unavailable', 'a reader sees nothing');
        const next = Number(Buffer.from(found.bytes).toString()) + 1;
        const result = await store.replaceIf('counter', bytesOf(String(next)), found.etag);
        if (result !== 'changed') left -= 1;
      }
    };
    await Promise.all([count(open()), count(open()), count(open())]);
    expect(await textOf(open(), 'counter')).toBe('15');
  });

  if (!tellsCreated) return;
  test('refuses a blob made by create', async ({ open }) => {
    const store = open();
    const etag = await store.create('data', bytesOf('first'));
    if (etag === 'taken') expect.fail('the store was empty');
    await expect(store.replaceIf('data', bytesOf('x'), etag)).rejects.toMatchObject({
      code: 'STO-004',
    });
    expect(await textOf(store, 'data')).toBe('first');
  });
}

function declareRead(test: Test): void {
  test('finds nothing where nothing is', async ({ open }) => {
    const store = open();
    await store.create('a/b', bytesOf('x'));
    expect(await store.read('none')).toBeUndefined();
    expect(await store.read('a')).toBeUndefined();
    expect(await store.read('a/b/c')).toBeUndefined();
  });

  test('reads ranges, cut at the end', async ({ open }) => {
    const store = open();
    await store.create('fixed', bytesOf('0123456789'));
    await store.replaceIf('moving', bytesOf('0123456789'), undefined);
    for (const path of ['fixed', 'moving']) {
      const range = async (offset: number, length: number): Promise<string> =>
        textFrom((await store.read(path, { offset, length }))?.bytes);
      expect(await range(0, 4)).toBe('0123');
      expect(await range(3, 2)).toBe('34');
      expect(await range(8, 100)).toBe('89');
      expect(await range(10, 5)).toBe('');
      expect(await range(50, 5)).toBe('');
      expect(await range(2, 0)).toBe('');
      expect((await store.read(path, { offset: 1, length: 1 }))?.etag).toBe(
        (await store.read(path))?.etag,
      );
    }
  });

  test('gives bytes that the caller may change', async ({ open }) => {
    const store = open();
    await store.create('data', bytesOf('abc'));
    (await store.read('data'))?.bytes.fill(0);
    expect(await textOf(store, 'data')).toBe('abc');
  });
}

function declareListAndDelete(test: Test): void {
  test('lists a folder in byte order of the paths', async ({ open }) => {
    const store = open();
    const paths = ['a/x', 'a-b', 'a.b', 'a/y/z', 'b', 'a0', 'é', 'z', '\u{10000}', '\uffee'];
    for (const path of paths) await store.create(path, bytesOf(path));
    await store.replaceIf('a/HEAD', bytesOf('h'), undefined);
    const sorted = [...paths, 'a/HEAD'].sort((x, y) => Buffer.compare(bytesOf(x), bytesOf(y)));
    expect(await pathsOf(store, '')).toEqual(sorted);
    expect(await pathsOf(store, 'a')).toEqual(['a/HEAD', 'a/x', 'a/y/z']);
    expect(await pathsOf(store, 'a/')).toEqual(['a/HEAD', 'a/x', 'a/y/z']);
    expect(await pathsOf(store, 'a/y')).toEqual(['a/y/z']);
    expect(await pathsOf(store, 'none')).toEqual([]);
  });

  test('lists sizes', async ({ open }) => {
    const store = open();
    await store.create('five', bytesOf('12345'));
    await store.replaceIf('two', bytesOf('12'), undefined);
    const sizes: number[] = [];
    for await (const entry of store.list('')) {
      sizes.push(entry.sizeBytes);
      expect(entry.modifiedMs).toBeGreaterThan(0);
    }
    expect(sizes).toEqual([5, 2]);
  });

  test('deletes what is there and takes the rest for deleted', async ({ open }) => {
    const store = open();
    await store.create('a/one', bytesOf('1'));
    await store.create('a/two', bytesOf('2'));
    await store.replaceIf('a/HEAD', bytesOf('h'), undefined);
    await store.delete(['a/one', 'a/HEAD', 'a/none', 'none/none']);
    expect(await pathsOf(store, '')).toEqual(['a/two']);
    await store.delete(['a/two']);
    await store.delete(['a/two']);
    expect(await pathsOf(store, '')).toEqual([]);
  });

  test('lets a blob take the name of a folder that became empty', async ({ open }) => {
    const store = open();
    await store.create('a/b/c', bytesOf('1'));
    await store.delete(['a/b/c']);
    expect(await store.create('a', bytesOf('2'))).not.toBe('taken');
    expect(await textOf(store, 'a')).toBe('2');
  });

  test('removes empty folders without disturbing writers beside', async ({ open }) => {
    const churn = async (store: BlobStore, name: string): Promise<void> => {
      for (let i = 0; i < 15; i += 1) {
        expect(await store.create(`deep/er/${name}`, bytesOf(`${i}`))).not.toBe('taken');
        expect(await textOf(store, `deep/er/${name}`)).toBe(`${i}`);
        await store.delete([`deep/er/${name}`]);
      }
    };
    await Promise.all(['a', 'b', 'c'].map((name) => churn(open(), name)));
    expect(await pathsOf(open(), '')).toEqual([]);
  });
}

function declareDurability(test: Test): void {
  test('keeps all that was reported', async ({ open, crash }) => {
    const store = open();
    await store.create('a/b/c', bytesOf('one'));
    const etag = await replaced(store, 'x/HEAD', 'old', undefined);
    await replaced(store, 'x/HEAD', 'new', etag);
    await store.create('gone/too', bytesOf('gone'));
    await store.delete(['gone/too']);
    crash?.();
    const after = open();
    expect(await pathsOf(after, '')).toEqual(['a/b/c', 'x/HEAD']);
    expect(await textOf(after, 'a/b/c')).toBe('one');
    expect(await textOf(after, 'x/HEAD')).toBe('new');
  });
}

function declarePaths(test: Test): void {
  test('takes names of any text', async ({ open }) => {
    const store = open();
    const names = [
      'mit Leer zeichen',
      'größe',
      '数据/流',
      '🌊',
      'a%2Fb',
      'x?y#z',
      "it's",
      '...',
      '-',
    ];
    for (const name of names) {
      expect(await store.create(name, bytesOf(name))).not.toBe('taken');
      await store.replaceIf(`heads/${name}`, bytesOf(name), undefined);
    }
    for (const name of names) {
      expect(await textOf(store, name)).toBe(name);
      expect(await textOf(store, `heads/${name}`)).toBe(name);
    }
    expect(await pathsOf(store, '')).toHaveLength(2 * names.length);
  });

  test('refuses paths that lead out or cannot be stored', async ({ open }) => {
    const store = open();
    const bad = [
      '',
      '/etc/passwd',
      '..',
      'a/../b',
      'a/./b',
      'a//b',
      'a/',
      'a\0b',
      '\ud800',
      'x'.repeat(256),
    ];
    for (const path of bad) {
      const refused = { code: 'STO-002', kind: 'invalid' };
      await expect(store.create(path, bytesOf('x'))).rejects.toMatchObject(refused);
      await expect(store.read(path)).rejects.toMatchObject(refused);
      await expect(store.delete([path])).rejects.toMatchObject(refused);
      await expect(store.replaceIf(path, bytesOf('x'), undefined)).rejects.toMatchObject(refused);
    }
    await expect(pathsOf(store, '../x')).rejects.toMatchObject({ code: 'STO-002' });
  });
}

function bytesOf(text: string): Uint8Array {
  return Buffer.from(text);
}

function textFrom(bytes: Uint8Array | undefined): string {
  return bytes === undefined ? 'nothing' : Buffer.from(bytes).toString();
}

async function textOf(store: BlobStore, path: string): Promise<string> {
  return textFrom((await store.read(path))?.bytes);
}

async function pathsOf(store: BlobStore, prefix: string): Promise<string[]> {
  const paths: string[] = [];
  for await (const entry of store.list(prefix)) paths.push(entry.path);
  return paths;
}

async function replaced(
  store: BlobStore,
  path: string,
  text: string,
  expected: Etag | undefined,
): Promise<Etag> {
  const etag = await store.replaceIf(path, bytesOf(text), expected);
  if (etag === 'changed') expect.fail(`${path} is not the version it should be`);
  return etag;
}

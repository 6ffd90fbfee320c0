import { describe, expect, it } from 'vitest';
import { sleep } from '../common/clock.ts';
import { Simulation } from '../testing/simulation/simulation.ts';
import type { BlobStore } from './blob-store.ts';
import { FileBlobStore } from './file-blob-store.ts';

const ROOT = '/var/store';
const BYTES = Buffer.from('some bytes');

describe('FileBlobStore: failures of the disk', () => {
  it.each([
    ['ENOSPC', /free space/i],
    ['EACCES', /right to read and write/],
    ['EROFS', /Mount that disk/],
    ['EIO', /kernel log/],
    ['EMFILE', /ulimit/],
    ['EWHATEVER', /^Check that the folder/m],
  ])('names the path, the cause and what to do for %s', async (errno, hint) => {
    const { simulation, store } = setup();
    simulation.disk.fail({ operations: ['sync'], errno });
    const error: unknown = await simulation
      .run(() => store.create('a/b', BYTES))
      .catch((failure: unknown) => failure);
    expect(error).toMatchObject({
      code: 'STO-006',
      kind: 'unavailable',
      details: { operation: 'create', url: `file://${ROOT}/a/b`, errno },
      cause: { code: errno },
    });
    expect((error as Error).message).toMatch(
      new RegExp(hint.source.replace('^', '^ {2}'), hint.flags),
    );
  });

  it('stores nothing and leaves nothing behind when the disk is full, and goes on when it is not', async () => {
    const { simulation, store } = setup();
    await simulation.run(async () => {
      await store.create('first', BYTES);
      simulation.disk.setCapacityBytes(15);
      await expect(store.create('second', BYTES)).rejects.toMatchObject({ code: 'STO-006' });
      await expect(store.replaceIf('HEAD', BYTES, undefined)).rejects.toMatchObject({
        code: 'STO-006',
      });
      expect(paths(simulation)).toEqual(['first']);
      simulation.disk.setCapacityBytes(undefined);
      expect(await store.create('second', BYTES)).not.toBe('taken');
      expect(paths(simulation)).toEqual(['first', 'second']);
    });
  });

  it('keeps the old version when a replacement fails', async () => {
    const { simulation, store } = setup();
    await simulation.run(async () => {
      const etag = await store.replaceIf('HEAD', BYTES, undefined);
      if (etag === 'changed') expect.fail('nothing was there');
      simulation.disk.fail({ operations: ['sync'], errno: 'EIO' });
      await expect(store.replaceIf('HEAD', BYTES, etag)).rejects.toMatchObject({ code: 'STO-006' });
      expect(await store.read('HEAD')).toMatchObject({ etag });
      expect(await store.replaceIf('HEAD', BYTES, etag)).not.toBe('changed');
      expect(paths(simulation)).toHaveLength(2);
    });
  });
});

// Once no failure of a replacement said that nothing had come of it, so a full disk left a checkpoint
// in doubt for ever.
describe('FileBlobStore: each operation of a replacement fails', () => {
  const NEW = Buffer.from('other bytes');

  it.each([
    ['ENOSPC', false],
    ['ENOSPC', true],
    ['EIO', false],
    ['EIO', true],
  ])('%s, done: %s: certain where nothing was changed, and only there', async (errno, done) => {
    const seen = new Map<string, string[]>();
    for (let skip = 0; ; skip += 1) {
      const failed = await failedReplacement({ skip, errno, done });
      if (failed === undefined) break;
      const { operation, code, isChanged, bodies } = failed;
      const about = `${operation} ${skip}: ${code}`;
      expect(['STO-001', 'STO-006'], about).toContain(code);
      if (code === 'STO-006')
        expect({ isChanged, bodies }, about).toEqual({ isChanged: false, bodies: 1 });
      seen.set(operation, [...(seen.get(operation) ?? []), code]);
    }
    expect([...new Set(seen.get('write'))]).toEqual(['STO-006']);
    const isUncertain = done || errno === 'EIO';
    expect(seen.get('rename')).toEqual(isUncertain ? ['STO-001'] : ['STO-006']);
  });

  /** What the store said and what was the case, also after a power failure; undefined: nothing failed. */
  async function failedReplacement(fault: {
    readonly skip: number;
    readonly errno: string;
    readonly done: boolean;
  }) {
    const simulation = new Simulation({ seed: fault.skip, keepLog: true });
    const { disk } = simulation;
    const etag = await simulation.run(() => open(simulation).replaceIf('HEAD', BYTES, undefined));
    if (etag === 'changed') expect.fail('nothing was there');
    const logged = simulation.log().length;
    disk.fail(fault);
    const store = open(simulation);
    const error: unknown = await simulation
      .run(() => store.replaceIf('HEAD', NEW, etag))
      .then(
        () => undefined,
        (failure: unknown) => failure,
      );
    const lines = simulation.log().slice(logged);
    if (!lines.some((line) => line.endsWith(fault.errno))) return undefined;
    const operation = / disk (\w+) /.exec(
      lines.find((line) => line.endsWith(fault.errno)) ?? '',
    )?.[1];
    const bodies = paths(simulation).filter((path) => path.includes('body')).length;
    disk.crash();
    const found = await simulation.run(() => open(simulation).read('HEAD'));
    const isChanged = found?.etag !== etag;
    expect(Buffer.from(found?.bytes ?? [])).toEqual(isChanged ? NEW : BYTES);
    if (error === undefined) {
      expect(isChanged, `${fault.skip}`).toBe(true);
      return { operation: 'a look', code: 'STO-001', isChanged, bodies };
    }
    const code = (error as { readonly code?: string }).code ?? 'no code';
    return { operation: operation ?? '?', code, isChanged, bodies };
  }
});

describe('FileBlobStore: what lies about', () => {
  it('removes what dead writers left, a day later, and nothing of the living', async () => {
    const { simulation, store } = setup();
    const dead = simulation.process('dead');
    simulation.disk.fail({ operations: ['create'], skip: 3, delayMs: 0 });
    const killed = simulation.disk.crashAt(simulation.disk.writePoints() + 4, 'after');
    void dead.start(({ fs, random }) => new FileBlobStore(fs, ROOT, random).create('x', BYTES));
    await simulation.run(killed);
    expect(paths(simulation)).toEqual([expect.stringMatching(/^\.tidemark-tmp\/[0-9a-f]{24}$/)]);
    await simulation.run(
      async () => {
        await store.create('soon', BYTES);
        expect(paths(simulation)).toHaveLength(2);
        await sleep(simulation.clock, 25 * 60 * 60 * 1000);
        await open(simulation).create('later', BYTES);
      },
      { virtualMsMax: Infinity },
    );
    expect(paths(simulation)).toEqual(['later', 'soon']);
  });

  it('writes again when its temporary file was taken away', async () => {
    const { simulation, store } = setup();
    await simulation.run(async () => {
      await store.create('first', BYTES);
      const slow = simulation.disk.fail({ operations: ['link'], delayMs: 1_000 });
      const created = store.create('second', BYTES);
      await sleep(simulation.clock, 500);
      slow();
      const { fs } = simulation.process('cleaner');
      for (const { name } of await fs.list(`${ROOT}/.tidemark-tmp`)) {
        await fs.remove(`${ROOT}/.tidemark-tmp/${name}`);
      }
      expect(await created).not.toBe('taken');
      expect(await store.read('second')).toBeDefined();
    });
  });

  it('goes on when somebody removed the root', async () => {
    const { simulation, store } = setup();
    const { fs } = simulation.process('vandal');
    await simulation.run(async () => {
      await store.create('first', BYTES);
      await fs.rename(ROOT, '/elsewhere');
      expect(await store.read('first')).toBeUndefined();
      expect(await store.create('first', BYTES)).not.toBe('taken');
    });
  });

  it('reports a content that is missing as damage', async () => {
    const { simulation, store } = setup();
    const { fs } = simulation.process('vandal');
    await simulation.run(async () => {
      await store.replaceIf('HEAD', BYTES, undefined);
      for (const { name } of await fs.list(`${ROOT}/HEAD`)) {
        if (name.includes('body')) await fs.remove(`${ROOT}/HEAD/${name}`);
      }
      await expect(store.read('HEAD')).rejects.toMatchObject({ code: 'STO-005', kind: 'corrupt' });
    });
  });
});

describe('FileBlobStore: a delete that was cut short', () => {
  // Once the next writer removed the content while the end of its head was not durable yet: power
  // failed, the head came back, and the blob was damaged.
  it('does not become damage when the next writer clears up and power fails', async () => {
    for (let seed = 0; seed < 12; seed += 1) {
      for (let n = 1; n <= 16; n += 1) {
        const simulation = new Simulation({ seed });
        const { disk } = simulation;
        await simulation.run(() => open(simulation).replaceIf('HEAD', BYTES, undefined));
        const headRemoved = disk.crashAt(disk.writePoints() + 1, 'after');
        void open(simulation).delete(['HEAD']);
        expect(await simulation.run(headRemoved)).toMatchObject({ operation: 'remove' });
        const cut = disk.crashAt(disk.writePoints() + n, 'before');
        void open(simulation).replaceIf('HEAD', BYTES, undefined);
        await simulation.run(cut);
        disk.crash();
        const found = await simulation.run(() => open(simulation).read('HEAD'));
        expect(Buffer.from(found?.bytes ?? BYTES)).toEqual(BYTES);
      }
    }
  });
});

describe('FileBlobStore: a delete whose folder goes', () => {
  // Once the folder of a removed name was gone when it was to be synced, which was taken for durable.
  it('is durable when reported, although another removed the empty folder', async () => {
    for (let seed = 0; seed < 20; seed += 1) {
      const simulation = new Simulation({ seed });
      const store = open(simulation);
      const rival = simulation.process('rival');
      await simulation.run(async () => {
        await store.create('deep/er/a', BYTES);
        simulation.disk.fail({ operations: ['syncFolder'], path: 'deep/er', delayMs: 100 });
        const deleted = store.delete(['deep/er/a']);
        await sleep(simulation.clock, 50);
        await rival.fs.removeFolder(`${ROOT}/deep/er`);
        await deleted;
        simulation.disk.crash();
        expect(await open(simulation).read('deep/er/a')).toBeUndefined();
      });
    }
  });
});

describe('FileBlobStore: paths that are blob and folder', () => {
  it('refuses them', async () => {
    const { simulation, store } = setup();
    const refused = { code: 'STO-003', kind: 'invalid' };
    await simulation.run(async () => {
      await store.create('a/b', BYTES);
      await expect(store.create('a', BYTES)).rejects.toMatchObject(refused);
      await expect(store.replaceIf('a', BYTES, undefined)).rejects.toMatchObject(refused);
      await expect(store.create('a/b/c', BYTES)).rejects.toMatchObject(refused);
      await expect(store.replaceIf('a/b/c/d', BYTES, undefined)).rejects.toMatchObject(refused);
      expect(paths(simulation)).toEqual(['a/b']);
    });
  });

  it('keeps its own names to itself', async () => {
    const { simulation, store } = setup();
    await simulation.run(async () => {
      await expect(store.create('.tidemark-tmp/x', BYTES)).rejects.toMatchObject({
        code: 'STO-002',
      });
      await store.create('x', BYTES);
      const found: string[] = [];
      for await (const { path } of store.list('')) found.push(path);
      expect(found).toEqual(['x']);
    });
  });
});

function setup(): { simulation: Simulation; store: BlobStore } {
  const simulation = new Simulation({ seed: 1 });
  return { simulation, store: open(simulation) };
}

function open(simulation: Simulation): FileBlobStore {
  const { fs, random } = simulation.process('client');
  return new FileBlobStore(fs, ROOT, random);
}

function paths(simulation: Simulation): string[] {
  return simulation.disk.files().map(({ path }) => path.slice(ROOT.length + 1));
}

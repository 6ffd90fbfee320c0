import { describe, expect, test } from 'vitest';
import { crc32 } from '../common/crc32.ts';
import { keyHash } from '../common/key-hash.ts';
import type { BlobHandle, KeyedRunHandle, SnapshotKind } from '../contracts/snapshots.ts';
import type { AnyStateDescriptor, ValueStateDescriptor } from '../contracts/state.ts';
import type { TypeSchema } from '../serde/type-schema.ts';
import { serializerOf } from '../serde/structural-serializer.ts';
import { HashmapBackend, type BackendTuning } from './hashmap-backend.ts';
import type { SnapshotTarget } from './keyed-state-backend.ts';
import { readKeyedRuns, type KeyedEntry } from './read-keyed-runs.ts';

const MAX_PARALLELISM = 8;

/** Files in memory, with some way for each to go wrong. */
class Files implements SnapshotTarget {
  readonly bytes = new Map<string, Uint8Array>();
  #count = 0;

  async store(_: string, name: string, parts: readonly Uint8Array[]): Promise<BlobHandle> {
    const bytes = new Uint8Array(Buffer.concat(parts));
    const path = `${name}-${this.#count++}`;
    this.bytes.set(path, bytes);
    return { kind: 'blob', path, sizeBytes: bytes.length, crc32: crc32(bytes) };
  }

  readonly read = async (handle: BlobHandle): Promise<Uint8Array> =>
    this.bytes.get(handle.kind === 'blob' ? handle.path : '') ?? new Uint8Array();
}

function start(tuning: BackendTuning = {}, nowMs = () => 0, maxParallelism = MAX_PARALLELISM) {
  let steps = 0;
  return new HashmapBackend(
    {
      uid: 'count-words',
      range: { start: 0, end: maxParallelism - 1 },
      maxParallelism,
      nowMs,
      monotonicMs: () => steps++,
    },
    tuning,
  );
}

function value(name: string, schema: TypeSchema): ValueStateDescriptor<unknown> {
  return {
    kind: 'value',
    name,
    ttl: undefined,
    serializer: serializerOf(schema),
    defaultValue: undefined,
  };
}

function at(backend: HashmapBackend, key: unknown): void {
  backend.setCurrentKey(key, keyHash(key));
}

async function take(
  backend: HashmapBackend,
  files: Files,
  checkpointId = 1,
  kind: SnapshotKind = 'checkpoint',
): Promise<readonly KeyedRunHandle[]> {
  const barrier = { checkpointId, kind, timestampMs: 0, full: false };
  const snapshot = backend.snapshot(barrier, files);
  while (!snapshot.drain(10)) await Promise.resolve();
  return (await snapshot.handles).runs;
}

function restore(backend: HashmapBackend, runs: readonly KeyedRunHandle[], files: Files) {
  return backend.restore({
    handles: runs,
    checkpointId: 1,
    reusableBase: false,
    read: files.read,
  });
}

const INT32: TypeSchema = { kind: 'int32' };
const TEXT: TypeSchema = { kind: 'string' };

function aSmallState() {
  const backend = start();
  const count = backend.declare(value('count', INT32));
  const name = backend.declare(value('name', TEXT));
  for (let key = 0; key < 20; key++) {
    at(backend, key);
    count.update(key);
    name.update(`name ${key}`);
  }
  return backend;
}

describe('run files', () => {
  test('every flipped bit and every cut is found before a row is used', async () => {
    const files = new Files();
    const [run] = await take(aSmallState(), files);
    if (run?.blob.kind !== 'blob') expect.unreachable();
    const good = await files.read(run.blob);
    const { path } = run.blob;
    const attempt = async (bytes: Uint8Array) => {
      files.bytes.set(path, bytes);
      const backend = start();
      const count = backend.declare(value('count', INT32));
      backend.declare(value('name', TEXT));
      await expect(restore(backend, [run], files)).rejects.toMatchObject({
        code: 'STA-001',
        kind: 'corrupt',
      });
      at(backend, 3);
      expect(count.value()).toBeUndefined();
    };
    for (let bit = 0; bit < good.length * 8; bit += 3) {
      const bad = good.slice();
      bad[bit >> 3] = (bad[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      await attempt(bad);
    }
    for (let length = 0; length < good.length; length += 5) await attempt(good.slice(0, length));
  });

  test('a damaged block is named with its file and what to do', async () => {
    const files = new Files();
    const [run] = await take(aSmallState(), files);
    if (run?.blob.kind !== 'blob') expect.unreachable();
    const bytes = await files.read(run.blob);
    const at = Buffer.from(bytes).indexOf('name 7');
    bytes[at] = 0;
    const backend = start();
    backend.declare(value('count', INT32));
    backend.declare(value('name', TEXT));
    await expect(restore(backend, [run], files)).rejects.toThrow(
      /STA-001.*file=`keyed-1-0-7-0-0`, block=`1`\n {2}Restore an older checkpoint/,
    );
  });

  test('two swapped files are found', async () => {
    const files = new Files();
    const backend = aSmallState();
    const [first] = await take(backend, files, 1, 'savepoint');
    at(backend, 1);
    backend.declare(value('more', INT32)).update(7);
    const [second] = await take(backend, files, 2, 'savepoint');
    if (first?.blob.kind !== 'blob' || second?.blob.kind !== 'blob') expect.unreachable();
    files.bytes.set(first.blob.path, await files.read(second.blob));
    await expect(restore(start(), [first], files)).rejects.toMatchObject({ code: 'STA-001' });
  });

  test('a large state is split into several files, and read again', async () => {
    const files = new Files();
    const backend = start({ fileBytes: 4_000 });
    const state = backend.declare(value('name', TEXT));
    for (let key = 0; key < 1_000; key++) {
      at(backend, key);
      state.update(`a name of some length ${key}`);
    }
    const runs = await take(backend, files);
    expect(runs.length).toBeGreaterThan(5);
    const again = start();
    const restored = again.declare(value('name', TEXT));
    await restore(again, runs, files);
    expect(again.rows()).toBe(1_000);
    at(again, 77);
    expect(restored.value()).toBe('a name of some length 77');
  });

  test('savepoints of equal content are equal bytes, whatever the order of changes', async () => {
    const bytes: Uint8Array[] = [];
    for (const keys of [
      [1, 2, 3, 4, 5],
      [5, 3, 1, 2, 4],
    ]) {
      const files = new Files();
      const backend = start();
      const map = backend.declare({
        kind: 'map',
        name: 'map',
        ttl: undefined,
        key: serializerOf(TEXT),
        value: serializerOf(INT32),
      });
      for (const key of keys) {
        at(backend, key % 2);
        backend.setCurrentNamespace({ start: key, end: key + 1 });
        for (const each of keys) map.put(`k${each}`, each);
      }
      await take(backend, files, 1, 'savepoint');
      bytes.push(...files.bytes.values());
    }
    expect(bytes[0]).toEqual(bytes[1]);
  });
});

describe('restore', () => {
  async function snapshotOf(descriptor: AnyStateDescriptor, update: (state: never) => void) {
    const files = new Files();
    const backend = start();
    const state = backend.declare(descriptor);
    at(backend, 'k');
    update(state as never);
    return { files, runs: await take(backend, files) };
  }

  test('widens a type and gives new fields their defaults', async () => {
    const point: TypeSchema = { kind: 'object', fields: [{ name: 'x', type: INT32 }] };
    const { files, runs } = await snapshotOf(
      value('p', point),
      (state: { update(v: unknown): void }) => {
        state.update({ x: 1 });
      },
    );
    const backend = start();
    const state = backend.declare(
      value('p', {
        kind: 'object',
        fields: [
          { name: 'x', type: { kind: 'float64' } },
          { name: 'y', type: { kind: 'float64' }, default: 5 },
        ],
      }),
    );
    await restore(backend, runs, files);
    at(backend, 'k');
    expect(state.value()).toEqual({ x: 1, y: 5 });
  });

  test('widens scalars that lie in a column', async () => {
    const { files, runs } = await snapshotOf(
      value('n', INT32),
      (state: { update(v: unknown): void }) => {
        state.update(42);
      },
    );
    const backend = start();
    const state = backend.declare(
      value('n', { kind: 'union', of: [{ kind: 'null' }, INT32, TEXT] }),
    );
    await restore(backend, runs, files);
    at(backend, 'k');
    expect(state.value()).toBe(42);
  });

  test('refuses a type that does not fit, and names operator and state', async () => {
    const { files, runs } = await snapshotOf(
      value('n', TEXT),
      (state: { update(v: unknown): void }) => {
        state.update('x');
      },
    );
    const backend = start();
    backend.declare(value('n', INT32));
    await expect(restore(backend, runs, files)).rejects.toThrow(
      /STA-002.*uid=`count-words`, state=`n`, part=`value`, why=`.+`\n {2}Give the field/,
    );
  });

  test('refuses another kind of state', async () => {
    const { files, runs } = await snapshotOf(
      value('n', INT32),
      (state: { update(v: unknown): void }) => {
        state.update(1);
      },
    );
    const backend = start();
    const element = serializerOf(INT32);
    backend.declare({ kind: 'list', name: 'n', ttl: undefined, element });
    await expect(restore(backend, runs, files)).rejects.toMatchObject({ code: 'STA-003' });
  });

  test('reports states that nobody declares', async () => {
    const { files, runs } = await snapshotOf(
      value('old', INT32),
      (state: { update(v: unknown): void }) => {
        state.update(1);
      },
    );
    const backend = start();
    backend.declare(value('new', INT32));
    const { undeclared, rows } = await restore(backend, runs, files);
    expect(undeclared).toMatchObject([{ name: 'old', kind: 'value' }]);
    expect(rows).toBe(0);
  });

  test('refuses another maxParallelism', async () => {
    const { files, runs } = await snapshotOf(
      value('n', INT32),
      (state: { update(v: unknown): void }) => {
        state.update(1);
      },
    );
    const backend = start({}, () => 0, 16);
    backend.declare(value('n', INT32));
    await expect(restore(backend, runs, files)).rejects.toMatchObject({ code: 'STA-007' });
  });

  test('two states of one name are refused', () => {
    const backend = start();
    backend.declare(value('n', INT32));
    expect(() => backend.declare(value('n', INT32))).toThrow(/STA-004/);
  });

  test('a value that does not fit fails the snapshot and names the state', async () => {
    const backend = start();
    const state = backend.declare(value('n', INT32));
    at(backend, 1);
    state.update('no number');
    await expect(take(backend, new Files())).rejects.toThrow(/STA-005.*state=`n`/);
  });

  test('an aborted snapshot rejects its handles', async () => {
    const backend = aSmallState();
    const barrier = { checkpointId: 1, kind: 'checkpoint', timestampMs: 0, full: false } as const;
    const snapshot = backend.snapshot(barrier, new Files());
    backend.aborted(1);
    expect(snapshot.drain(1)).toBe(true);
    await expect(snapshot.handles).rejects.toMatchObject({ code: 'STA-008' });
  });
});

describe('reading runs without the job', () => {
  test('gives entries key by key, newest values, without what was deleted', async () => {
    const files = new Files();
    const backend = start({ rewrite: { leastBytes: 0, share: 0, checkpointsMax: 1e9 } });
    const count = backend.declare(value('count', INT32));
    const timers = backend.timers('t');
    for (const key of ['a', 'b', 'c']) {
      at(backend, key);
      count.update(1);
      timers.register(50);
    }
    await take(backend, files, 1);
    backend.confirmed(1);
    at(backend, 'a');
    count.update(2);
    at(backend, 'b');
    count.clear();
    timers.delete(50);
    const runs = await take(backend, files, 2);
    expect(runs).toHaveLength(2);
    const entries: KeyedEntry[] = [];
    for await (const entry of readKeyedRuns(runs, files.read)) entries.push(entry);
    const texts = entries.map(({ key, state, value: v }) => `${String(key)} ${state} ${String(v)}`);
    expect(texts.toSorted()).toEqual(['a count 2', 'a t 50', 'c count 1', 'c t 50']);
    const changesOfKey = entries.filter(({ key }, i) => key !== entries[i - 1]?.key);
    expect(changesOfKey).toHaveLength(2);
  });
});

describe('time to live', () => {
  test('expired rows that nobody reads go, a few with each batch', () => {
    let now = 0;
    const backend = start({}, () => now);
    const state = backend.declare({
      ...value('n', INT32),
      ttl: { ttlMs: 100, update: 'on-write' },
    });
    for (let key = 0; key < 1_000; key++) {
      at(backend, key);
      state.update(key);
    }
    now = 200;
    let batches = 0;
    while (backend.rows() > 0 && batches < 100) {
      backend.beginBatch();
      batches++;
    }
    expect(backend.rows()).toBe(0);
    expect(batches).toBeGreaterThan(4);
  });

  test('a state that gets a time to live later starts its old rows once', async () => {
    let now = 0;
    const files = new Files();
    const before = start();
    const plain = before.declare(value('n', INT32));
    at(before, 1);
    plain.update(1);
    const runs = await take(before, files);
    const again = async (handles: readonly KeyedRunHandle[], id: number) => {
      const backend = start({}, () => now);
      const state = backend.declare({
        ...value('n', INT32),
        ttl: { ttlMs: 100, update: 'on-write' },
      });
      await backend.restore({ handles, checkpointId: id, reusableBase: true, read: files.read });
      at(backend, 1);
      return { backend, state };
    };
    const first = await again(runs, 1);
    expect(first.state.value()).toBe(1);
    const later = await take(first.backend, files, 2);
    now = 150;
    const second = await again(later, 2);
    expect(second.state.value()).toBeUndefined();
  });
});

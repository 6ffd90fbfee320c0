/*
 * Goal: while a restore loads, state is what it is after one that was loaded at once, nothing comes
 * out of bytes that were not checked, and no snapshot is ready before all of them were.
 * Method: one state restored both ways; damage to each block. That any order of operations and of
 * loading gives the same is for `hashmap-backend.test.ts`.
 * Replay: there is no chance in it.
 */
import { describe, expect, test } from 'vitest';
import { crc32 } from '../common/crc32.ts';
import { keyHash } from '../common/key-hash.ts';
import type { BlobHandle, KeyedRunHandle, SnapshotKind } from '../contracts/snapshots.ts';
import type { ValueStateDescriptor } from '../contracts/state.ts';
import { serializerOf } from '../serde/structural-serializer.ts';
import type { TypeSchema } from '../serde/type-schema.ts';
import { HashmapBackend, type BackendTuning } from './hashmap-backend.ts';
import type { RestoreOptions, SnapshotTarget } from './keyed-state-backend.ts';
import { readKeyedRuns } from './read-keyed-runs.ts';

const MAX_PARALLELISM = 8;
const KEYS = Array.from({ length: 200 }, (_, key) => key);
const ALL = Int32Array.from(KEYS, keyHash);
const INT32: TypeSchema = { kind: 'int32' };
const TEXT: TypeSchema = { kind: 'string' };
const LAZY: BackendTuning = { lazyBytes: 0, wholeBytes: 0, sliceRows: 4 };

/** Files in memory. Ranges come when the test lets them. */
class Files implements SnapshotTarget {
  readonly bytes = new Map<string, Uint8Array>();
  ranges = true;
  arrivals = 0;
  #gate: Promise<void> = Promise.resolve();

  async store(_: string, name: string, parts: readonly Uint8Array[]): Promise<BlobHandle> {
    const bytes = new Uint8Array(Buffer.concat(parts));
    const path = `${name}-${this.bytes.size}`;
    this.bytes.set(path, bytes);
    return { kind: 'blob', path, sizeBytes: bytes.length, crc32: crc32(bytes) };
  }

  /** From now on ranges wait until the returned function is called, with an error or without. */
  hold(): (error?: Error) => void {
    let go: (error?: Error) => void = () => undefined;
    this.#gate = new Promise((resolve, reject) => {
      go = (error) => {
        if (error === undefined) resolve();
        else reject(error);
      };
    });
    return go;
  }

  options(handles: readonly KeyedRunHandle[]): RestoreOptions {
    const read = async (handle: BlobHandle) =>
      this.bytes.get(handle.kind === 'blob' ? handle.path : '') ?? new Uint8Array();
    return {
      handles,
      checkpointId: 1,
      reusableBase: true,
      read,
      onArrival: () => this.arrivals++,
      readRange: this.ranges
        ? async (handle, { offset, length }) => {
            await this.#gate;
            return (await read(handle)).slice(offset, offset + length);
          }
        : undefined,
    };
  }
}

function value(name: string, schema: TypeSchema): ValueStateDescriptor<unknown> {
  const serializer = serializerOf(schema);
  return { kind: 'value', name, ttl: undefined, serializer, defaultValue: undefined };
}

function start(tuning: BackendTuning = {}, nameSchema = TEXT) {
  let steps = 0;
  const backend = new HashmapBackend(
    {
      uid: 'count-words',
      range: { start: 0, end: MAX_PARALLELISM - 1 },
      maxParallelism: MAX_PARALLELISM,
      nowMs: () => 0,
      monotonicMs: () => steps++,
    },
    tuning,
  );
  const count = backend.declare(value('count', INT32));
  const name = backend.declare(value('name', nameSchema));
  const timers = backend.timers('timers');
  const at = (key: number) => {
    backend.setCurrentKey(key, keyHash(key));
    return { count, name, timers };
  };
  return { backend, at };
}

type Started = ReturnType<typeof start>;

function begin({ backend }: Started, files: Files, checkpointId: number, kind: SnapshotKind) {
  return backend.snapshot({ checkpointId, kind, timestampMs: 0, full: false }, files);
}

async function take(of: Started, files: Files, id: number, kind: SnapshotKind = 'checkpoint') {
  const snapshot = begin(of, files, id, kind);
  for (let i = 0; !snapshot.drain(Infinity); i++) {
    if (i > 1_000) expect.unreachable('the snapshot does not come to an end');
    await Promise.resolve();
  }
  return (await snapshot.handles).runs;
}

/** Two checkpoints, the second with changes and tombstones, in files of several blocks. */
async function aState(files: Files): Promise<readonly KeyedRunHandle[]> {
  const rewrite = { leastBytes: 0, share: 0, checkpointsMax: 1e9 };
  const state = start({ fileBytes: 1_000, rewrite });
  for (const key of KEYS) {
    const { count, name, timers } = state.at(key);
    count.update(key);
    name.update(`name ${key}`);
    if (key % 50 === 0) timers.register(key);
  }
  await take(state, files, 1);
  state.backend.confirmed(1);
  for (const key of KEYS.slice(0, 20)) {
    if (key % 2 === 0) state.at(key).name.clear();
    else state.at(key).count.update(-key);
  }
  return take(state, files, 2);
}

function expected(key: number) {
  const changed = key < 20;
  return {
    count: changed && key % 2 === 1 ? -key : key,
    name: changed && key % 2 === 0 ? undefined : `name ${key}`,
  };
}

function read({ at }: Started, key: number) {
  const { count, name } = at(key);
  return { count: count.value(), name: name.value() };
}

async function ready(
  { backend }: Pick<Started, 'backend'>,
  hashes: Int32Array = ALL,
): Promise<void> {
  for (let i = 0; !backend.ready(hashes, 0, hashes.length); i++) {
    if (i > 1_000) expect.unreachable('bytes do not come');
    await Promise.resolve();
  }
}

async function restored(files: Files, runs: readonly KeyedRunHandle[], tuning = LAZY) {
  const again = start(tuning);
  await again.backend.restore(files.options(runs));
  return again;
}

describe('a lazy restore', () => {
  test.each([true, false])(
    'serves each key before it has loaded, by ranges: %s',
    async (ranges) => {
      const files = new Files();
      files.ranges = ranges;
      const again = await restored(files, await aState(files));
      expect(again.backend.verified).toBe(false);
      for (const key of KEYS.toReversed()) {
        await ready(again, Int32Array.of(keyHash(key)));
        expect(read(again, key)).toEqual(expected(key));
      }
      while (again.backend.loadSlice(1) !== 'loaded') await Promise.resolve();
      expect(again.backend.verified).toBe(true);
      expect(again.backend.rows()).toBe(200 + 190 + 4);
      for (const key of KEYS) expect(read(again, key)).toEqual(expected(key));
    },
  );

  test('tells how far it is, up to all bytes of all files', async () => {
    const files = new Files();
    const runs = await aState(files);
    expect(start(LAZY).backend.restoreProgress()).toBeUndefined();
    const again = await restored(files, runs);
    const totalBytes = runs.reduce((sum, { blob }) => sum + blob.sizeBytes, 0);
    const seen = [again.backend.restoreProgress()];
    expect(seen[0]).toMatchObject({ totalBytes });
    while (again.backend.loadSlice(1) !== 'loaded') {
      seen.push(again.backend.restoreProgress());
      await Promise.resolve();
    }
    seen.push(again.backend.restoreProgress());
    for (const how of ['loadedBytes', 'verifiedBytes'] as const) {
      const bytes = seen.map((each) => each?.[how] ?? NaN);
      expect(bytes).toEqual(bytes.toSorted((a, b) => a - b));
      expect(bytes[0]).toBeLessThan(totalBytes / 2);
      expect(new Set(bytes).size).toBeGreaterThan(5);
      expect(bytes.at(-1)).toBe(totalBytes);
    }
    const atOnce = await restored(files, runs, {});
    const all = { totalBytes, loadedBytes: totalBytes, verifiedBytes: totalBytes };
    expect(atOnce.backend.restoreProgress()).toEqual(all);
  });

  test('has all timers before the first record, and tells when their keys are there', async () => {
    const files = new Files();
    const runs = await aState(files);
    const options = files.options(runs);
    const again = start(LAZY);
    await again.backend.restore(options);
    const { timers } = again.at(0);
    expect(timers.size()).toBe(4);
    const go = files.hold();
    expect(timers.isReady()).toBe(false);
    go();
    await ready(again, Int32Array.of(keyHash(0)));
    expect(timers.isReady()).toBe(true);
    expect(timers.poll()).toBe(0);
  });

  test('brings older types up to date', async () => {
    const files = new Files();
    const runs = await aState(files);
    const union: TypeSchema = { kind: 'union', of: [{ kind: 'null' }, TEXT] };
    const again = start(LAZY, union);
    await again.backend.restore(files.options(runs));
    await ready(again);
    expect(read(again, 150)).toEqual(expected(150));
    const refused = start(LAZY, INT32);
    const refusal = { code: 'STA-002', kind: 'invalid' };
    await expect(refused.backend.restore(files.options(runs))).rejects.toMatchObject(refusal);
  });

  test('fails for good when the store does, and says so to whoever waits', async () => {
    const files = new Files();
    const again = await restored(files, await aState(files));
    const go = files.hold();
    expect(again.backend.ready(ALL, 0, ALL.length)).toBe(false);
    go(new TypeError('no such host'));
    for (let i = 0; i < 20; i++) await Promise.resolve();
    expect(files.arrivals).toBeGreaterThan(0);
    expect(() => again.backend.ready(ALL, 0, 1)).toThrow('no such host');
    expect(() => again.backend.loadSlice(1)).toThrow('no such host');
  });
});

describe('damage', () => {
  /** Everything that a restore may come to: it refuses, or a read, or the first checkpoint does. */
  async function expectFound(files: Files, runs: readonly KeyedRunHandle[]): Promise<void> {
    const again = start(LAZY);
    const damage = { code: 'STA-001', kind: 'corrupt' };
    try {
      await again.backend.restore(files.options(runs));
      await ready(again);
    } catch (error) {
      expect(error).toMatchObject(damage);
      return;
    }
    for (const key of KEYS) {
      try {
        expect(read(again, key)).toEqual(expected(key));
      } catch (error) {
        // As user code that goes on with whatever is thrown.
        expect(error).toMatchObject(damage);
      }
    }
    await expect(take(again, files, 9)).rejects.toMatchObject(damage);
    expect(again.backend.verified).toBe(false);
    expect(() => again.backend.loadSlice(1)).toThrow(/STA-001/);
  }

  test.each([true, false])(
    'of any byte is found before a checkpoint is complete, by ranges: %s',
    { timeout: 60_000 },
    async (ranges) => {
      const files = new Files();
      files.ranges = ranges;
      const runs = await aState(files);
      for (const { blob } of runs) {
        if (blob.kind !== 'blob') expect.unreachable();
        const good = files.bytes.get(blob.path) ?? new Uint8Array();
        for (let at = runs.length % 7; at < good.length; at += 29) {
          const bad = good.slice();
          bad[at] = (bad[at] ?? 0) ^ (1 << (at & 7));
          files.bytes.set(blob.path, bad);
          await expectFound(files, runs);
        }
        files.bytes.set(blob.path, good.slice(0, good.length - 5));
        await expectFound(files, runs);
        files.bytes.set(blob.path, good);
      }
    },
  );

  test('in a block that no record needs makes loading fail', async () => {
    const files = new Files();
    const runs = await aState(files);
    const [first] = runs;
    if (first?.blob.kind !== 'blob') expect.unreachable();
    const bytes = files.bytes.get(first.blob.path) ?? new Uint8Array();
    const at = Buffer.from(bytes).indexOf('name 1');
    bytes[at] = 0;
    const again = await restored(files, runs);
    const load = async () => {
      while (again.backend.loadSlice(1) !== 'loaded') await Promise.resolve();
    };
    await expect(load()).rejects.toThrow(/STA-001.*file=`keyed-1-.*, block=`\d+`\n {2}Restore/);
    expect(() => begin(again, files, 3, 'checkpoint').drain(1)).toThrow(/STA-001/);
  });

  test('that changes no checksum of a block, but the file, is found with its last block', async () => {
    const files = new Files();
    const runs = await aState(files);
    const [first, ...others] = runs;
    if (first?.blob.kind !== 'blob') expect.unreachable();
    // The handle of another attempt's file with the same name.
    const swapped = { ...first, blob: { ...first.blob, crc32: first.blob.crc32 ^ 1 } };
    const again = await restored(files, [swapped, ...others]);
    await ready(again);
    await expect(take(again, files, 3)).rejects.toThrow(/STA-001.*it is not the file/);
  });
});

describe('a snapshot that is taken while it loads', () => {
  async function entriesOf(files: Files, runs: readonly KeyedRunHandle[]): Promise<unknown[]> {
    const entries: unknown[] = [];
    for await (const entry of readKeyedRuns(runs, files.options(runs).read)) entries.push(entry);
    return entries;
  }

  /** Changes before the barrier, then others that must not get into the snapshot. */
  async function snapshotOf(of: Started, files: Files, kind: SnapshotKind) {
    of.at(150).count.update(1_000);
    of.at(151).name.clear();
    const snapshot = begin(of, files, 3, kind);
    for (const key of KEYS.slice(100)) {
      of.at(key).count.update(7);
      of.at(key).name.clear();
      of.at(key + 1_000).count.update(7);
      snapshot.drain(1);
    }
    while (!snapshot.drain(1)) await Promise.resolve();
    const { runs } = await snapshot.handles;
    return { runs, bytes: runs.map(({ blob }) => (blob.kind === 'blob' ? blob.crc32 : 0)) };
  }

  test.each(['checkpoint', 'savepoint'] as const)(
    'is that of an eager restore: %s',
    async (kind) => {
      const files = new Files();
      const runs = await aState(files);
      const lazy = await restored(files, runs);
      const eager = await restored(files, runs, {});
      await ready(lazy);
      await ready(
        lazy,
        Int32Array.from(KEYS, (key) => keyHash(key + 1_000)),
      );
      expect([lazy.backend.verified, eager.backend.verified]).toEqual([false, true]);
      const one = await snapshotOf(lazy, files, kind);
      const other = await snapshotOf(eager, files, kind);
      expect(await entriesOf(files, one.runs)).toEqual(await entriesOf(files, other.runs));
      if (kind === 'savepoint') expect(one.bytes).toEqual(other.bytes);
    },
  );

  test('is ready only when every byte was checked', async () => {
    const files = new Files();
    const again = await restored(files, await aState(files));
    const go = files.hold();
    const snapshot = begin(again, files, 3, 'checkpoint');
    let isReady = false;
    void snapshot.handles.then(() => {
      isReady = true;
    });
    for (let i = 0; i < 100; i++) {
      expect(snapshot.drain(1)).toBe(false);
      await Promise.resolve();
    }
    expect(isReady).toBe(false);
    go();
    while (!snapshot.drain(1)) await Promise.resolve();
    await snapshot.handles;
    expect(again.backend.verified).toBe(true);
  });

  test('is given up for a newer one if bytes are still to come', async () => {
    const files = new Files();
    const again = await restored(files, await aState(files));
    const go = files.hold();
    const first = begin(again, files, 3, 'checkpoint');
    const second = begin(again, files, 4, 'checkpoint');
    await expect(first.handles).rejects.toMatchObject({ code: 'STA-008' });
    go();
    while (!second.drain(1)) await Promise.resolve();
    expect((await second.handles).runs.length).toBeGreaterThan(0);
  });
});

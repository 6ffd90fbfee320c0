/**
 * What a restart waits for: time to the first correct read after a restore, time until all is
 * verified, and what an operation costs meanwhile, loaded lazily and at once.
 * Usage: `node bench/lazy-restore.ts [keys] [deltas]`. Default: 1 M keys of 500 bytes, no deltas.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readHandle, readHandleRange } from '../src/checkpoint/handle-reader.ts';
import { crc32 } from '../src/common/crc32.ts';
import { keyHash } from '../src/common/key-hash.ts';
import { nodeFileSystem } from '../src/common/node-file-system.ts';
import { systemRandom } from '../src/common/random.ts';
import type { KeyedRunHandle } from '../src/contracts/snapshots.ts';
import type { ValueStateDescriptor } from '../src/contracts/state.ts';
import { serializerOf } from '../src/serde/structural-serializer.ts';
import { HashmapBackend, type BackendTuning } from '../src/state/hashmap-backend.ts';
import type { SnapshotTarget } from '../src/state/keyed-state-backend.ts';
import { FileBlobStore } from '../src/storage/file-blob-store.ts';

const MAX_PARALLELISM = 1024;
const BATCH = 256;
const BATCHES_PER_STEP = 4;
const LOAD_SLICE_MS = 0.5;
const VALUE_BYTES = 500;

interface Row {
  readonly n: number;
  readonly text: string;
}

const row = serializerOf({
  kind: 'object',
  fields: [
    { name: 'n', type: { kind: 'float64' } },
    { name: 'text', type: { kind: 'string' } },
  ],
});

const descriptor: ValueStateDescriptor<Row> = {
  kind: 'value',
  name: 'row',
  ttl: undefined,
  serializer: row,
  defaultValue: undefined,
};

function start(tuning: BackendTuning = {}) {
  const backend = new HashmapBackend(
    {
      uid: 'bench',
      range: { start: 0, end: MAX_PARALLELISM - 1 },
      maxParallelism: MAX_PARALLELISM,
      nowMs: () => Date.now(),
      monotonicMs: () => performance.now(),
    },
    tuning,
  );
  const state = backend.declare(descriptor);
  return { backend, state };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

async function write(store: FileBlobStore, keys: number, deltas: number) {
  const { backend, state } = start();
  const pad = 'x'.repeat(VALUE_BYTES - 16);
  const put = (key: number) => {
    backend.setCurrentKey(key, keyHash(key));
    state.update({ n: key, text: `${pad}${key}` });
  };
  const target: SnapshotTarget = {
    async store(_scope, name, parts) {
      const path = `files/${name}`;
      await store.create(path, parts);
      const sizeBytes = parts.reduce((sum, { length }) => sum + length, 0);
      const checksum = parts.reduce((sum, part) => crc32(part, sum), 0);
      return { kind: 'blob', path, sizeBytes, crc32: checksum };
    },
  };
  for (let key = 0; key < keys; key++) put(key);
  let runs: readonly KeyedRunHandle[] = [];
  for (let checkpointId = 1; checkpointId <= deltas + 1; checkpointId++) {
    const barrier = { checkpointId, kind: 'checkpoint', timestampMs: 0, full: false } as const;
    const snapshot = backend.snapshot(barrier, target);
    while (!snapshot.drain(50)) await turn();
    ({ runs } = await snapshot.handles);
    backend.confirmed(checkpointId);
    for (let i = 0; i < keys / 100; i++) put((checkpointId * 7919 + i * 131) % keys);
  }
  backend.close();
  return runs;
}

interface Measured {
  readonly firstMs: number;
  readonly verifiedMs: number;
  readonly latencies: Float64Array;
  readonly operations: number;
}

/** Restores and goes on with random reads and writes, as a task does, until all is verified. */
async function measure(
  store: FileBlobStore,
  runs: readonly KeyedRunHandle[],
  keys: number,
  how: { readonly lazy: boolean; readonly ranges: boolean },
): Promise<Measured> {
  const { backend, state } = start(how.lazy ? {} : { lazyBytes: Infinity });
  const latencies = new Float64Array(8_000_000);
  let operations = 0;
  let seed = 12345;
  const batch = new Int32Array(BATCH);
  const hashes = new Int32Array(BATCH);
  const began = performance.now();
  await backend.restore({
    handles: runs,
    checkpointId: 1,
    reusableBase: true,
    read: (handle) => readHandle(store, handle),
    readRange: how.ranges ? (handle, range) => readHandleRange(store, handle, range) : undefined,
  });
  const one = (key: number, hash: number) => {
    const before = performance.now();
    backend.setCurrentKey(key, hash);
    const value = state.value();
    if (value?.n !== key) throw new RangeError(`key ${key} has the value of ${value?.n}`);
    state.update(value);
    if (operations < latencies.length) latencies[operations++] = performance.now() - before;
  };
  // Ready for a single record first, as a job with little input is.
  hashes[0] = keyHash(77);
  while (!backend.ready(hashes, 0, 1)) await turn();
  one(77, hashes[0]);
  const firstMs = performance.now() - began;
  let isLoaded = backend.verified;
  const least = how.lazy ? 0 : 2_000_000;
  while (!isLoaded || operations < least) {
    for (let round = 0; round < BATCHES_PER_STEP; round++) {
      for (let i = 0; i < BATCH; i++) {
        seed = (Math.imul(seed, 1664525) + 1013904223) | 0;
        const key = (seed >>> 8) % keys;
        batch[i] = key;
        hashes[i] = keyHash(key);
      }
      while (!backend.ready(hashes, 0, BATCH)) {
        backend.loadSlice(LOAD_SLICE_MS);
        await turn();
      }
      for (let i = 0; i < BATCH; i++) one(batch[i] ?? 0, hashes[i] ?? 0);
    }
    isLoaded = backend.loadSlice(LOAD_SLICE_MS) === 'loaded';
    await turn();
  }
  const verifiedMs = how.lazy ? performance.now() - began : firstMs;
  if (backend.rows() !== keys) throw new RangeError(`${backend.rows()} rows of ${keys}`);
  backend.close();
  return { firstMs, verifiedMs, latencies: latencies.slice(0, operations), operations };
}

function report(name: string, { firstMs, verifiedMs, latencies, operations }: Measured): void {
  latencies.sort();
  const at = (share: number) =>
    ((latencies[Math.floor(share * (operations - 1))] ?? 0) * 1000).toFixed(1);
  console.log(
    `${name.padEnd(22)} first read ${firstMs.toFixed(0).padStart(6)} ms, verified ` +
      `${verifiedMs.toFixed(0).padStart(6)} ms; ${operations} operations: p50 ${at(0.5)} µs, ` +
      `p99 ${at(0.99)} µs, p99.9 ${at(0.999)} µs, longest ${at(1)} µs`,
  );
}

const keys = Number(process.argv[2] ?? 1_000_000);
const deltas = Number(process.argv[3] ?? 0);
const folder = await mkdtemp(join(tmpdir(), 'lazy-restore-'));
try {
  const store = new FileBlobStore(nodeFileSystem, folder, systemRandom);
  const runs = await write(store, keys, deltas);
  const bytes = runs.reduce((sum, { blob }) => sum + blob.sizeBytes, 0);
  console.log(`${keys} keys, ${runs.length} runs, ${(bytes / 1e6).toFixed(0)} MB`);
  for (let round = 0; round < 2; round++) {
    report('lazy, by ranges', await measure(store, runs, keys, { lazy: true, ranges: true }));
    report('lazy, whole files', await measure(store, runs, keys, { lazy: true, ranges: false }));
    report('at once', await measure(store, runs, keys, { lazy: false, ranges: false }));
  }
} finally {
  await rm(folder, { recursive: true });
}

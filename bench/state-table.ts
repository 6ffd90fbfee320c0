/**
 * What keyed state costs: ns of `value()` and `update()`, milliseconds of a snapshot, and bytes of
 * deltas. Usage: `node bench/state-table.ts [polluted] [records] [snapshots]`.
 */
import { keyHash } from '../src/common/key-hash.ts';
import type { ValueState } from '../src/contracts/state.ts';
import { serializerOf } from '../src/serde/structural-serializer.ts';
import type { HashmapBackend } from '../src/state/hashmap-backend.ts';
import { backend, counter, float64, snapshotOnce } from './counter-state.ts';

const BATCH = 256;

const doc = serializerOf({
  kind: 'object',
  fields: [
    { name: 'n', type: { kind: 'float64' } },
    { name: 'label', type: { kind: 'string' } },
  ],
});

interface Load {
  readonly keys: readonly unknown[];
  /** Computed before, as routing does. */
  readonly hashes: Int32Array;
  /** Which key each record has: uniform, the same each time. */
  readonly order: Int32Array;
}

function loadOf(keys: readonly unknown[], count: number): Load {
  const order = new Int32Array(count);
  let x = 12345;
  for (let i = 0; i < count; i++) {
    x = (Math.imul(x, 1664525) + 1013904223) | 0;
    order[i] = (x >>> 8) % keys.length;
  }
  return { keys, hashes: Int32Array.from(keys, (key) => keyHash(key)), order };
}

function countAll(of: HashmapBackend, state: ValueState<number>, load: Load, prefetch: boolean) {
  const { keys, hashes, order } = load;
  const batch = new Int32Array(BATCH);
  for (let from = 0; from < order.length; from += BATCH) {
    const to = Math.min(from + BATCH, order.length);
    if (prefetch) {
      for (let i = from; i < to; i++) batch[i - from] = hashes[order[i] ?? 0] ?? 0;
      of.prefetch(batch, 0, to - from);
    }
    for (let i = from; i < to; i++) {
      const at = order[i] ?? 0;
      of.setCurrentKey(keys[at], hashes[at] ?? 0);
      state.update((state.value() ?? 0) + 1);
    }
  }
}

/** Uses other tables first, as a task with several operators does, so that no call site stays pure. */
function pollute(): void {
  const of = backend();
  const value = counter(of);
  const docs = of.declare({
    kind: 'value',
    name: 'doc',
    ttl: undefined,
    serializer: doc,
    defaultValue: undefined,
  });
  const map = of.declare({ kind: 'map', name: 'map', ttl: undefined, key: float64, value: doc });
  const expiring = of.declare({
    kind: 'value',
    name: 'ttl',
    ttl: { ttlMs: 1000, update: 'on-write' },
    serializer: float64,
    defaultValue: undefined,
  });
  for (let i = 0; i < 200_000; i++) {
    const key = [i % 1000, `s${i % 777}`, [i % 500, 'x'], { a: i % 300 }][i % 4];
    of.setCurrentKey(key, keyHash(key));
    of.setCurrentNamespace(i % 3 === 0 ? { start: i % 100, end: i } : undefined);
    value.update((value.value() ?? 0) + 0.5);
    docs.update({ n: i, label: docs.value()?.label ?? 'x' });
    map.put(i % 5, { n: i, label: 'y' });
    expiring.update((expiring.value() ?? 0) + 1);
  }
}

function timeRecords(name: string, keys: readonly unknown[], prefetch = false): void {
  const load = loadOf(keys, 4_000_000);
  const of = backend();
  const state = counter(of);
  countAll(of, state, load, prefetch);
  const rounds = [0, 1, 2].map(() => {
    const start = performance.now();
    countAll(of, state, load, prefetch);
    return ((performance.now() - start) * 1e6) / load.order.length;
  });
  const all = rounds.map((ns) => ns.toFixed(0)).join(' ');
  console.log(`${name.padEnd(32)} ${Math.min(...rounds).toFixed(1)} ns  (${all})`);
}

async function timeSnapshots(keys: number, share: number, checkpoints: number): Promise<void> {
  const of = backend();
  const state = counter(of);
  const touch = (key: number) => {
    of.setCurrentKey(key, keyHash(key));
    state.update((state.value() ?? 0) + 1);
  };
  for (let key = 0; key < keys; key++) touch(key);
  let x = 1;
  let full = 0;
  console.log(`\n${keys} int keys, ${share * 100} % touched between checkpoints`);
  for (let id = 1; id <= checkpoints; id++) {
    const one = await snapshotOnce(of, id);
    if (id === 1) full = one.writtenBytes;
    if (id <= 4 || id % Math.ceil(checkpoints / 10) === 0) {
      console.log(
        `${String(id).padStart(5)}: barrier ${one.barrierMs.toFixed(2)} ms, ` +
          `drain ${one.drainMs.toFixed(1)} ms, longest slice ${one.longestMs.toFixed(2)} ms, ` +
          `${one.writtenBytes} bytes (${((100 * one.writtenBytes) / full).toFixed(2)} % of full), ` +
          `${one.runs} runs, ${(one.chainBytes / full).toFixed(2)} x full`,
      );
    }
    for (let i = 0; i < keys * share; i++) {
      x = (Math.imul(x, 1664525) + 1013904223) | 0;
      touch((x >>> 8) % keys);
    }
  }
}

const wanted = process.argv.slice(2).filter((word) => word !== 'polluted');
if (process.argv.includes('polluted')) {
  pollute();
  console.log('call sites polluted by other tables');
}
if (wanted.length === 0 || wanted.includes('records')) {
  for (const count of [100_000, 1_000_000]) {
    const keys = Array.from({ length: count }, (_, i) => i);
    timeRecords(`${count} int keys`, keys);
    timeRecords(`${count} int keys, prefetch`, keys, true);
    const texts = keys.map((key) => `user-${key}`);
    timeRecords(`${count} string keys`, texts);
  }
}
if (wanted.length === 0 || wanted.includes('snapshots')) {
  await timeSnapshots(100_000, 0.01, 60);
  await timeSnapshots(100_000, 1, 4);
  await timeSnapshots(1_000_000, 0.01, 300);
  await timeSnapshots(1_000_000, 0.0001, 400);
}

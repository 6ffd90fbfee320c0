/** A keyed state backend by itself, with counters in it and checkpoints taken of it. */
import { crc32 } from '../src/common/crc32.ts';
import type { ValueState } from '../src/contracts/state.ts';
import { serializerOf } from '../src/serde/structural-serializer.ts';
import { HashmapBackend } from '../src/state/hashmap-backend.ts';
import type { SnapshotTarget } from '../src/state/keyed-state-backend.ts';

const MAX_PARALLELISM = 1024;

export const float64 = serializerOf({ kind: 'float64' });

let stored = 0;
const target: SnapshotTarget = {
  async store(_scope, name, parts) {
    let sizeBytes = 0;
    let checksum = 0;
    for (const part of parts) {
      sizeBytes += part.length;
      checksum = crc32(part, checksum);
    }
    return { kind: 'blob', path: `${name}-${stored++}`, sizeBytes, crc32: checksum };
  },
};

export function backend(): HashmapBackend {
  return new HashmapBackend({
    uid: 'bench',
    range: { start: 0, end: MAX_PARALLELISM - 1 },
    maxParallelism: MAX_PARALLELISM,
    nowMs: () => Date.now(),
    monotonicMs: () => performance.now(),
  });
}

export function counter(of: HashmapBackend): ValueState<number> {
  return of.declare({
    kind: 'value',
    name: 'count',
    ttl: undefined,
    serializer: float64,
    defaultValue: undefined,
  });
}

/** Takes a checkpoint, drains it in slices, and confirms it. */
export async function snapshotOnce(of: HashmapBackend, checkpointId: number) {
  const before = performance.now();
  const barrier = { checkpointId, kind: 'checkpoint', timestampMs: 0, full: false } as const;
  const snapshot = of.snapshot(barrier, target);
  const barrierMs = performance.now() - before;
  let drainMs = 0;
  let longestMs = 0;
  for (let done = false; !done;) {
    const start = performance.now();
    done = snapshot.drain(2);
    const took = performance.now() - start;
    drainMs += took;
    longestMs = Math.max(longestMs, took);
    await new Promise((resolve) => setImmediate(resolve));
  }
  const { runs, writtenBytes } = await snapshot.handles;
  of.confirmed(checkpointId);
  const chainBytes = runs.reduce((sum, { blob }) => sum + blob.sizeBytes, 0);
  return { barrierMs, drainMs, longestMs, writtenBytes, runs: runs.length, chainBytes };
}

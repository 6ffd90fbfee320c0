import type { CheckpointStore } from '../../src/checkpoint/checkpoint-store.ts';
import type { CoordinatorAction } from '../../src/checkpoint/coordinator-types.ts';
import { sweepJob } from '../../src/checkpoint/garbage-collection.ts';
import { readHead, readRetained } from '../../src/checkpoint/head.ts';
import { readHandle } from '../../src/checkpoint/handle-reader.ts';
import { filesOfOperators, type SnapshotMetadata } from '../../src/checkpoint/metadata.ts';
import { SnapshotWriter } from '../../src/checkpoint/snapshot-writer.ts';
import type { KeyedRunHandle, SnapshotKind } from '../../src/contracts/snapshots.ts';
import type { BlobStore } from '../../src/storage/blob-store.ts';
import type { Random } from '../../src/common/random.ts';

export const JOB_ID = '02423caa95fb3189599b51c06bdcc777';

/** A small generator; what it draws must differ, not be good. */
export function countingRandom(seed: number): Random {
  let state = seed * 2654435761 + 1;
  const random: Random = {
    next: () => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return state / 4294967296;
    },
    fork: () => random,
  };
  return random;
}

export function leadershipOptions(store: BlobStore, seed: number) {
  const random = countingRandom(seed);
  return { store, jobId: JOB_ID, lineage: 'l1', owner: `process-${seed}`, random };
}

/** Writes what one task would, with a chain of the last two deltas. */
export async function writeSnapshot(
  leader: CheckpointStore,
  checkpointId: number,
  base: readonly KeyedRunHandle[],
): Promise<SnapshotMetadata> {
  const { store, epoch } = leader;
  const folder = `${JOB_ID}/chk-${checkpointId}`;
  const place = { jobId: JOB_ID, epoch, attempt: 1, checkpointId, folder, selfContained: false };
  const writer = new SnapshotWriter({ store, place, uid: 'count', subtask: 0, inlineBytesMax: 4 });
  const text = (value: string) => [new TextEncoder().encode(value)];
  const run: KeyedRunHandle = {
    blob: await writer.store('shared', 'run', text(`keyed of ${checkpointId} in ${epoch}`)),
    keyGroups: { start: 0, end: 127 },
    checkpointId,
    rows: 1,
  };
  const operator = await writer.store('exclusive', 'state', text(`operator of ${checkpointId}`));
  return metadataOf(leader, checkpointId, 'checkpoint', [...base.slice(-1), run], operator);
}

export function metadataOf(
  leader: CheckpointStore,
  checkpointId: number,
  kind: SnapshotKind,
  keyed: readonly KeyedRunHandle[],
  operator: SnapshotMetadata['operators'][number]['operator'],
): SnapshotMetadata {
  return {
    jobId: JOB_ID,
    jobName: 'wordcount',
    lineage: 'l1',
    epoch: leader.epoch,
    planHash: 'p1',
    maxParallelism: 128,
    checkpointId,
    kind,
    attempt: 1,
    triggerMs: 1,
    completedMs: 2,
    parallelism: { count: 1 },
    operators: [
      {
        uid: 'count',
        subtask: 0,
        parallelism: 1,
        keyed,
        operator,
        schemas: [],
        watermarkMs: undefined,
        finished: false,
        committables: [],
      },
    ],
    coordinators: {},
    committables: [],
    finishedOperators: [],
    writtenBytes: 2,
    stateBytes: 3,
  };
}

export function moveAction(
  metadata: SnapshotMetadata,
  stored: { readonly url: string; readonly metadataBytes: number; readonly metadataCrc32: number },
  folder: string,
): Extract<CoordinatorAction, { kind: 'move-head' }> {
  const { checkpointId, kind: snapshot, completedMs } = metadata;
  return {
    kind: 'move-head',
    checkpointId,
    snapshot,
    location: { storeUrl: undefined, folder },
    url: stored.url,
    metadataBytes: stored.metadataBytes,
    metadataCrc32: stored.metadataCrc32,
    completedMs,
    becomesLatest: snapshot !== 'savepoint',
    idsUsedThrough: checkpointId,
    numRetained: 1,
  };
}

/** One checkpoint from its files to HEAD and the sweep. Resolves to whether it became complete. */
export async function takeCheckpoint(
  leader: CheckpointStore,
  checkpointId: number,
  base: readonly KeyedRunHandle[],
): Promise<{ readonly complete: boolean; readonly runs: readonly KeyedRunHandle[] }> {
  if (checkpointId > leader.head.idsThrough) {
    const answer = await leader.reserveIds(checkpointId - 1);
    if (answer.kind !== 'ids-reserved') return { complete: false, runs: base };
  }
  const metadata = await writeSnapshot(leader, checkpointId, base);
  const folder = `${JOB_ID}/chk-${checkpointId}`;
  const location = { storeUrl: undefined, folder };
  const stored = await leader.storeMetadata(leader.store, location, metadata);
  const moved = await leader.moveHead(moveAction(metadata, stored, folder));
  const complete = moved.kind === 'head-moved';
  return { complete, runs: complete ? (metadata.operators[0]?.keyed ?? []) : base };
}

export async function sweepAll(leader: CheckpointStore, nextId: number): Promise<void> {
  const { store, jobId, epoch } = leader;
  const scope = { pendingIds: new Set<number>(), nextId, files: new Set<string>() };
  for (;;) {
    const { more, blocked } = await sweepJob({ store, jobId, epoch, scope, deletesMax: 3 });
    if (blocked !== undefined) throw blocked;
    if (!more) return;
  }
}

/** Everything that HEAD retains can be read whole; resolves to all paths that belong to it. */
export async function verifyRetained(store: BlobStore): Promise<Set<string>> {
  const found = await readHead(store, JOB_ID);
  const paths = new Set([`${JOB_ID}/HEAD`]);
  for (const entry of found?.head.checkpoints ?? []) {
    const { metadata, folder } = await readRetained(store, entry);
    paths.add(`${folder}/_metadata`);
    for (const file of filesOfOperators(metadata.operators)) paths.add(file);
    for (const { keyed, operator } of metadata.operators) {
      for (const { blob } of keyed) await readHandle(store, blob);
      if (operator !== undefined) await readHandle(store, operator);
    }
  }
  return paths;
}

export async function pathsOf(store: BlobStore, prefix: string): Promise<Set<string>> {
  const paths = new Set<string>();
  for await (const { path } of store.list(prefix)) paths.add(path);
  return paths;
}

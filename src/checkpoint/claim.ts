/**
 * Whose a snapshot is that a job is started from; Flink's claim modes. A snapshot that was claimed
 * is removed with the job's own checkpoints, as soon as the job retains it no more.
 *
 * Always holds: what is claimed stands in HEAD until it is gone, so that a crash leaves nothing.
 */
import type { Random } from '../common/random.ts';
import type { BlobStore } from '../storage/blob-store.ts';
import { acquireLeadership, type CheckpointStore } from './checkpoint-store.ts';
import { discardSnapshot, sweepJob } from './garbage-collection.ts';
import { readHead, type Claim } from './head.ts';
import type { NameRecord } from './name-record.ts';
import { pinnedError, snapshotInUseError } from './snapshot-errors.ts';
import { storeOf, type LocatedSnapshot, type SnapshotStores } from './snapshot-path.ts';

/**
 * `NO_CLAIM`, the default: the snapshot stays as it is and whose it is; the first checkpoint of the new
 * run needs nothing of it. `CLAIM`: it is the new run's.
 */
export type ClaimMode = 'CLAIM' | 'NO_CLAIM';

/**
 * @throws {EngineError} `CHK-022` (`invalid`) if the snapshot is pinned.
 * @throws {EngineError} `CHK-023` (`invalid`) if another job may still go back to it.
 */
export async function requireClaimable(
  store: BlobStore,
  { found, location }: LocatedSnapshot,
  record: NameRecord | undefined,
): Promise<void> {
  const { url, metadata } = found;
  if (metadata.pin === true) throw pinnedError(url, metadata.label);
  if (metadata.kind === 'savepoint') return;
  const { head } = (await readHead(store, metadata.jobId)) ?? {};
  const isOwn = record?.jobId === metadata.jobId;
  const isKnown = location.storeUrl === undefined && head !== undefined;
  if (isKnown && (head.ended !== undefined || isOwn)) return;
  throw snapshotInUseError(url, metadata.jobId);
}

/** Removes what was claimed and is not retained any more. */
export async function forgetClaimed(
  checkpoints: CheckpointStore,
  stores: SnapshotStores & { readonly world: { readonly random: Random } },
): Promise<void> {
  const { forgotten } = checkpoints;
  if (forgotten.length === 0) return;
  for (const claim of forgotten) await removeClaimed(claim, checkpoints.head.owner, stores);
  await checkpoints.removed(forgotten);
}

async function removeClaimed(
  { kind, location, url }: Claim,
  owner: string,
  stores: SnapshotStores & { readonly world: { readonly random: Random } },
): Promise<void> {
  const target = storeOf(location, stores);
  if (kind === 'savepoint') {
    await discardSnapshot(target, location.folder);
    return;
  }
  // Its files are shared with other checkpoints of that job, which is over: its HEAD says what is left.
  const jobId = location.folder.split('/')[0] ?? '';
  const { random } = stores.world;
  const head = await readHead(target, jobId);
  if (head === undefined) return;
  const { lineage, ended } = head.head;
  const old = await acquireLeadership({ store: target, jobId, lineage, owner, random });
  await old.handOver(url);
  const idsUsedThrough = old.head.idsThrough;
  await old.end(ended ?? 'failed', { discard: false, idsUsedThrough });
  const scope = { pendingIds: new Set<number>(), files: new Set<string>(), nextId: Infinity };
  while ((await sweepJob({ store: target, jobId, epoch: old.epoch, scope })).more);
}

/**
 * Rolls a job back, step by step. A process that dies between two of them leaves a mark by which nothing
 * starts from what is there, and the same command goes on:
 *
 *   lead the job, so that nobody else can complete or end anything
 *   → mark the name: a rollback to this checkpoint has begun
 *   → take each sink's output back
 *   → HEAD: the checkpoint is the latest one
 *   → remove the mark: the job goes on from there like one that failed
 *
 * Always holds: while the mark is not there, what the sinks show and the latest checkpoint belong together.
 */
import { acquireLeadership, type CheckpointStore } from '../../checkpoint/checkpoint-store.ts';
import { markRollback } from '../../checkpoint/name-record.ts';
import type { World } from '../../contracts/source.ts';
import type { BlobStore } from '../../storage/blob-store.ts';
import type { RollbackPlan } from './plan-rollback.ts';

export interface PerformOptions {
  readonly store: BlobStore;
  readonly world: World;
  /** For people: host and process. */
  readonly owner: string;
}

/**
 * Whoever led the job can complete nothing any more, and discard nothing: to be called before it is cancelled, since
 * that may be what its retention says of a cancelled job.
 *
 * @throws {EngineError} `CHK-013` (`fenced`) if another one has taken the job over since it was planned.
 */
export function leadJob(plan: RollbackPlan, options: PerformOptions): Promise<CheckpointStore> {
  const { store, world, owner } = options;
  const { jobId, lineage } = plan.record;
  const epochSeen = plan.head.epoch;
  return acquireLeadership({ store, jobId, lineage, owner, random: world.random, epochSeen });
}

/**
 * The job must not run: what its process still commits would come after it was taken back.
 *
 * @throws {EngineError} `CHK-013` (`fenced`) if another one has taken the job over since it was planned.
 * @throws what the sinks throw, and `CHK-007`, `STO-…` (`unavailable`): call it again.
 */
export async function performRollback(plan: RollbackPlan, options: PerformOptions): Promise<void> {
  const { store, world } = options;
  const { jobId, jobName } = plan.record;
  const { checkpointId, url } = plan.to;
  const names = { store, random: world.random };
  const checkpoints = await leadJob(plan, options);
  const { epoch } = checkpoints;
  const job = { jobName, jobId, epoch, atMs: world.clock.wallMs() };
  await markRollback(names, job, { checkpointId, url });
  for (const { rollback } of plan.sinks) await rollback?.apply();
  await checkpoints.rollBack(checkpointId);
  await markRollback(names, job, undefined);
}

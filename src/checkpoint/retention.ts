/** Which checkpoints outlive what. Pure; source: Flink's `CheckpointRetentionPolicy`. */

/** Flink's `execution.checkpointing.externalized-checkpoint-retention`. */
export type CheckpointRetention =
  /** Gone with the job's end, however it ends. */
  | 'NO_EXTERNALIZED_CHECKPOINTS'
  /** Kept if the job fails. */
  | 'DELETE_ON_CANCELLATION'
  /** Kept if the job fails or is cancelled. */
  | 'RETAIN_ON_CANCELLATION';

/** How a job ended for good. A crash is no end. `stopped`: with a savepoint. */
export type JobEnd = 'finished' | 'canceled' | 'failed' | 'stopped';

const DISCARDED: Readonly<Record<CheckpointRetention, Readonly<Record<JobEnd, boolean>>>> = {
  NO_EXTERNALIZED_CHECKPOINTS: { finished: true, stopped: true, canceled: true, failed: true },
  DELETE_ON_CANCELLATION: { finished: true, stopped: true, canceled: true, failed: false },
  RETAIN_ON_CANCELLATION: { finished: true, stopped: true, canceled: false, failed: false },
};

/** Whether the checkpoints of a job that ended so are discarded. Savepoints never are. */
export function discardsCheckpoints(retention: CheckpointRetention, end: JobEnd): boolean {
  return DISCARDED[retention][end];
}

/** The newest `numRetained` of a list that is oldest first; always the last one. */
export function retainNewest<T>(checkpoints: readonly T[], numRetained: number): readonly T[] {
  return checkpoints.slice(-Math.max(1, numRetained));
}

/**
 * Why a checkpoint failed, and which failures count towards the tolerable ones. Source: Flink's
 * `CheckpointFailureReason` and `CheckpointFailureManager`.
 */
export type FailureReason =
  | 'expired'
  | 'declined'
  | 'async-failed'
  | 'trigger-failed'
  | 'store-failed'
  | 'in-doubt'
  | 'fenced'
  | 'subsumed'
  | 'task-failed'
  | 'task-not-ready'
  | 'task-finished'
  | 'suspended'
  | 'stopping'
  | 'not-running'
  | 'too-many-requests'
  | 'closed';

interface ReasonFacts {
  /** As Flink's users know it. */
  readonly text: string;
  /** Whether it says something about the job's health. */
  readonly counts: boolean;
}

const REASONS: Readonly<Record<FailureReason, ReasonFacts>> = {
  expired: { text: 'Checkpoint expired before completing.', counts: true },
  declined: { text: 'Checkpoint was declined.', counts: true },
  'async-failed': { text: 'Asynchronous task checkpoint failed.', counts: true },
  'trigger-failed': { text: 'Trigger checkpoint failure.', counts: true },
  'store-failed': { text: 'Failure to finalize checkpoint.', counts: true },
  // Not ours to count: it may be complete. It fails the job by itself.
  'in-doubt': {
    text: 'HEAD may or may not name this checkpoint: the next start or attempt finds out.',
    counts: false,
  },
  fenced: { text: 'Another JobManager leads this job.', counts: false },
  subsumed: { text: 'Checkpoint has been subsumed.', counts: false },
  'task-failed': { text: 'FailoverRegion is restarting.', counts: false },
  'task-not-ready': { text: 'Checkpoint was declined (task is not ready)', counts: false },
  'task-finished': { text: 'Checkpoint was declined (task is closing)', counts: false },
  suspended: { text: 'Checkpoint Coordinator is suspending.', counts: false },
  stopping: { text: 'The job is being stopped with a savepoint.', counts: false },
  'not-running': { text: 'Not all required tasks are currently running.', counts: false },
  'too-many-requests': {
    text: 'The maximum number of queued checkpoints exceeded',
    counts: false,
  },
  closed: { text: 'CheckpointCoordinator shutdown.', counts: false },
};

export function failureText(reason: FailureReason): string {
  return REASONS[reason].text;
}

/** Savepoints never count, as in Flink: the user is told, and the job can go on. */
export function countsAsFailure(reason: FailureReason, kind: string): boolean {
  return kind !== 'savepoint' && REASONS[reason].counts;
}

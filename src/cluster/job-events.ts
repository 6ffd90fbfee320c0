/**
 * What happens to a job, for those who watch: the command line's progress line, logs, tests. Plain
 * data, so that it can be printed as JSON lines. Times are wall time in milliseconds.
 */
export type JobEvent =
  | {
      readonly kind: 'starting';
      readonly jobId: string;
      readonly jobName: string;
      readonly epoch: number;
      readonly parallelism: number;
      /** Where was looked for something to restore, and what was chosen; for people. */
      readonly messages: readonly string[];
      readonly restoredCheckpoint: number | undefined;
    }
  | { readonly kind: 'status'; readonly status: JobStatus; readonly attempt: number }
  | {
      readonly kind: 'checkpoint-completed';
      readonly checkpointId: number;
      readonly durationMs: number;
      readonly writtenBytes: number;
      readonly stateBytes: number;
      readonly path: string;
    }
  | { readonly kind: 'checkpoint-failed'; readonly checkpointId: number; readonly reason: string }
  | {
      readonly kind: 'failure';
      readonly attempt: number;
      readonly error: unknown;
      /** The task that failed first; undefined if it was none. */
      readonly task:
        { readonly vertex: string; readonly subtask: number; readonly attempt: number } | undefined;
      /** Undefined: the job does not run again. */
      readonly restartInMs: number | undefined;
    }
  | {
      /** All tasks run again after a failure. */
      readonly kind: 'restarted';
      readonly attempt: number;
      /** Since the failure was heard of, in milliseconds. */
      readonly downMs: number;
      readonly restoredCheckpoint: number | undefined;
    }
  | {
      /** A process in which tasks run, or may run. */
      readonly kind: 'task-manager';
      readonly id: string;
      readonly pid: number;
      /** `registered`: it is connected and all its slots have loaded the job. */
      readonly status: 'started' | 'registered' | 'lost';
      readonly slots: number;
      /** It stands by, to take the place of one that is lost. */
      readonly spare: boolean;
    }
  | { readonly kind: 'warning'; readonly message: string };

/** Flink's names. */
export type JobStatus =
  | 'CREATED'
  | 'RUNNING'
  | 'FAILING'
  | 'FAILED'
  | 'CANCELLING'
  | 'CANCELED'
  | 'FINISHED'
  | 'RESTARTING'
  | 'SUSPENDED';

export interface JobResult {
  /** `SUSPENDED`: this process leads it no more, and it is to go on from its latest checkpoint. */
  readonly status: 'FINISHED' | 'FAILED' | 'CANCELED' | 'SUSPENDED';
  readonly jobId: string;
  readonly error: unknown;
  readonly checkpointsCompleted: number;
  readonly checkpointsFailed: number;
  readonly restarts: number;
}

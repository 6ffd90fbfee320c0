import type { CheckpointStatistics } from '../../checkpoint/checkpoint-history.ts';
import type { CoordinatorSettings, TriggerOutcome } from '../../checkpoint/coordinator-types.ts';
import type { SnapshotNotes } from '../../checkpoint/metadata.ts';
import type { ExecutionPlan } from '../../graph/execution-plan.ts';
import type { ReaderSample } from '../../runtime/task-metrics.ts';
import type { FlinkSettings } from '../../settings/flink-settings.ts';
import type { RestoreProgress } from '../../common/restore-progress.ts';
import type { JobResult, JobStatus } from '../job-events.ts';
import type { StartFrom } from '../start-from.ts';
import type { UpgradeReport } from '../upgrade/check-upgrade.ts';
import type { UpgradeState } from './upgrade-state.ts';

/*
 * What a JobManager that leads several jobs offers to those who ask it from outside: REST, the
 * commands, the dashboard. They know these interfaces and nothing behind them.
 */

/** A job that is to be run by the service. Plain data. */
export interface JobSubmission {
  /** URL of the job's module, as its threads and processes import it. */
  readonly module: string;
  /** What stands behind `--`. */
  readonly arguments: readonly string[];
  readonly flink: FlinkSettings;
  readonly from: StartFrom;
  /** Instead of the name that the job's code gives it. */
  readonly name?: string | undefined;
  readonly allowNonRestoredState: boolean;
  /** Working folder of whoever submitted it: what relative paths begin at. */
  readonly folder: string;
}

export type TaskStatus =
  | 'CREATED'
  | 'DEPLOYING'
  | 'INITIALIZING'
  | 'RUNNING'
  | 'FINISHED'
  | 'CANCELING'
  | 'CANCELED'
  | 'FAILED';

/** One subtask of a vertex, as it is now. Counters are of this attempt. */
export interface SubtaskView {
  readonly subtask: number;
  readonly attempt: number;
  readonly status: TaskStatus;
  /** The TaskManager that has it. */
  readonly taskManager: string | undefined;
  readonly startMs: number | undefined;
  readonly endMs: number | undefined;
  readonly recordsIn: number;
  readonly recordsOut: number;
  readonly watermarkMs: number | undefined;
  /** Shares of the last second, 0 to 1. */
  readonly busy: number;
  readonly backPressured: number;
  readonly idle: number;
  /** What the source's reader tells about itself, if the subtask has one. */
  readonly reader: ReaderSample | undefined;
}

export interface JobFailure {
  readonly atMs: number;
  /** The message with code and hint, then the stack and the causes. */
  readonly text: string;
  /** Of the class of error: `EngineError`, `TypeError` … */
  readonly name: string;
  /** The chain that failed, for people; undefined if it was not a task. */
  readonly vertex: string | undefined;
  readonly subtask: number | undefined;
}

export interface TaskManagerView {
  readonly id: string;
  readonly pid: number;
  readonly jobId: string | undefined;
  readonly slots: number;
  readonly freeSlots: number;
  readonly spare: boolean;
  readonly startMs: number;
  readonly lastHeardMs: number;
}

/** A job of the service, while it runs and for a while after its end. */
export interface JobView {
  readonly jobId: string;
  readonly jobName: string;
  readonly status: JobStatus;
  readonly startMs: number;
  /** Undefined while it runs. */
  readonly endMs: number | undefined;
  readonly lastModificationMs: number;
  readonly plan: ExecutionPlan;
  readonly planHash: string;
  readonly config: FlinkSettings;
  /** As it was submitted, without secrets. */
  readonly submission: JobSubmission;
  /** Of its checkpoints. */
  readonly storageUrl: string;
  readonly coordinator: CoordinatorSettings;
  readonly restarts: number;
  /** Where was looked for something to restore when it began, and what was chosen; for people. */
  readonly startMessages: readonly string[];
  /** Newest first, those under way too. */
  checkpoints(): readonly CheckpointStatistics[];
  counts(): {
    readonly completed: number;
    readonly failed: number;
    readonly inProgress: number;
    readonly restored: number;
  };
  /** Newest first, bounded. */
  failures(): readonly JobFailure[];
  subtasks(vertexId: string): readonly SubtaskView[];
  /** Of keyed state, in the attempts that run now; undefined if there was none to restore. */
  restoreProgress(): RestoreProgress | undefined;
  readonly result: JobResult | undefined;

  savepoint(request: {
    readonly directory: string | undefined;
    readonly notes: SnapshotNotes;
  }): Promise<TriggerOutcome>;
  /** Takes a savepoint and only then ends the job; a job whose savepoint fails goes on. */
  stop(request: {
    readonly directory: string | undefined;
    readonly drain: boolean;
    readonly notes: SnapshotNotes;
  }): Promise<TriggerOutcome>;
  /** Flink's `cancel -s`: takes a savepoint, and cancels the job when it is complete. Else the job goes on. */
  cancelWithSavepoint(request: {
    readonly directory: string | undefined;
    readonly notes: SnapshotNotes;
  }): Promise<TriggerOutcome>;
  checkpoint(request: { readonly full: boolean }): Promise<TriggerOutcome>;
  cancel(): void;
}

/** A new version of a running job. */
export interface UpgradeRequest {
  /** 32 hex digits, drawn by who asks: the same one again is the same upgrade. */
  readonly upgradeId: string;
  readonly jobId: string;
  /** The new version; where it starts from is not its to say. */
  readonly submission: JobSubmission;
  readonly savepoint: {
    readonly directory: string | undefined;
    readonly drain: boolean;
    readonly notes: SnapshotNotes;
  };
  readonly withinMs: number;
  /** Only checks. */
  readonly dryRun: boolean;
}

/** What becomes of an upgrade. Plain data, but for `error`. */
export interface UpgradeView {
  readonly upgradeId: string;
  readonly jobId: string;
  readonly jobName: string;
  /** `checking`, `checked` (a dry run) and `refused`: the job has not been touched. */
  readonly phase: 'checking' | 'checked' | 'refused' | UpgradeState['kind'];
  readonly isOver: boolean;
  /** What it was checked on, and the verdicts. */
  readonly snapshot: string | undefined;
  readonly report: UpgradeReport | undefined;
  readonly state: UpgradeState | undefined;
  /** Why it was refused, or why the old version cannot be started. */
  readonly error: unknown;
}

export interface Cluster {
  /** @throws {EngineError} what keeps a job from starting; it is then not listed. */
  submit(submission: JobSubmission): Promise<JobView>;
  /** Running ones, and the last ones that ended. */
  jobs(): readonly JobView[];
  taskManagers(): readonly TaskManagerView[];
  /** Removes a savepoint that no job is restoring. @throws {EngineError} if there is none. */
  disposeSavepoint(path: string): Promise<void>;
  /** Puts new versions of running jobs in their place. */
  readonly upgrades: {
    /** Begins it, or finds the one of this id. @throws {EngineError} `JOB-061`, `JOB-064` (`invalid`). */
    start(request: UpgradeRequest): UpgradeView;
    find(upgradeId: string): UpgradeView | undefined;
  };
  readonly startMs: number;
  /** Settings of the JobManager itself. */
  readonly config: FlinkSettings;
  /** Data folder of the service: logs, pid file, addresses. */
  readonly folder: string;
}

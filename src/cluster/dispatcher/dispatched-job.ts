import type { CheckpointStatistics } from '../../checkpoint/checkpoint-history.ts';
import type { CoordinatorSettings, TriggerOutcome } from '../../checkpoint/coordinator-types.ts';
import type { Clock } from '../../common/clock.ts';
import { errorText } from '../../common/error-text.ts';
import type { ExecutionPlan } from '../../graph/execution-plan.ts';
import type { FlinkSettings } from '../../settings/flink-settings.ts';
import type { RestoreProgress } from '../../common/restore-progress.ts';
import type { JobEvent, JobResult, JobStatus } from '../job-events.ts';
import type { RunningJob } from '../lead-job.ts';
import type {
  JobFailure,
  JobSubmission,
  JobView,
  SubtaskView,
  TaskManagerView,
} from './cluster.ts';
import { withoutSecrets } from './job-record.ts';

/** Flink's `web.exception-history-size`. */
const FAILURES_KEPT_MAX = 16;
/** Of a failure's text, in characters: a stack with its causes is mostly a tenth of it. */
const FAILURE_TEXT_MAX = 32_768;

type FailureEvent = Extract<JobEvent, { kind: 'failure' }>;

/** Remembers what happened to a job, from before it runs. */
export class JobDiary {
  readonly #clock: Clock;
  readonly startMs: number;
  #changedMs: number;
  #startMessages: readonly string[] = [];
  #failures: { readonly atMs: number; readonly event: FailureEvent }[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
    this.startMs = clock.wallMs();
    this.#changedMs = this.startMs;
  }

  event(event: JobEvent): void {
    if (event.kind === 'starting') this.#startMessages = event.messages;
    if (event.kind !== 'status' && event.kind !== 'failure') return;
    const atMs = this.#clock.wallMs();
    this.#changedMs = atMs;
    if (event.kind !== 'failure') return;
    this.#failures = [{ atMs, event }, ...this.#failures].slice(0, FAILURES_KEPT_MAX);
  }

  /** Wall time. */
  get changedMs(): number {
    return this.#changedMs;
  }

  get startMessages(): readonly string[] {
    return this.#startMessages;
  }

  /** Newest first. */
  failures({ vertices }: ExecutionPlan): readonly JobFailure[] {
    return this.#failures.map(({ atMs, event: { error, task } }) => ({
      atMs,
      text: errorText(error).slice(0, FAILURE_TEXT_MAX),
      name: error instanceof Error ? error.name : typeof error,
      vertex: vertices.find(({ id }) => id === task?.vertex)?.name ?? task?.vertex,
      subtask: task?.subtask,
    }));
  }
}

/** A job of the service, as those see it who ask from outside. */
export class DispatchedJob implements JobView {
  readonly #running: RunningJob;
  readonly #diary: JobDiary;
  readonly submission: JobSubmission;
  #endMs: number | undefined;
  #result: JobResult | undefined;

  constructor(running: RunningJob, diary: JobDiary, submission: JobSubmission) {
    this.#running = running;
    this.#diary = diary;
    this.submission = withoutSecrets(submission);
  }

  get jobId(): string {
    return this.#running.jobId;
  }

  get jobName(): string {
    return this.#running.jobName;
  }

  get status(): JobStatus {
    return this.#result?.status ?? this.#running.master.status;
  }

  get startMs(): number {
    return this.#diary.startMs;
  }

  get endMs(): number | undefined {
    return this.#endMs;
  }

  get lastModificationMs(): number {
    return this.#endMs ?? this.#diary.changedMs;
  }

  get plan(): ExecutionPlan {
    return this.#running.plan;
  }

  /** Of its checkpoints. */
  get storageUrl(): string {
    return this.#running.storageUrl;
  }

  get planHash(): string {
    return this.#running.planHash;
  }

  get config(): FlinkSettings {
    return this.#running.config;
  }

  get coordinator(): CoordinatorSettings {
    return this.#running.coordinator;
  }

  get startMessages(): readonly string[] {
    return this.#diary.startMessages;
  }

  get restarts(): number {
    return this.#running.master.restarts;
  }

  get result(): JobResult | undefined {
    return this.#result;
  }

  /** Resolves with the job's result when nothing of it is left. */
  get done(): Promise<JobResult> {
    return this.#running.done;
  }

  checkpoints(): readonly CheckpointStatistics[] {
    return this.#running.master.checkpoints();
  }

  counts(): ReturnType<JobView['counts']> {
    const { completed, failed, restored } = this.#running.master.history;
    const underWay = this.checkpoints().filter(({ status }) => status === 'in-progress');
    return { completed, failed, inProgress: underWay.length, restored };
  }

  restoreProgress(): RestoreProgress | undefined {
    return this.#running.master.restoreProgress();
  }

  failures(): readonly JobFailure[] {
    return this.#diary.failures(this.plan);
  }

  subtasks(vertexId: string): readonly SubtaskView[] {
    return this.#running.master.subtasks(vertexId).map(({ place, ...life }) => {
      const { taskManager, sample } = place ?? {};
      const { recordsIn = 0, recordsOut = 0, watermarkMs } = sample ?? {};
      const isOver = life.endMs !== undefined;
      return {
        ...life,
        taskManager: taskManager === undefined ? undefined : this.#taskManagerId(taskManager),
        recordsIn,
        recordsOut,
        watermarkMs,
        busy: isOver ? 0 : (sample?.busy ?? 0),
        backPressured: isOver ? 0 : (sample?.backPressured ?? 0),
        idle: isOver ? 0 : (sample?.idle ?? 0),
        reader: isOver ? undefined : sample?.reader,
      };
    });
  }

  taskManagers(): readonly TaskManagerView[] {
    const { jobId } = this;
    return this.#running
      .taskManagers()
      .map((one) => ({ ...one, id: this.#taskManagerId(one.id), jobId }));
  }

  /** URLs of the snapshots that it may go on from. */
  retained(): readonly string[] {
    return this.#running.retained();
  }

  savepoint(request: Parameters<JobView['savepoint']>[0]): Promise<TriggerOutcome> {
    return this.#request({ kind: 'savepoint', ...request });
  }

  stop(request: Parameters<JobView['stop']>[0]): Promise<TriggerOutcome> {
    return this.#request({ kind: 'stop', ...request });
  }

  cancelWithSavepoint(
    request: Parameters<JobView['cancelWithSavepoint']>[0],
  ): Promise<TriggerOutcome> {
    return this.#running.master.cancelWithSavepoint(request);
  }

  checkpoint(request: Parameters<JobView['checkpoint']>[0]): Promise<TriggerOutcome> {
    return this.#request({ kind: 'checkpoint', ...request });
  }

  cancel(): void {
    this.#running.cancel();
  }

  suspend(): void {
    this.#running.master.suspend();
  }

  /** It has ended so, at this wall time. */
  ended(result: JobResult, atMs: number): void {
    this.#result = result;
    this.#endMs = atMs;
  }

  #request(request: Parameters<RunningJob['master']['request']>[0]): Promise<TriggerOutcome> {
    return this.#running.master.request(request);
  }

  /** Each job counts its own. */
  #taskManagerId(id: string): string {
    return `${this.jobId}-${id}`;
  }
}

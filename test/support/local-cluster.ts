/** A `Cluster` whose jobs run under real JobMasters, all in this thread, with checkpoints on the disk. */
import process from 'node:process';
import type { CheckpointHistory } from '../../src/checkpoint/checkpoint-history.ts';
import type { BuiltJob, JobDefinition } from '../../src/api/job-definition.ts';
import type {
  Cluster,
  JobFailure,
  JobSubmission,
  JobView,
  SubtaskView,
  TaskManagerView,
} from '../../src/cluster/dispatcher/cluster.ts';
import type { JobEvent, JobResult } from '../../src/cluster/job-events.ts';
import type { StartFrom } from '../../src/cluster/job-store.ts';
import type { RunningJob } from '../../src/cluster/lead-job.ts';
import { openStore } from '../../src/cluster/open-store.ts';
import { defaultWorld, runJob } from '../../src/cluster/run-job.ts';
import { discardSnapshot } from '../../src/checkpoint/garbage-collection.ts';
import { findSnapshot } from '../../src/checkpoint/metadata.ts';
import { EngineError } from '../../src/common/errors.ts';
import { buildJobGraph } from '../../src/graph/build-job-graph.ts';
import { executionPlanOf } from '../../src/graph/execution-plan.ts';
import { planOf } from '../../src/graph/plan.ts';
import type { FlinkSettings } from '../../src/settings/flink-settings.ts';
import { parseSettings } from '../../src/settings/parse-settings.ts';

const now = (): number => defaultWorld.clock.wallMs();

export class LocalCluster implements Cluster {
  readonly startMs = now();
  readonly startMessages: readonly string[] = [];
  readonly config: FlinkSettings;
  readonly folder: string;
  /** What was submitted, in order; modules are not loaded. */
  readonly submissions: JobSubmission[] = [];
  readonly #jobs: LocalJob[] = [];
  #onSubmit: ((submission: JobSubmission) => Promise<JobView>) | undefined;

  constructor(folder: string, dynamic: Readonly<Record<string, string>> = {}) {
    this.folder = folder;
    this.config = parseSettings({ env: {}, dynamic, cores: 1 });
  }

  /** What becomes of a submission. */
  whenSubmitted(act: (submission: JobSubmission) => Promise<JobView>): void {
    this.#onSubmit = act;
  }

  async submit(submission: JobSubmission): Promise<JobView> {
    this.submissions.push(submission);
    if (this.#onSubmit !== undefined) return this.#onSubmit(submission);
    throw new EngineError('JOB-003', 'user-code', 'the module cannot be loaded');
  }

  async run(
    definition: JobDefinition<undefined>,
    dynamic: Readonly<Record<string, string>> = {},
    from: StartFrom = { kind: 'fresh' },
  ): Promise<LocalJob> {
    const flink = parseSettings({ env: {}, dynamic, cores: 1 });
    const job = await LocalJob.start(definition.build(undefined, flink), this.folder, from);
    this.#jobs.push(job);
    return job;
  }

  jobs(): readonly LocalJob[] {
    return this.#jobs;
  }

  taskManagers(): readonly TaskManagerView[] {
    const running = this.#jobs.find(({ result }) => result === undefined);
    return [
      {
        id: 'local',
        pid: process.pid,
        jobId: running?.jobId,
        slots: 2,
        freeSlots: running === undefined ? 2 : 1,
        spare: false,
        startMs: this.startMs,
        lastHeardMs: now(),
      },
    ];
  }

  async disposeSavepoint(url: string): Promise<void> {
    const at = url.lastIndexOf('/');
    const store = openStore(url.slice(0, at), defaultWorld);
    const folder = url.slice(at + 1);
    if ((await findSnapshot(store, folder)) === undefined) {
      throw new EngineError('JOB-037', 'invalid', 'there is no savepoint at this path', {
        details: { path: url },
      });
    }
    await discardSnapshot(store, folder);
  }

  async close(): Promise<void> {
    for (const job of this.#jobs) {
      job.cancel();
      await job.done;
    }
  }
}

export class LocalJob implements JobView {
  readonly jobName: string;
  readonly startMs = now();
  readonly startMessages: readonly string[] = [];
  lastModificationMs = now();
  endMs: number | undefined;
  result: JobResult | undefined;
  readonly plan: JobView['plan'];
  readonly planHash: string;
  readonly config: FlinkSettings;
  readonly coordinator: JobView['coordinator'];
  readonly done: Promise<JobResult>;
  readonly #running: RunningJob;
  readonly #failures: JobFailure[];

  private constructor(job: BuiltJob, running: RunningJob, failures: JobFailure[]) {
    const { parallelism, maxParallelism } = job.config;
    const graph = buildJobGraph(job.graph, { parallelism, maxParallelism });
    this.jobName = job.graph.jobName;
    this.plan = executionPlanOf(graph);
    this.planHash = planOf(graph).hash;
    this.config = job.config;
    this.coordinator = {
      intervalMs: job.config.checkpointIntervalMs,
      timeoutMs: job.config.checkpointTimeoutMs,
      minPauseMs: job.config.minPauseBetweenCheckpointsMs,
      maxConcurrent: job.config.maxConcurrentCheckpoints,
      tolerableFailures: job.config.tolerableFailedCheckpoints,
      numRetained: job.config.retainedCheckpoints,
      unaligned: job.config.unalignedCheckpoints,
      historySize: 10,
    };
    this.#running = running;
    this.#failures = failures;
    this.done = running.done.then((result) => {
      this.result = result;
      this.endMs = now();
      return result;
    });
  }

  static async start(job: BuiltJob, dataFolder: string, from: StartFrom): Promise<LocalJob> {
    const failures: JobFailure[] = [];
    const emit = (event: JobEvent): void => {
      if (event.kind === 'failure') failures.unshift(failureOf(event.error));
    };
    const world = defaultWorld;
    const options = { job, world, dataFolder, from, allowNonRestoredState: false, emit };
    return new LocalJob(job, await runJob(options), failures);
  }

  get jobId(): string {
    return this.#running.jobId;
  }

  get status(): JobView['status'] {
    return this.result?.status ?? this.#running.master.status;
  }

  get restarts(): number {
    return this.#running.master.restarts;
  }

  get history(): CheckpointHistory {
    return this.#running.master.history;
  }

  checkpoints(): ReturnType<JobView['checkpoints']> {
    return this.#running.master.checkpoints();
  }

  counts(): ReturnType<JobView['counts']> {
    const { completed, failed, restored } = this.history;
    const inProgress = this.checkpoints().filter(({ status }) => status === 'in-progress').length;
    return { completed, failed, inProgress, restored };
  }

  failures(): readonly JobFailure[] {
    return this.#failures;
  }

  subtasks(vertexId: string): readonly SubtaskView[] {
    return this.#running.master.subtasks(vertexId).map(({ place, ...life }) => ({
      ...life,
      taskManager: place?.taskManager ?? 'local',
      recordsIn: place?.sample?.recordsIn ?? 0,
      recordsOut: place?.sample?.recordsOut ?? 0,
      watermarkMs: place?.sample?.watermarkMs,
      busy: place?.sample?.busy ?? 0,
      backPressured: place?.sample?.backPressured ?? 0,
      idle: place?.sample?.idle ?? 0,
    }));
  }

  savepoint: JobView['savepoint'] = (request) =>
    this.#running.master.request({ kind: 'savepoint', ...request });

  stop: JobView['stop'] = (request) => this.#running.master.request({ kind: 'stop', ...request });

  checkpoint: JobView['checkpoint'] = (request) =>
    this.#running.master.request({ kind: 'checkpoint', ...request });

  cancel(): void {
    this.#running.cancel();
  }
}

function failureOf(error: unknown): JobFailure {
  const known = error instanceof Error ? error : new TypeError(String(error));
  const { name, stack = '' } = known;
  return { atMs: now(), text: stack, name, vertex: undefined, subtask: undefined };
}

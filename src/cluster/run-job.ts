import { hostname } from 'node:os';
import { pid } from 'node:process';
import { planOf } from '../graph/plan.ts';
import { buildJobGraph } from '../graph/build-job-graph.ts';
import { nodeFileSystem } from '../common/node-file-system.ts';
import { systemClock } from '../common/clock.ts';
import { systemRandom, type Random } from '../common/random.ts';
import type { BuiltJob } from '../api/job-definition.ts';
import type { CoordinatedVertex, CoordinatorSettings } from '../checkpoint/coordinator-types.ts';
import { discardsCheckpoints, type JobEnd } from '../checkpoint/retention.ts';
import type { SnapshotIdentity } from '../checkpoint/metadata.ts';
import type { World } from '../contracts/source.ts';
import { executionPlanOf } from '../graph/execution-plan.ts';
import type { JobGraph } from '../graph/job-graph.ts';
import type { FlinkSettings } from '../settings/flink-settings.ts';
import { restartStrategyOf } from '../settings/restart-strategy.ts';
import type { BlobStore } from '../storage/blob-store.ts';
import type { JobEvent, JobResult } from './job-events.ts';
import type { Deployment } from './deployment.ts';
import { JobMaster } from './job-master.ts';
import { LocalDeployment } from './local-deployment.ts';
import { requireBuilt } from './require-built.ts';
import { startTaskManagers } from './job-manager/start-task-managers.ts';
import type { JobSource } from './task-manager/slot-protocol.ts';
import { TaskStorage } from './task-storage.ts';
import type { TaskSettings } from '../runtime/task-options.ts';
import { openStore } from './open-store.ts';
import { JobStore, openJob, type StartFrom } from './job-store.ts';

export interface RunJobOptions {
  readonly job: BuiltJob;
  readonly world: World;
  /** Where checkpoints are, unless the settings say so. Absolute. */
  readonly dataFolder: string;
  readonly from: StartFrom;
  readonly allowNonRestoredState: boolean;
  readonly emit: (event: JobEvent) => void;
  /** Instead of what the settings name. For tests. */
  readonly store?: BlobStore;
  /** Draws the order of tasks and channels: for simulations, where it should differ by the seed. */
  readonly schedulingRandom?: Random;
  /** Emitted values are frozen and sent through bytes, so that one subtask behaves as many. */
  readonly checkMode?: boolean;
  readonly printChain?: (text: string) => void;
  /** Keeps the checkpoints of a job that finishes, to look into them. */
  readonly keepCheckpoints?: boolean;
  /** Runs the tasks in processes of their own, which get the job from here. Default: in this thread. */
  readonly slots?: JobSource;
}

/** A job that runs in this thread. */
export interface RunningJob {
  readonly jobId: string;
  /** Resolves when the job is over, however it ended. */
  readonly done: Promise<JobResult>;
  readonly master: JobMaster;
  cancel(): void;
  recordsRead(): number;
}

/** The machine's clock, chance and disk. */
export const defaultWorld: World = {
  clock: systemClock,
  random: systemRandom,
  fs: nodeFileSystem,
};

/**
 * Starts a job in this thread: finds what to go on from, leads it, deploys its tasks.
 *
 * @throws {EngineError} what keeps a job from starting: `GRA-…`, `CHK-…`, `STO-…`, `JOB-…`.
 */
export async function runJob(options: RunJobOptions): Promise<RunningJob> {
  const { job, world, emit } = options;
  const { config } = job;
  requireBuilt(config);
  const openOther = (url: string): BlobStore => openStore(url, world);
  const store =
    options.store ?? openOther(config.checkpointStorage ?? `${options.dataFolder}/checkpoints`);
  const jobName = job.graph.jobName;
  const opening = {
    store,
    openStore: openOther,
    jobName,
    world,
    from: options.from,
    owner: `${hostname()}:${pid}`,
    discards: (end: JobEnd) =>
      options.keepCheckpoints !== true &&
      discardsCheckpoints(config.externalizedCheckpointRetention, end),
  };
  // The graph is checked before anything is taken over from whoever runs this job now.
  buildJobGraph(job.graph, config);
  const opened = await openJob(opening);
  const { restored, checkpoints, lineage } = opened;
  const maxParallelism = restored?.metadata.maxParallelism ?? config.maxParallelism;
  const jobGraph = buildJobGraph(job.graph, { parallelism: config.parallelism, maxParallelism });
  const { jobId, epoch } = checkpoints;
  const planHash = planOf(jobGraph).hash;
  emit({
    kind: 'starting',
    jobId,
    jobName,
    epoch,
    parallelism: config.parallelism,
    messages: opened.messages,
    restoredCheckpoint: restored?.metadata.checkpointId,
  });
  const identity = { jobId, jobName, lineage, epoch, planHash, maxParallelism };
  const place = await placeOf(options, { jobGraph, store, openOther, identity });
  if (
    maxParallelism !== config.maxParallelism &&
    config.origins.maxParallelism.kind !== 'default'
  ) {
    const message = `The maximum parallelism stays ${maxParallelism}, as the snapshot has it; ${config.maxParallelism} has no effect.`;
    emit({ kind: 'warning', message });
  }
  const master = new JobMaster({
    jobGraph,
    world,
    store: new JobStore({
      ...opening,
      ...opened,
      identity,
      vertices: verticesOf(jobGraph),
    }),
    coordinator: coordinatorSettings(config),
    restart: restartStrategyOf(config),
    makeDeployment: place.makeDeployment,
    allowNonRestoredState: options.allowNonRestoredState,
    emit,
  });
  return {
    jobId,
    master,
    done: master.run().finally(place.close),
    cancel: () => {
      master.cancel();
    },
    recordsRead: () => master.recordsRead(),
  };
}

interface Place {
  readonly makeDeployment: () => Deployment;
  /** After the job's end. */
  readonly close: () => Promise<void>;
}

/** Where the tasks run: in TaskManagers if the job can be loaded there, else in this thread. */
async function placeOf(
  options: RunJobOptions,
  planned: {
    readonly jobGraph: JobGraph;
    readonly store: BlobStore;
    readonly openOther: (url: string) => BlobStore;
    readonly identity: SnapshotIdentity;
  },
): Promise<Place> {
  const { world, slots: job, schedulingRandom, printChain } = options;
  const { jobGraph, store, openOther, identity } = planned;
  const settings = taskSettings(options);
  if (job === undefined) {
    const storage = new TaskStorage(identity, (url) =>
      url === undefined ? store : openOther(url),
    );
    const local = { jobGraph, world, storage, settings, schedulingRandom, printChain };
    return {
      makeDeployment: () => new LocalDeployment(local),
      close: () => Promise.resolve(),
    };
  }
  const { planHash, maxParallelism } = identity;
  const data = {
    job,
    planHash,
    parallelism: options.job.config.parallelism,
    maxParallelism,
    storageUrl: store.url,
    identity,
    tasks: settings,
    debugCodegen: printChain !== undefined,
  };
  const pool = await startTaskManagers({
    config: options.job.config,
    world,
    plan: executionPlanOf(jobGraph),
    slotData: data,
    emit: options.emit,
  });
  return { makeDeployment: () => pool.makeDeployment(), close: () => pool.close() };
}

function taskSettings({ job, checkMode, allowNonRestoredState }: RunJobOptions): TaskSettings {
  const { checkpointMode, autoWatermarkIntervalMs } = job.config;
  return {
    checkpointingMode: checkpointMode === 'EXACTLY_ONCE' ? 'exactly-once' : 'at-least-once',
    autoWatermarkIntervalMs,
    checkMode: checkMode ?? false,
    allowNonRestoredState,
  };
}

function coordinatorSettings(config: FlinkSettings): CoordinatorSettings {
  return {
    intervalMs: config.checkpointIntervalMs,
    timeoutMs: config.checkpointTimeoutMs,
    minPauseMs: config.minPauseBetweenCheckpointsMs,
    maxConcurrent: config.maxConcurrentCheckpoints,
    tolerableFailures: config.tolerableFailedCheckpoints,
    numRetained: config.retainedCheckpoints,
    unaligned: config.unalignedCheckpoints,
    historySize: 10,
  };
}

function verticesOf(graph: JobGraph): CoordinatedVertex[] {
  return graph.vertices.map(({ id, parallelism, operators, inputs }) => ({
    id,
    parallelism,
    operators: operators.map(({ node }) => node.uid),
    inputs: inputs.map(({ fromVertex, partitioner }) => ({
      vertex: fromVertex,
      pointwise: partitioner.kind === 'forward',
    })),
  }));
}

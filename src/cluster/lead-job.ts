import type { CoordinatedVertex, CoordinatorSettings } from '../checkpoint/coordinator-types.ts';
import type { ClusterLeader } from '../checkpoint/head.ts';
import type { SnapshotIdentity } from '../checkpoint/metadata.ts';
import { discardsCheckpoints, type JobEnd } from '../checkpoint/retention.ts';
import type { World } from '../contracts/source.ts';
import type { ExecutionPlan } from '../graph/execution-plan.ts';
import type { FlinkSettings } from '../settings/flink-settings.ts';
import { restartStrategyOf } from '../settings/restart-strategy.ts';
import type { BlobStore } from '../storage/blob-store.ts';
import type { OperatorCoordinators } from './coordinator/operator-coordinators.ts';
import type { Deployment } from './deployment.ts';
import type { JobEvent, JobResult } from './job-events.ts';
import { JobMaster } from './job-master.ts';
import { JobStore, openJob } from './job-store.ts';
import { openFork } from './open-fork.ts';
import type { StartFrom } from './start-from.ts';
import type { TaskManagerStatus } from './job-manager/remote-task-manager.ts';
import { storeOpener } from './open-store.ts';
import { requireBuilt } from './require-built.ts';
import type { Ancestry } from './writer-id.ts';

/** A job as those see it who run it without its code. */
export interface PlannedJob {
  readonly plan: ExecutionPlan;
  /** Of the whole `Plan`. */
  readonly planHash: string;
}

/** Where the parts of a job run that are its user's code. */
export interface JobPlace {
  readonly makeDeployment: () => Deployment;
  readonly coordinators: OperatorCoordinators;
  /** Those of the job, where it has some. */
  readonly taskManagers?: () => readonly TaskManagerStatus[];
  /** After the job's end. */
  readonly close: () => Promise<void>;
}

export interface LeadJobOptions {
  readonly jobName: string;
  readonly config: FlinkSettings;
  readonly world: World;
  /** Where checkpoints are, unless the settings say so. Absolute. */
  readonly dataFolder: string;
  readonly from: StartFrom;
  readonly allowNonRestoredState: boolean;
  readonly emit: (event: JobEvent) => void;
  /** For people, in `HEAD`: host and process. */
  readonly owner: string;
  /** The leadership of the cluster that the job runs under, if it does. */
  readonly leader?: ClusterLeader | undefined;
  /** Instead of what the settings name. For tests. */
  readonly store?: BlobStore | undefined;
  /** Keeps the checkpoints of a job that ends, whatever the settings say; asked at its end. */
  readonly keepCheckpoints?: boolean | ((end: JobEnd) => boolean) | undefined;
  /** Builds the job for the number of key groups that its snapshot has. */
  readonly planFor: (maxParallelism: number) => PlannedJob | Promise<PlannedJob>;
  /** Looks at what surrounds the job, before anything is taken over. Returns warnings. */
  readonly preflight?: (() => Promise<readonly string[]>) | undefined;
  /** Called before anything is taken over. If it throws, nothing is. */
  readonly admit?: ((jobName: string) => Promise<void> | void) | undefined;
  /**
   * Called when the job is this process's to lead, before any of its tasks runs. If it fails, the job
   * does not start.
   */
  readonly onLed?: ((job: JobLed) => Promise<void>) | undefined;
  readonly placeFor: (job: LedJob) => JobPlace | Promise<JobPlace>;
}

/** What a job is led under. Plain data. */
export interface JobLed {
  readonly jobId: string;
  readonly jobName: string;
  readonly epoch: number;
  /** Of its checkpoints. */
  readonly storageUrl: string;
}

/** A job that this process leads. */
export interface LedJob extends PlannedJob {
  readonly identity: SnapshotIdentity;
  readonly ancestry: Ancestry;
  readonly store: BlobStore;
}

/** A job under its JobMaster. */
export interface RunningJob {
  readonly jobId: string;
  readonly jobName: string;
  readonly plan: ExecutionPlan;
  readonly planHash: string;
  /** All settings in force. */
  readonly config: FlinkSettings;
  readonly coordinator: CoordinatorSettings;
  readonly storageUrl: string;
  /** Resolves when the job is over, however it ended. */
  readonly done: Promise<JobResult>;
  readonly master: JobMaster;
  cancel(): void;
  taskManagers(): readonly TaskManagerStatus[];
  /** URLs of the complete checkpoints and savepoints that it may go on from. */
  retained(): readonly string[];
  recordsRead(): number;
}

/**
 * Finds what to go on from, takes the job's leadership, and runs it under a JobMaster in this thread.
 *
 * @throws {EngineError} what keeps a job from starting: `GRA-…`, `CHK-…`, `STO-…`, `JOB-…`.
 */
export async function leadJob(options: LeadJobOptions): Promise<RunningJob> {
  const { config, world, emit, jobName } = options;
  requireBuilt(config);
  await options.admit?.(jobName);
  // The graph is checked before anything is taken over from whoever runs this job now.
  const first = await options.planFor(config.maxParallelism);
  for (const message of (await options.preflight?.()) ?? []) emit({ kind: 'warning', message });
  const openOther = storeOpener(world, config);
  const store =
    options.store ?? openOther(config.checkpointStorage ?? `${options.dataFolder}/checkpoints`);
  const opening = {
    store,
    openStore: openOther,
    jobName,
    world,
    savepointDirectory: config.savepointDirectory,
    owner: options.owner,
    leader: options.leader,
    discards: (end: JobEnd) =>
      !keepsAll(options, end) && discardsCheckpoints(config.externalizedCheckpointRetention, end),
  };
  const { from } = options;
  const opened =
    from.kind === 'fork' ? await openFork(opening, from.of) : await openJob({ ...opening, from });
  const { restored, checkpoints, lineage } = opened;
  const maxParallelism = restored?.metadata.maxParallelism ?? config.maxParallelism;
  const planned =
    maxParallelism === config.maxParallelism ? first : await options.planFor(maxParallelism);
  const { plan, planHash } = planned;
  const { jobId, epoch } = checkpoints;
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
  warnOfMaxParallelism(config, maxParallelism, emit);
  await options.onLed?.({ jobId, jobName, epoch, storageUrl: store.url });
  const place = await options.placeFor({
    plan,
    planHash,
    identity,
    ancestry: opened.ancestry,
    store,
  });
  const jobStore = new JobStore({ ...opening, ...opened, identity, vertices: verticesOf(plan) });
  return startMaster({ options, planned, place, jobStore, storageUrl: store.url });
}

function keepsAll({ keepCheckpoints = false }: LeadJobOptions, end: JobEnd): boolean {
  return typeof keepCheckpoints === 'function' ? keepCheckpoints(end) : keepCheckpoints;
}

interface Prepared {
  readonly options: LeadJobOptions;
  readonly planned: PlannedJob;
  readonly place: JobPlace;
  readonly jobStore: JobStore;
  readonly storageUrl: string;
}

function startMaster({ options, planned, place, jobStore, storageUrl }: Prepared): RunningJob {
  const { config, world, emit, jobName, allowNonRestoredState } = options;
  const coordinator = coordinatorSettings(config);
  const master = new JobMaster({
    plan: planned.plan,
    world,
    store: jobStore,
    coordinator,
    restart: restartStrategyOf(config),
    failover: config.failoverStrategy,
    makeDeployment: place.makeDeployment,
    coordinators: place.coordinators,
    allowNonRestoredState,
    emit,
  });
  return {
    ...planned,
    jobId: jobStore.identity.jobId,
    jobName,
    config,
    coordinator,
    storageUrl,
    master,
    taskManagers: () => place.taskManagers?.() ?? [],
    retained: () => jobStore.retained(),
    done: master.run().finally(place.close),
    cancel: () => {
      master.cancel();
    },
    recordsRead: () => master.recordsRead(),
  };
}

function warnOfMaxParallelism(
  config: FlinkSettings,
  maxParallelism: number,
  emit: (event: JobEvent) => void,
): void {
  if (maxParallelism === config.maxParallelism) return;
  if (config.origins.maxParallelism.kind === 'default') return;
  const message = `The maximum parallelism stays ${maxParallelism}, as the snapshot has it; ${config.maxParallelism} has no effect.`;
  emit({ kind: 'warning', message });
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

function verticesOf({ vertices }: ExecutionPlan): CoordinatedVertex[] {
  return vertices.map(({ id, parallelism, operators, inputs }) => ({
    id,
    parallelism,
    operators: operators.map(({ uid }) => uid),
    inputs: inputs.map(({ fromVertex, partitioner }) => ({
      vertex: fromVertex,
      pointwise: partitioner === 'forward',
    })),
  }));
}

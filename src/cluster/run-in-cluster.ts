import path from 'node:path';
import type { Clock } from '../common/clock.ts';
import type { NodeSpawner, NodeSurroundings } from '../common/node-spawner.ts';
import type { ClusterLeader } from '../checkpoint/head.ts';
import type { World } from '../contracts/source.ts';
import { CoordinatorThread } from './coordinator/coordinator-thread.ts';
import type { DescribedJob, JobRequest } from './coordinator/coordinator-protocol.ts';
import type { JobEvent } from './job-events.ts';
import {
  prepareTaskManager,
  startTaskManagers,
  taskManagerSpawner,
} from './job-manager/start-task-managers.ts';
import { jobNameFor, type StartFrom } from './start-from.ts';
import type { FlinkSettings } from '../settings/flink-settings.ts';
import { leadJob, type JobLed, type LeadJobOptions, type RunningJob } from './lead-job.ts';
import { storeSettingsOf } from './open-store.ts';
import { taskSettings, thisProcess } from './run-job.ts';

export interface RunInClusterOptions extends JobRequest {
  /** URL of the job's module. */
  readonly module: string;
  readonly world: World;
  /** What a relative path in the settings begins at. Absolute. */
  readonly folder: string;
  /** Where checkpoints are, unless the settings say so. Absolute. */
  readonly dataFolder: string;
  readonly from: StartFrom;
  /** Instead of the job's own name. */
  readonly name?: string | undefined;
  readonly allowNonRestoredState: boolean;
  readonly emit: (event: JobEvent) => void;
  /** Prints the code that is generated for each chain. */
  readonly debugCodegen: boolean;
  /** What was made ready for this very job. Default: it is made now. */
  readonly prepared?: PreparedJob | undefined;
  /** What the job's code finds around it. Default: what this process finds. */
  readonly surroundings?: NodeSurroundings;
  /** See `LeadJobOptions`, as the next ones. */
  readonly leader?: ClusterLeader;
  readonly admit?: (jobName: string) => Promise<void> | void;
  readonly onLed?: (job: JobLed) => Promise<void>;
  readonly keepCheckpoints?: LeadJobOptions['keepCheckpoints'];
}

/** What a job needs beside its leadership: its code is loaded in a thread and in a first TaskManager. */
export interface PreparedJob {
  readonly coordinators: CoordinatorThread;
  readonly spawner: NodeSpawner;
  readonly described: Promise<DescribedJob>;
}

/** Loads a job's code where it will run, before it is led. What is not used must be closed. */
export function prepareJob({
  module,
  clock,
  surroundings,
  ...request
}: JobRequest & {
  readonly module: string;
  readonly clock: Clock;
  readonly surroundings?: NodeSurroundings | undefined;
}): PreparedJob {
  // Both load the job's code, side by side.
  const coordinators = new CoordinatorThread({
    module,
    clock,
    ...(surroundings && { surroundings }),
  });
  const spawner = taskManagerSpawner(surroundings);
  prepareTaskManager(spawner, module, request.flink);
  const { arguments: args, flink } = request;
  return { coordinators, spawner, described: coordinators.describe({ arguments: args, flink }) };
}

export async function closePrepared({
  coordinators,
  spawner,
  described,
}: PreparedJob): Promise<void> {
  described.catch(() => undefined);
  await Promise.all([coordinators.close(), spawner.close()]);
}

/** A job that this process leads. */
export interface RunningInCluster extends RunningJob {
  /** A program described it, which goes on behind its `execute`. */
  readonly isProgram: boolean;
}

/**
 * Runs a job under the JobManager that this process is. None of the job's code runs in this thread:
 * tasks run in TaskManager processes, enumerators and committers in the coordinator thread.
 *
 * @throws {EngineError} what keeps a job from starting: `SET-…`, `API-…`, `GRA-…`, `CHK-…`, `STO-…`, `JOB-…`.
 */
export async function runInCluster(options: RunInClusterOptions): Promise<RunningInCluster> {
  const { module, world, emit, flink } = options;
  const prepared = options.prepared ?? prepareJob({ ...options, clock: world.clock });
  const { coordinators, spawner } = prepared;
  try {
    const described = await prepared.described;
    const { settings, isProgram } = described;
    const jobName = jobNameFor(options.from, options.name, described.jobName);
    const config = withAbsoluteStorage(described.config, options.folder);
    for (const message of config.warnings) emit({ kind: 'warning', message });
    const job = { module, settings, flink };
    const { parallelism, taskStuckTimeoutMs } = config;
    const running = await leadJob({
      ...options,
      jobName,
      config,
      owner: thisProcess,
      planFor: (maxParallelism) => coordinators.plan(maxParallelism),
      preflight: () => coordinators.preflight(),
      placeFor: async ({ plan, planHash, identity, ancestry, store }) => {
        const { maxParallelism } = identity;
        const planned = { job, planHash, parallelism, maxParallelism };
        coordinators.lead({ ...planned, identity, ancestry }, taskStuckTimeoutMs);
        const slotData = {
          ...planned,
          storageUrl: store.url,
          stores: storeSettingsOf(config),
          identity,
          tasks: taskSettings(config, options),
          debugCodegen: options.debugCodegen,
        };
        const pool = await startTaskManagers({ spawner, config, world, plan, slotData, emit });
        return {
          makeDeployment: () => pool.makeDeployment(),
          coordinators,
          taskManagers: () => pool.statuses(),
          close: () => pool.close(),
        };
      },
    });
    return { ...running, isProgram };
  } catch (error) {
    await closePrepared(prepared);
    throw error;
  }
}

/** A path is from the working folder; an address stays as it is. */
function withAbsoluteStorage(config: FlinkSettings, folder: string): FlinkSettings {
  const absolute = (said: string | undefined): string | undefined =>
    said === undefined || /^[a-z][a-z0-9+.-]*:/i.test(said) ? said : path.resolve(folder, said);
  return {
    ...config,
    checkpointStorage: absolute(config.checkpointStorage),
    savepointDirectory: absolute(config.savepointDirectory),
  };
}

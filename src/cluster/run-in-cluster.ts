import path from 'node:path';
import type { NodeSurroundings } from '../common/node-spawner.ts';
import type { World } from '../contracts/source.ts';
import { CoordinatorThread } from './coordinator/coordinator-thread.ts';
import type { JobRequest } from './coordinator/coordinator-protocol.ts';
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
  /** What the job's code finds around it. Default: what this process finds. */
  readonly surroundings?: NodeSurroundings;
  /** See `LeadJobOptions`, as the next one. */
  readonly admit?: (jobName: string) => void;
  readonly onLed?: (job: JobLed) => Promise<void>;
  readonly keepCheckpoints?: LeadJobOptions['keepCheckpoints'];
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
  // Both load the job's code, side by side.
  const coordinators = new CoordinatorThread({
    module,
    clock: world.clock,
    ...(options.surroundings && { surroundings: options.surroundings }),
  });
  const spawner = taskManagerSpawner(options.surroundings);
  prepareTaskManager(spawner, module, flink);
  try {
    const described = await coordinators.describe({ arguments: options.arguments, flink });
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
    await Promise.all([coordinators.close(), spawner.close()]);
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

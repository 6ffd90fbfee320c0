import { hostname } from 'node:os';
import { pid } from 'node:process';
import type { BuiltJob } from '../api/job-definition.ts';
import { systemClock } from '../common/clock.ts';
import { nodeFileSystem } from '../common/node-file-system.ts';
import { systemRandom, type Random } from '../common/random.ts';
import type { ClusterLeader } from '../checkpoint/head.ts';
import type { World } from '../contracts/source.ts';
import { buildJobGraph } from '../graph/build-job-graph.ts';
import { executionPlanOf } from '../graph/execution-plan.ts';
import { planOf } from '../graph/plan.ts';
import type { TaskSettings } from '../runtime/task-options.ts';
import type { FlinkSettings } from '../settings/flink-settings.ts';
import type { BlobStore } from '../storage/blob-store.ts';
import { LocalCoordinators } from './coordinator/local-coordinators.ts';
import type { JobEvent } from './job-events.ts';
import { jobNameFor, type StartFrom } from './start-from.ts';
import {
  leadJob,
  type JobLed,
  type JobPlace,
  type LeadJobOptions,
  type LedJob,
  type RunningJob,
} from './lead-job.ts';
import { LocalDeployment } from './local-deployment.ts';
import { storeOpener } from './open-store.ts';
import { preflightOf } from './preflight.ts';
import { TaskStorage } from './task-storage.ts';

export interface RunJobOptions {
  readonly job: BuiltJob;
  readonly world: World;
  /** Where checkpoints are, unless the settings say so. Absolute. */
  readonly dataFolder: string;
  readonly from: StartFrom;
  /** Instead of the job's own name. */
  readonly name?: string | undefined;
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
  readonly keepCheckpoints?: LeadJobOptions['keepCheckpoints'];
  /** See `LeadJobOptions`, as the next ones. */
  readonly leader?: ClusterLeader;
  readonly admit?: (jobName: string) => Promise<void> | void;
  readonly onLed?: (job: JobLed) => Promise<void>;
}

/** The machine's clock, chance and disk. */
export const defaultWorld: World = {
  clock: systemClock,
  random: systemRandom,
  fs: nodeFileSystem,
};

/** For people, in `HEAD`. */
export const thisProcess = `${hostname()}:${pid}`;

/**
 * Runs a whole job in this thread, all its subtasks included: for tests, simulations and benches.
 *
 * @throws {EngineError} what keeps a job from starting: `GRA-…`, `CHK-…`, `STO-…`, `JOB-…`.
 */
export function runJob(options: RunJobOptions): Promise<RunningJob> {
  const { job, world } = options;
  const graphFor = (maxParallelism: number) =>
    buildJobGraph(job.graph, { parallelism: job.config.parallelism, maxParallelism });
  return leadJob({
    ...options,
    jobName: jobNameFor(options.from, options.name, job.graph.jobName),
    config: job.config,
    owner: thisProcess,
    planFor: (maxParallelism) => {
      const graph = graphFor(maxParallelism);
      return { plan: executionPlanOf(graph), planHash: planOf(graph).hash };
    },
    preflight: () => preflightOf(graphFor(job.config.maxParallelism), job.config, world),
    placeFor: ({ identity, ancestry, store }: LedJob): JobPlace => {
      const jobGraph = graphFor(identity.maxParallelism);
      const openStore = storeOpener(world, job.config);
      const storage = new TaskStorage(identity, (url) =>
        url === undefined ? store : openStore(url),
      );
      const settings = taskSettings(job.config, options);
      const { schedulingRandom, printChain } = options;
      const local = { jobGraph, world, storage, settings, schedulingRandom, printChain };
      return {
        makeDeployment: () => new LocalDeployment(local),
        coordinators: new LocalCoordinators({ jobGraph, world, identity, ancestry }),
        close: () => Promise.resolve(),
      };
    },
  });
}

/** What every task of a job needs of its settings. */
export function taskSettings(
  { checkpointMode, autoWatermarkIntervalMs }: FlinkSettings,
  given: { readonly checkMode?: boolean; readonly allowNonRestoredState: boolean },
): TaskSettings {
  return {
    checkpointingMode: checkpointMode === 'EXACTLY_ONCE' ? 'exactly-once' : 'at-least-once',
    autoWatermarkIntervalMs,
    checkMode: given.checkMode ?? false,
    allowNonRestoredState: given.allowNonRestoredState,
  };
}

import type { BuiltJob, JobDefinition } from '../api/job-definition.ts';
import { LocalCoordinators } from '../cluster/coordinator/local-coordinators.ts';
import { TASK_MANAGER_ENTRY } from '../cluster/job-manager/remote-task-manager.ts';
import { TaskManagers } from '../cluster/job-manager/task-managers.ts';
import { leadJob, type LeadJobOptions, type RunningJob } from '../cluster/lead-job.ts';
import { buildPlanned } from '../cluster/load-job.ts';
import { storeSettingsOf } from '../cluster/open-store.ts';
import { taskSettings } from '../cluster/run-job.ts';
import { TaskManager, type TaskManagerEnd } from '../cluster/task-manager/task-manager.ts';
import type { TaskManagerInit } from '../cluster/task-manager/task-manager-protocol.ts';
import { assert } from '../common/assert.ts';
import type { Spawner } from '../common/spawner.ts';
import { buildJobGraph } from '../graph/build-job-graph.ts';
import { executionPlanOf } from '../graph/execution-plan.ts';
import { planOf } from '../graph/plan.ts';
import type { FlinkSettings } from '../settings/flink-settings.ts';
import { SimulatedProcess, type SimulatedWorld } from './simulation/simulated-process.ts';
import { SimulatedSlots } from './simulation/simulated-slots.ts';
import type { Simulation } from './simulation/simulation.ts';

/** How a simulated job is spread over TaskManagers. */
export interface SimulatedClusterOptions {
  /** Default: one TaskManager for all subtasks. */
  readonly slotsPerTaskManager?: number;
  /** TaskManagers that stand by. Default 1. */
  readonly redundant?: number;
  /** Puts something between the JobManager and the processes that it starts, such as a kill that fails. */
  readonly wrapSpawner?: (spawner: Spawner) => Spawner;
}

type Given = JobDefinition<undefined> | ((world: SimulatedWorld) => JobDefinition<undefined>);

export interface ClusterRun extends Omit<
  LeadJobOptions,
  'planFor' | 'placeFor' | 'world' | 'jobName' | 'config' | 'owner'
> {
  readonly simulation: Simulation;
  /** The JobManager's. */
  readonly process: SimulatedProcess;
  readonly job: Given;
  readonly flink: FlinkSettings;
  readonly checkMode: boolean;
  readonly cluster: SimulatedClusterOptions;
}

/**
 * Runs a job as `tidemark run` does: a JobManager in `process`, TaskManagers in processes of their
 * own that it starts, a network between them. All in one thread, from one seed.
 */
export async function runSimulatedCluster(run: ClusterRun): Promise<RunningJob> {
  const { simulation, process, flink, cluster, emit } = run;
  const definition = definitionFor(run.job, process);
  const built = definition.build(undefined, flink);
  const { config } = built;
  simulation.programs.register(
    TASK_MANAGER_ENTRY,
    (world, init) => taskManagerMain(simulation, run.job, world, init as TaskManagerInit),
    { name: (init) => (init as TaskManagerInit).id },
  );
  return leadJob({
    ...run,
    jobName: definition.name,
    config,
    world: process,
    owner: process.id,
    planFor: (maxParallelism) => {
      const graph = graphOf(built, maxParallelism);
      return { plan: executionPlanOf(graph), planHash: planOf(graph).hash };
    },
    placeFor: async ({ plan, planHash, identity, ancestry, store }) => {
      const { parallelism } = config;
      const { maxParallelism } = identity;
      const jobGraph = graphOf(built, maxParallelism);
      const pool = new TaskManagers({
        clock: process.clock,
        transport: process.transport,
        token: 'simulated',
        spawner: cluster.wrapSpawner?.(process.spawner) ?? process.spawner,
        plan,
        slotData: {
          job: { module: 'simulated:job', settings: undefined, flink },
          planHash,
          parallelism,
          maxParallelism,
          storageUrl: store.url,
          stores: storeSettingsOf(config),
          identity,
          tasks: taskSettings(config, run),
          debugCodegen: false,
        },
        slotsPerTaskManager: cluster.slotsPerTaskManager ?? parallelism,
        redundant: cluster.redundant ?? 1,
        heartbeatIntervalMs: config.heartbeatIntervalMs,
        heartbeatTimeoutMs: config.heartbeatTimeoutMs,
        stuckTimeoutMs: config.taskStuckTimeoutMs,
        emit,
      });
      await pool.start();
      return {
        makeDeployment: () => pool.makeDeployment(),
        coordinators: new LocalCoordinators({ jobGraph, world: process, identity, ancestry }),
        close: () => pool.close(),
      };
    },
  });
}

/** What `task-manager-main.ts` is for a real process. */
async function taskManagerMain(
  simulation: Simulation,
  job: Given,
  world: SimulatedWorld,
  { id, address, slots }: TaskManagerInit,
): Promise<number> {
  assert(world instanceof SimulatedProcess, 'a program runs in a simulated process');
  const owner = world;
  const connection = await world.transport.connect(address);
  const end = await new Promise<TaskManagerEnd>((resolve) => {
    const host = new SimulatedSlots({
      owner,
      makeProcess: (name) => simulation.process(name),
      load: (slotWorld, data) => buildPlanned(definitionFor(job, slotWorld), data),
    });
    const { clock } = world;
    new TaskManager({ id, pid: 0, slots, clock, connection, host, onEnd: resolve }).start();
  });
  return end.kind === 'closed' ? 0 : 1;
}

function definitionFor(job: Given, world: SimulatedWorld): JobDefinition<undefined> {
  return typeof job === 'function' ? job(world) : job;
}

function graphOf({ graph, config }: BuiltJob, maxParallelism: number) {
  return buildJobGraph(graph, { parallelism: config.parallelism, maxParallelism });
}

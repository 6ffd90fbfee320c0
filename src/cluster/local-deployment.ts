import type { Random } from '../common/random.ts';
import type { World } from '../contracts/source.ts';
import type { JobGraph } from '../graph/job-graph.ts';
import type { TaskGateway, TaskId } from '../runtime/gateways.ts';
import type { Task } from '../runtime/task.ts';
import { TaskMeter } from '../runtime/task-metrics.ts';
import type { TaskSettings } from '../runtime/task-options.ts';
import { TaskThread } from '../runtime/task-thread.ts';
import { sumOfRestores, type RestoreProgress } from '../common/restore-progress.ts';
import { createTask } from './create-task.ts';
import {
  restoreOf,
  taskKey,
  type Deployment,
  type DeployRequest,
  type TaskPlace,
} from './deployment.ts';
import { LocalExchange } from './local-exchange.ts';
import type { TaskStorage } from './task-storage.ts';

export interface LocalDeploymentOptions {
  readonly jobGraph: JobGraph;
  readonly world: World;
  readonly storage: TaskStorage;
  readonly settings: TaskSettings;
  /** Draws the order of tasks and channels, for simulations. */
  readonly schedulingRandom: Random | undefined;
  readonly printChain: ((text: string) => void) | undefined;
}

/** Runs all tasks of an attempt of a region in this thread. */
export class LocalDeployment implements Deployment {
  readonly #options: LocalDeploymentOptions;
  readonly #thread: TaskThread;
  readonly #tasks: Task[] = [];
  readonly #meters = new Map<Task, TaskMeter>();

  constructor(options: LocalDeploymentOptions) {
    this.#options = options;
    const { world, schedulingRandom } = options;
    this.#thread = new TaskThread({ clock: world.clock, random: schedulingRandom });
  }

  deploy({
    attempt,
    vertices,
    restore,
    jobMaster,
  }: DeployRequest): ReadonlyMap<string, TaskGateway> {
    const { jobGraph, storage, printChain, schedulingRandom, world, settings } = this.#options;
    const exchange = new LocalExchange(jobGraph);
    const tasks = new Map<string, Task>();
    for (const vertex of jobGraph.vertices) {
      if (!vertices.includes(vertex.id)) continue;
      for (let subtask = 0; subtask < vertex.parallelism; subtask += 1) {
        const id: TaskId = { vertex: vertex.id, subtask, attempt };
        const task = createTask({
          id,
          vertex,
          jobGraph,
          world,
          jobMaster,
          storage,
          settings,
          random: schedulingRandom,
          printChain: subtask === 0 ? printChain : undefined,
          inputsOf: (edge) => exchange.inputsOf(edge, subtask).map(({ reader }) => reader),
          outputsOf: (edge) => exchange.outputsOf(edge, subtask).map(({ writer }) => writer),
          restore: restore && {
            operators: restoreOf(restore.plan, id),
            ...storage.reader(restore.location),
          },
        });
        tasks.set(taskKey(id), task);
        this.#tasks.push(task);
      }
    }
    for (const task of tasks.values()) this.#thread.run(task);
    return tasks;
  }

  recordsRead(): number {
    let sum = 0;
    for (const task of this.#tasks) sum += task.metrics().recordsRead;
    return sum;
  }

  restoreProgress(): RestoreProgress | undefined {
    return sumOfRestores(this.#tasks.map((task) => task.metrics().restore));
  }

  placeOf(ref: { readonly vertex: string; readonly subtask: number }): TaskPlace | undefined {
    const task = this.#tasks.find(({ id }) => taskKey(id) === taskKey(ref));
    if (task === undefined) return undefined;
    const meter = this.#meters.get(task) ?? new TaskMeter();
    this.#meters.set(task, meter);
    const nowMs = this.#options.world.clock.monotonicMs();
    return { taskManager: undefined, sample: meter.sample(task.metrics(), nowMs) };
  }

  async close(): Promise<void> {
    // The tasks have left the thread; nothing else is held.
  }
}

import { NodeSpawner, type NodeSurroundings } from '../../common/node-spawner.ts';
import { nodeTransport } from '../../common/node-transport.ts';
import { randomHex } from '../../common/random.ts';
import type { World } from '../../contracts/source.ts';
import { slotsNeeded, type ExecutionPlan } from '../../graph/execution-plan.ts';
import type { FlinkSettings } from '../../settings/flink-settings.ts';
import type { JobEvent } from '../job-events.ts';
import type { SlotData } from '../task-manager/slot-protocol.ts';
import type { TaskManagerHint } from '../task-manager/task-manager-protocol.ts';
import { TASK_MANAGER_ENTRY } from './remote-task-manager.ts';
import { TaskManagers } from './task-managers.ts';

const TOKEN_LENGTH = 64;

/** Starts TaskManagers as processes of this machine. */
export function taskManagerSpawner(surroundings?: NodeSurroundings): NodeSpawner {
  // The entry has the extension of this file: `.ts` from the sources, `.js` when it is built.
  const extension = import.meta.url.slice(-3);
  const entry = new URL(`../task-manager/task-manager-main${extension}`, import.meta.url);
  return new NodeSpawner({ [TASK_MANAGER_ENTRY]: entry }, surroundings);
}

/**
 * Starts the process of a first TaskManager, which imports the job's module while it is still being
 * found out what to run.
 *
 * @param config Before the job's own code had its say: a guess is enough.
 */
export function prepareTaskManager(
  spawner: NodeSpawner,
  module: string,
  { taskSlots, parallelism }: Pick<FlinkSettings, 'taskSlots' | 'parallelism'>,
): void {
  const hint: TaskManagerHint = { module, slots: Math.min(taskSlots ?? parallelism, parallelism) };
  spawner.prepare(TASK_MANAGER_ENTRY, hint);
}

export interface StartTaskManagersOptions {
  /** Default: one that has prepared nothing. */
  readonly spawner?: NodeSpawner;
  readonly config: FlinkSettings;
  readonly world: World;
  readonly plan: ExecutionPlan;
  readonly slotData: SlotData;
  readonly emit: (event: JobEvent) => void;
}

/**
 * Starts the TaskManagers of one job as processes of this machine.
 *
 * @throws {EngineError} `COM-…` (`unavailable`) if this process cannot listen.
 */
export async function startTaskManagers(options: StartTaskManagersOptions): Promise<TaskManagers> {
  const { config, world, plan, slotData, emit } = options;
  const token = randomHex(world.random, TOKEN_LENGTH);
  const taskManagers = new TaskManagers({
    clock: world.clock,
    transport: nodeTransport({ token }),
    token,
    spawner: options.spawner ?? taskManagerSpawner(),
    plan,
    slotData,
    slotsPerTaskManager: config.taskSlots ?? slotsNeeded(plan),
    redundant: config.redundantTaskManagers,
    heartbeatIntervalMs: config.heartbeatIntervalMs,
    heartbeatTimeoutMs: config.heartbeatTimeoutMs,
    stuckTimeoutMs: config.taskStuckTimeoutMs,
    emit,
  });
  await taskManagers.start();
  return taskManagers;
}

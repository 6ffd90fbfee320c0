import { nodeSpawner } from '../../common/node-spawner.ts';
import { nodeTransport } from '../../common/node-transport.ts';
import { randomHex } from '../../common/random.ts';
import type { World } from '../../contracts/source.ts';
import { slotsNeeded, type ExecutionPlan } from '../../graph/execution-plan.ts';
import type { FlinkSettings } from '../../settings/flink-settings.ts';
import type { JobEvent } from '../job-events.ts';
import type { SlotData } from '../task-manager/slot-protocol.ts';
import { TASK_MANAGER_ENTRY } from './remote-task-manager.ts';
import { TaskManagers } from './task-managers.ts';

const TOKEN_LENGTH = 64;

export interface StartTaskManagersOptions {
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
  // The entry has the extension of this file: `.ts` from the sources, `.js` when it is built.
  const extension = import.meta.url.slice(-3);
  const entry = new URL(`../task-manager/task-manager-main${extension}`, import.meta.url);
  const taskManagers = new TaskManagers({
    clock: world.clock,
    transport: nodeTransport({ token }),
    token,
    spawner: nodeSpawner({ [TASK_MANAGER_ENTRY]: entry }),
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

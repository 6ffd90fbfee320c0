import { EngineError } from '../../common/errors.ts';
import type { ExitReason } from '../../common/spawner.ts';
import type { TaskManagerDeath } from './task-manager-life.ts';

export interface DeadTaskManager {
  readonly id: string;
  readonly pid: number;
  /** Names of the tasks that ran there. */
  readonly tasks: readonly string[];
  readonly heartbeatTimeoutMs: number;
  readonly startTimeoutMs: number;
}

/** Names of tasks in a message, at most. */
const NAMES_MAX = 8;

/** What the tasks of a TaskManager fail with when it is gone. */
export function deathError(dead: DeadTaskManager, death: TaskManagerDeath): EngineError {
  const details = { taskManager: dead.id, pid: dead.pid, operators: namesOf(dead.tasks) };
  switch (death.kind) {
    case 'frozen':
      return new EngineError('JOB-013', 'unavailable', 'a TaskManager gave no sign of life', {
        details: { ...details, heartbeatTimeoutMs: dead.heartbeatTimeoutMs },
        hint: 'Look whether its process was stopped, or the machine was out of memory or too busy; or raise heartbeat.timeout.',
      });
    case 'not-started':
      return new EngineError('JOB-014', 'unavailable', 'a TaskManager could not be started', {
        details: {
          ...details,
          ...reasonDetails(death.reason),
          ...(death.inTime ? {} : { startTimeoutMs: dead.startTimeoutMs }),
        },
        hint: 'Read what its process wrote to the terminal before it ended; NODE_OPTIONS and free memory count for it, too.',
        ...(death.reason.kind === 'not-started' ? { cause: death.reason.error } : {}),
      });
    case 'ended':
    case 'closed':
      return new EngineError('JOB-012', 'unavailable', 'the process of a TaskManager has ended', {
        details: {
          ...details,
          ...(death.kind === 'ended' ? reasonDetails(death.reason) : {}),
        },
        hint: death.kind === 'ended' ? hintOf(death.reason) : 'Start the job again: it was ending.',
      });
  }
}

/** Too many TaskManagers that were to stand by died while they did. */
export function noSparesMessage(deaths: number, error: Error): string {
  return `No TaskManager stands by any more: ${deaths} in a row have died while they waited. The last one: ${error.message}`;
}

function namesOf(tasks: readonly string[]): string {
  const names = [...new Set(tasks)];
  if (names.length === 0) return 'none';
  const more = names.length - NAMES_MAX;
  return `${names.slice(0, NAMES_MAX).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

function reasonDetails(reason: ExitReason): Readonly<Record<string, string | number>> {
  switch (reason.kind) {
    case 'exited':
      return { exitCode: reason.exitCode };
    case 'killed':
      return { signal: reason.signal };
    case 'not-started':
      return {};
  }
}

function hintOf(reason: ExitReason): string {
  if (reason.kind !== 'killed') {
    return 'Look at what it wrote to the terminal: a native module may have ended it, or Node was out of memory.';
  }
  switch (reason.signal) {
    case 'SIGKILL':
      return 'Look whether somebody killed it, or the operating system did for want of memory (its log says so); fewer keys per slot or a smaller NODE_OPTIONS=--max-old-space-size need less.';
    case 'SIGABRT':
    case 'SIGTRAP':
      return 'Look at what it wrote to the terminal: mostly Node was out of memory; give it more with NODE_OPTIONS=--max-old-space-size=<MiB>, or raise the parallelism.';
    default:
      return 'Look for a native module that crashes in the functions of these operators.';
  }
}

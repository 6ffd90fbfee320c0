import type { SnapshotLocation } from '../contracts/snapshots.ts';
import type { RestorePlan } from '../checkpoint/restore-plan.ts';
import type { JobMasterGateway, TaskGateway, TaskId } from '../runtime/gateways.ts';
import type { RestoreProgress } from '../common/restore-progress.ts';
import type { TaskSample } from '../runtime/task-metrics.ts';
import type { OperatorRestore } from '../contracts/snapshots.ts';

/** What the tasks of an attempt start from. */
export interface DeployRequest {
  readonly attempt: number;
  /** The vertices to deploy: a region of the job, with all that it exchanges records with. */
  readonly vertices: readonly string[];
  /** Undefined: without state. */
  readonly restore: { readonly plan: RestorePlan; readonly location: SnapshotLocation } | undefined;
  /** What the tasks report to. */
  readonly jobMaster: JobMasterGateway;
}

/** Where a task runs, and what it said last of what it does. */
export interface TaskPlace {
  /** The id of its TaskManager. */
  readonly taskManager: string | undefined;
  readonly sample: TaskSample | undefined;
}

/**
 * Where the tasks of one attempt of a region run, and how they are reached: in this thread, or in
 * slots. Several deployments of a job live side by side, one for each of its regions.
 */
export interface Deployment {
  /** Makes all tasks and lets them run. Failures on the way are reported, not thrown. */
  deploy(request: DeployRequest): ReadonlyMap<string, TaskGateway>;
  /** Records that the sources have emitted. */
  recordsRead(): number;
  /** How far its tasks have restored their state; undefined if there is none to restore. */
  restoreProgress(): RestoreProgress | undefined;
  /** Undefined for a subtask that it does not have. */
  placeOf(task: { readonly vertex: string; readonly subtask: number }): TaskPlace | undefined;
  /** After all tasks are cancelled or finished. */
  close(): Promise<void>;
}

export function taskKey(ref: { readonly vertex: string; readonly subtask: number }): string {
  return `${ref.vertex}\u0000${ref.subtask}`;
}

/** What one subtask of each operator restores. */
export function restoreOf(
  plan: RestorePlan,
  { subtask }: Pick<TaskId, 'subtask'>,
): ReadonlyMap<string, OperatorRestore> {
  const operators = new Map<string, OperatorRestore>();
  for (const [uid, subtasks] of plan.operators) {
    const restore = subtasks[subtask];
    if (restore !== undefined) operators.set(uid, restore);
  }
  return operators;
}

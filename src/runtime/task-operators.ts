/**
 * The operators of a task with their state: made, restored, opened and closed.
 *
 * Order: all operators declare → all state is restored → the chain is generated → operators open,
 * last first, so that none emits into one that is not open.
 */
import { keyGroupRangeOf, type KeyGroupRange } from '../common/key-groups.ts';
import type { KeyedRunHandle, OperatorRestore } from '../contracts/snapshots.ts';
import type { StreamNode } from '../graph/operator-spec.ts';
import type { KeyedStateBackend } from '../state/keyed-state-backend.ts';
import { OperatorStateBackend } from '../state/operator-state.ts';
import { undeclaredState, userCodeError } from './errors.ts';
import type { FlowControl, Operator, OperatorContext, OperatorOutput } from './operator.ts';
import type { TaskOptions } from './task-options.ts';

export interface TaskOperator {
  readonly node: StreamNode;
  readonly operator: Operator;
  readonly keyed: KeyedStateBackend | undefined;
  readonly operatorState: OperatorStateBackend;
  readonly context: OperatorContext;
  /** What its snapshot said; `-Infinity` if there is none. */
  readonly restoredWatermarkMs: number;
  /** In the restored snapshot it had ended its input on all subtasks. */
  readonly wasFinished: boolean;
}

export interface TaskServices {
  readonly flow: FlowControl;
  readonly mail: (work: () => void) => void;
  readonly lateDropped: () => void;
  readonly position: OperatorContext['position'];
}

/** Makes all operators and lets them declare. Throws errors that name the operator. */
export function makeOperators(options: TaskOptions, services: TaskServices): TaskOperator[] {
  const made: TaskOperator[] = [];
  try {
    for (const { node } of options.vertex.operators) {
      made.push(named(node.uid, () => makeOperator(options, services, node)));
    }
  } catch (error) {
    for (const { keyed } of made) keyed?.close();
    throw error;
  }
  return made;
}

/**
 * Restores the state of all operators. Large keyed state goes on loading afterwards.
 *
 * @param onArrival Called when bytes have come that loading waited for.
 */
export async function restoreOperators(
  options: TaskOptions,
  operators: readonly TaskOperator[],
  onArrival: () => void,
): Promise<void> {
  const { restore } = options;
  if (restore === undefined) return;
  for (const { node, keyed, operatorState } of operators) {
    const from = restore.operators.get(node.uid);
    if (from === undefined) continue;
    const undeclared = [...(await operatorState.restore(from.subtasks, restore.read)).undeclared];
    if (keyed !== undefined) {
      const restored = await keyed.restore({
        handles: handlesIn(from, rangeOf(options)),
        checkpointId: from.checkpointId,
        reusableBase: from.reusableBase,
        read: restore.read,
        // The task knows the keys of a batch only where it enters the chain.
        readRange: operators[0]?.keyed === keyed ? restore.readRange : undefined,
        onArrival,
      });
      undeclared.push(...restored.undeclared);
    }
    const [first] = undeclared;
    if (first !== undefined && !options.settings.allowNonRestoredState) {
      throw undeclaredState(node.uid, first.name);
    }
  }
}

/** Opens all operators, last first. */
export async function openOperators(
  operators: readonly TaskOperator[],
  outputs: readonly OperatorOutput[],
): Promise<void> {
  for (let position = operators.length - 1; position >= 0; position--) {
    const one = operators[position];
    const output = outputs[position];
    if (one === undefined || output === undefined) continue;
    try {
      await one.operator.open({ ...one.context, output });
    } catch (error) {
      throw userCodeError(one.node.uid, error);
    }
  }
}

/** Closes everything, whatever fails on the way. Returns the first failure. */
export async function closeOperators(operators: readonly TaskOperator[]): Promise<unknown> {
  let failure: unknown;
  for (const { operator, node } of operators) {
    try {
      await operator.close();
    } catch (error) {
      failure ??= userCodeError(node.uid, error);
    }
  }
  for (const { keyed } of operators) keyed?.close();
  return failure;
}

function makeOperator(
  options: TaskOptions,
  services: TaskServices,
  node: StreamNode,
): TaskOperator {
  const { id, vertex, world, maxParallelism } = options;
  const from = options.restore?.operators.get(node.uid);
  const isKeyed = node.keys.some((key) => key !== undefined);
  const keyed = isKeyed
    ? options.createKeyedBackend({
        uid: node.uid,
        range: rangeOf(options),
        maxParallelism,
        nowMs: () => world.clock.wallMs(),
        monotonicMs: () => world.clock.monotonicMs(),
      })
    : undefined;
  const operatorState = new OperatorStateBackend({
    uid: node.uid,
    subtask: id.subtask,
    parallelism: vertex.parallelism,
  });
  const restoredWatermarkMs = restoredWatermark(from);
  const operator = options.createOperator(node);
  const context: OperatorContext = {
    uid: node.uid,
    jobName: options.jobName,
    subtask: id.subtask,
    parallelism: vertex.parallelism,
    maxParallelism,
    attempt: id.attempt,
    writerId: options.writerId,
    world,
    output: NO_OUTPUT,
    flow: services.flow,
    keyed,
    operatorState,
    autoWatermarkIntervalMs: options.settings.autoWatermarkIntervalMs,
    restored: from !== undefined,
    restoredWatermarkMs,
    mail: services.mail,
    toCoordinator: (event) => {
      options.jobMaster.operatorEvent(id, node.uid, event);
    },
    lateDropped: services.lateDropped,
    position: services.position,
  };
  operator.declare?.(context);
  const wasFinished = from !== undefined && from.subtasks.every(({ finished }) => finished);
  return { node, operator, keyed, operatorState, context, restoredWatermarkMs, wasFinished };
}

/** Before `open` there is nothing to emit into. */
const NO_OUTPUT = undefined as unknown as OperatorOutput;

function rangeOf({ id, vertex, maxParallelism }: TaskOptions): KeyGroupRange {
  return keyGroupRangeOf(id.subtask, maxParallelism, vertex.parallelism);
}

function handlesIn(from: OperatorRestore, range: KeyGroupRange): KeyedRunHandle[] {
  return from.subtasks
    .flatMap(({ keyed }) => keyed)
    .filter(({ keyGroups }) => keyGroups.start <= range.end && keyGroups.end >= range.start);
}

function restoredWatermark(from: OperatorRestore | undefined): number {
  if (from === undefined || from.subtasks.length === 0) return -Infinity;
  return Math.min(...from.subtasks.map(({ watermarkMs }) => watermarkMs ?? -Infinity));
}

function named<T>(uid: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw userCodeError(uid, error);
  }
}

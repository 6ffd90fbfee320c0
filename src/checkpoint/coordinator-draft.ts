/** What the parts of the coordinator share: one step in the making, and reads of the state. */
import type { CheckpointId } from '../contracts/snapshots.ts';
import { countsAsFailure, failureText, type FailureReason } from './checkpoint-failure.ts';
import {
  recordFinished,
  statisticsOfAcks,
  type CheckpointStatistics,
} from './checkpoint-history.ts';
import { tooManyFailuresError } from './errors.ts';
import type {
  CoordinatorAction,
  CoordinatorMode,
  CoordinatorState,
  CoordinatorTimers,
  Moment,
  PendingCheckpoint,
  TaskRef,
  TriggerRequest,
} from './coordinator-types.ts';
import { filesOfOperators } from './metadata.ts';
import { stepPhase } from './pending-checkpoint.ts';
import type { OperatorSnapshot } from '../contracts/snapshots.ts';

/** One step in the making. The state in it is replaced, never changed. */
export interface Draft {
  state: CoordinatorState;
  readonly actions: CoordinatorAction[];
  readonly at: Moment;
}

/** Ids of aborted checkpoints of which late answers are still recognised. */
const RECENTLY_ABORTED_MAX = 64;
/** How soon the last checkpoint of a bounded job is tried again. */
const END_RETRY_MS = 1000;

export function update(draft: Draft, change: Partial<CoordinatorState>): void {
  draft.state = { ...draft.state, ...change };
}

export function setTimers(draft: Draft, timers: Partial<CoordinatorTimers>): void {
  update(draft, { timers: { ...draft.state.timers, ...timers } });
}

export function setMode(draft: Draft, mode: CoordinatorMode): void {
  update(draft, { mode });
}

export function setPending(draft: Draft, pending: PendingCheckpoint): void {
  update(draft, {
    pending: new Map([...draft.state.pending, [pending.checkpointId, pending]]),
  });
}

export function removePending(draft: Draft, checkpointId: CheckpointId): void {
  const pending = new Map(draft.state.pending);
  pending.delete(checkpointId);
  update(draft, { pending });
}

export function taskKey(task: { readonly vertex: string; readonly subtask: number }): string {
  return `${task.subtask}@${task.vertex}`;
}

export function requestIdOf(request: TriggerRequest): string | undefined {
  return request.kind === 'periodic' || request.kind === 'end' ? undefined : request.requestId;
}

/** Whether failures restore it: every kind but an intermediate savepoint. */
export function becomesLatest(pending: PendingCheckpoint): boolean {
  return pending.request.kind !== 'savepoint';
}

/** The periodic timer from now on: the next start is one interval away. */
export function startPeriod(draft: Draft, delayMs = periodMs(draft.state)): void {
  const { intervalMs } = draft.state.settings;
  const periodicMs = intervalMs > 0 ? draft.at.monotonicMs + delayMs : Infinity;
  setTimers(draft, { periodicMs });
}

/** To start more often than the pause allows makes no sense. */
export function periodMs(state: CoordinatorState): number {
  return Math.max(state.settings.intervalMs, state.settings.minPauseMs);
}

export function replyFailed(
  draft: Draft,
  request: TriggerRequest,
  reason: FailureReason,
  message = failureText(reason),
): void {
  const requestId = requestIdOf(request);
  if (requestId === undefined) return;
  draft.actions.push({
    kind: 'reply',
    requestId,
    outcome: { kind: 'failed', reason, message },
  });
}

/** Aborts it, unless only the store can still say how it ends. */
export function abortPending(
  draft: Draft,
  pending: PendingCheckpoint,
  reason: FailureReason,
  message = failureText(reason),
): void {
  const phase = stepPhase(pending.phase, { kind: 'abort', reason });
  if (phase.kind === 'aborted') failPending(draft, pending, reason, message);
}

/** It will never be complete: tells everybody, and cleans up. In doubt: only tells who asked for it. */
export function failPending(
  draft: Draft,
  pending: PendingCheckpoint,
  reason: FailureReason,
  message: string,
): void {
  const { checkpointId, request, location, phase } = pending;
  removePending(draft, checkpointId);
  const inDoubt = reason === 'in-doubt';
  const { recentlyAborted } = draft.state;
  const failure = { reason, message, atMs: draft.at.wallMs };
  const durationMs = draft.at.monotonicMs - pending.triggered.monotonicMs;
  update(draft, {
    ...(inDoubt
      ? { inDoubt: new Set([...draft.state.inDoubt, checkpointId]) }
      : { recentlyAborted: [...recentlyAborted, checkpointId].slice(-RECENTLY_ABORTED_MAX) }),
    history: recordFinished(draft.state.history, {
      ...statisticsOf(pending),
      status: 'failed',
      durationMs,
      failure,
    }),
  });
  if (phase.kind !== 'coordinator-state' && !inDoubt) {
    draft.actions.push({ kind: 'notify-aborted', checkpointId, to: runningTasks(draft.state) });
  }
  // Once fenced, the folder is the other one's: it sweeps. What HEAD may name has to stay.
  if (reason !== 'fenced' && !inDoubt) {
    const operators = [...pending.acks.values()].flatMap(({ ack }) => ack.operators);
    const files = newFilesOf(operators, checkpointId);
    const savepoint = pending.snapshot === 'savepoint' ? location : undefined;
    draft.actions.push({ kind: 'discard', checkpointId, savepoint, files });
  }
  replyFailed(draft, request, reason, message);
  afterFailure(draft, request, message, countsAsFailure(reason, pending.snapshot));
}

/**
 * What a failed attempt means for the job, also of one that got no id.
 *
 * @param counts Whether it counts towards the tolerable ones.
 */
export function afterFailure(
  draft: Draft,
  request: TriggerRequest,
  message: string,
  counts: boolean,
): void {
  const { mode, settings } = draft.state;
  if (request.kind === 'stop' && mode.kind === 'stopping') {
    setMode(draft, { kind: 'running' });
    startPeriod(draft);
    draft.actions.push({ kind: 'stop-failed', message });
  }
  if (request.kind === 'end' && mode.kind === 'ending') {
    setTimers(draft, { endMs: draft.at.monotonicMs + END_RETRY_MS });
  }
  if (!counts) return;
  const consecutiveFailures = draft.state.consecutiveFailures + 1;
  update(draft, { consecutiveFailures });
  if (consecutiveFailures <= settings.tolerableFailures) return;
  update(draft, { consecutiveFailures: 0 });
  draft.actions.push({
    kind: 'fail-job',
    error: tooManyFailuresError(consecutiveFailures, settings.tolerableFailures, message),
    restartable: true,
  });
}

/** Blobs written for this checkpoint and no other. */
export function newFilesOf(
  operators: readonly OperatorSnapshot[],
  checkpointId: CheckpointId,
): string[] {
  return operators.flatMap(({ keyed, operator }) =>
    [
      ...keyed.filter((run) => run.checkpointId === checkpointId).map(({ blob }) => blob),
      ...(operator === undefined ? [] : [operator]),
    ].flatMap((blob) => (blob.kind === 'blob' ? [blob.path] : [])),
  );
}

/**
 * Files that a snapshot must not refer to: those of older checkpoints that may be gone, and for a
 * savepoint all that it does not hold itself.
 */
export function strayFilesOf(
  operators: readonly OperatorSnapshot[],
  { checkpointId, snapshot, bases, location }: PendingCheckpoint,
): string[] {
  if (snapshot === 'savepoint') {
    const folder = `${location?.folder ?? ''}/`;
    return filesOfOperators(operators).filter((path) => !path.startsWith(folder));
  }
  return operators
    .flatMap(({ keyed }) => keyed.filter((run) => run.checkpointId !== checkpointId))
    .flatMap(({ blob }) => (blob.kind === 'blob' ? [blob.path] : []))
    .filter((path) => !bases.some(({ files }) => files.has(path)));
}

export function runningTasks(state: CoordinatorState): readonly TaskRef[] {
  return [...state.tasks.values()];
}

/** How a checkpoint stands, as far as the coordinator knows. */
export function statisticsOf(pending: PendingCheckpoint): CheckpointStatistics {
  const { checkpointId, snapshot, request, triggered, tasks, stored } = pending;
  return {
    checkpointId,
    snapshot,
    stop: request.kind === 'stop',
    status: 'in-progress',
    triggerMs: triggered.wallMs,
    subtasks: tasks.size,
    failure: undefined,
    url: stored?.url,
    discarded: false,
    ...statisticsOfAcks(pending.acks.values()),
  };
}

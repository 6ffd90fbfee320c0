/** When which request becomes a checkpoint. Source: Flink's `CheckpointRequestDecider`. */
import type { CoordinatorEventBody, TaskRef } from './coordinator-types.ts';
import type {
  CoordinatorState,
  PendingCheckpoint,
  TriggerRequest,
  UserRequest,
} from './coordinator-types.ts';
import {
  abortPending,
  replyFailed,
  runningTasks,
  setMode,
  setPending,
  setTimers,
  startPeriod,
  taskKey,
  update,
  type Draft,
} from './coordinator-draft.ts';
import type { SnapshotKind, StopMode } from '../contracts/snapshots.ts';
import { jobPaths } from './checkpoint-layout.ts';
import { stepPhase } from './pending-checkpoint.ts';

/** Requests that wait for a free place. Flink's number. */
const QUEUE_MAX = 1000;

const RANK: Readonly<Record<TriggerRequest['kind'], number>> = {
  stop: 0,
  end: 1,
  savepoint: 2,
  checkpoint: 3,
  periodic: 4,
};

/** A user's request: queued, or refused at once. */
export function request(draft: Draft, wanted: UserRequest): void {
  const { mode } = draft.state;
  switch (mode.kind) {
    case 'running':
      if (wanted.kind === 'stop') beginStop(draft, wanted);
      else enqueue(draft, wanted);
      return;
    case 'ending':
      if (wanted.kind === 'stop') replyFailed(draft, wanted, 'not-running');
      else enqueue(draft, wanted);
      return;
    case 'stopping':
      replyFailed(draft, wanted, 'stopping');
      return;
    case 'finishing':
      // Without a request it comes to its end by itself.
      replyFailed(draft, wanted, mode.requestId === undefined ? 'not-running' : 'stopping');
      return;
    case 'idle':
    case 'quiescing':
    case 'restoring':
    case 'ended':
      replyFailed(draft, wanted, 'not-running');
      return;
    case 'closed':
      replyFailed(draft, wanted, 'closed');
      return;
  }
}

/** Nothing may come between the savepoint and the end: all else is aborted, as in Flink. */
function beginStop(draft: Draft, wanted: Extract<UserRequest, { kind: 'stop' }>): void {
  const { drain, requestId } = wanted;
  abortAll(draft, 'stopping');
  setTimers(draft, { periodicMs: Infinity });
  setMode(draft, { kind: 'stopping', requestId, draining: drain ? wanted : undefined });
  draft.actions.push({ kind: 'stopping', drain });
  if (!drain) enqueue(draft, wanted);
}

/** Refuses the stop that waits for the end of all input. */
export function refuseDraining(draft: Draft, reason: AbortReason): void {
  const { mode } = draft.state;
  if (mode.kind !== 'stopping' || mode.draining === undefined) return;
  replyFailed(draft, mode.draining, reason);
  setMode(draft, { ...mode, draining: undefined });
}

type AbortReason = 'stopping' | 'suspended' | 'task-failed' | 'closed';

/** Aborts what can be aborted, and refuses what waits. */
export function abortAll(draft: Draft, reason: AbortReason): void {
  for (const waiting of draft.state.queue) replyFailed(draft, waiting, reason);
  update(draft, { queue: [] });
  for (const pending of draft.state.pending.values()) abortPending(draft, pending, reason);
}

export function enqueue(draft: Draft, wanted: TriggerRequest): void {
  const { queue } = draft.state;
  if (wanted.kind === 'periodic' && queue.some(({ kind }) => kind === 'periodic')) return;
  if (wanted.kind !== 'periodic' && wanted.kind !== 'end' && queue.length >= QUEUE_MAX) {
    replyFailed(draft, wanted, 'too-many-requests');
    return;
  }
  // `sort` is stable: within a rank the first come stays first.
  update(draft, { queue: [...queue, wanted].sort((a, b) => RANK[a.kind] - RANK[b.kind]) });
}

/** Starts what may start now. */
export function startNext(draft: Draft): void {
  for (;;) {
    const next = chooseRequest(draft);
    if (next === undefined) return;
    const { nextId, idsThrough, reserving } = draft.state;
    if (nextId > idsThrough) {
      if (reserving === 'asked') return;
      update(draft, { reserving: 'asked' });
      draft.actions.push({ kind: 'reserve-ids', idsUsedThrough: nextId - 1 });
      return;
    }
    update(draft, { queue: draft.state.queue.slice(1) });
    start(draft, next);
  }
}

function chooseRequest(draft: Draft): TriggerRequest | undefined {
  const { mode, pending, queue, settings } = draft.state;
  const [first] = queue;
  if (first === undefined) return undefined;
  if (mode.kind !== 'running' && mode.kind !== 'ending' && mode.kind !== 'stopping') {
    return undefined;
  }
  for (const { phase } of pending.values()) {
    if (phase.kind === 'coordinator-state') return undefined;
  }
  if (pending.size >= settings.maxConcurrent && !isForced(draft.state, first)) return undefined;
  if (first.kind !== 'periodic') return first;
  const pauseMs = pauseLeftMs(draft);
  if (pauseMs <= 0) return first;
  update(draft, { queue: queue.slice(1) });
  startPeriod(draft, pauseMs);
  return undefined;
}

function isForced(state: CoordinatorState, wanted: TriggerRequest): boolean {
  switch (wanted.kind) {
    case 'stop':
    case 'end':
      return true;
    case 'savepoint':
      return !state.settings.unaligned;
    case 'checkpoint':
    case 'periodic':
      return false;
  }
}

function pauseLeftMs(draft: Draft): number {
  const { lastCompletionMs, settings } = draft.state;
  if (lastCompletionMs === undefined) return 0;
  return lastCompletionMs + settings.minPauseMs - draft.at.monotonicMs;
}

const SNAPSHOT_OF: Readonly<Record<TriggerRequest['kind'], SnapshotKind>> = {
  periodic: 'checkpoint',
  checkpoint: 'checkpoint',
  savepoint: 'savepoint',
  stop: 'savepoint',
  end: 'end',
};

function start(draft: Draft, wanted: TriggerRequest): void {
  const { nextId: checkpointId, forceFull, latest, previous } = draft.state;
  const snapshot = SNAPSHOT_OF[wanted.kind];
  const asked = wanted.kind === 'checkpoint' && wanted.full;
  update(draft, { nextId: checkpointId + 1 });
  setPending(draft, {
    checkpointId,
    request: wanted,
    snapshot,
    phase: { kind: 'coordinator-state' },
    triggered: draft.at,
    full: forceFull || asked || snapshot === 'savepoint',
    bases: [latest, previous].filter((base) => base !== undefined),
    coordinators: {},
    location: undefined,
    tasks: new Map(),
    acks: new Map(),
    stored: undefined,
    metadata: undefined,
    moving: undefined,
  });
  const savepointDirectory = 'directory' in wanted ? wanted.directory : undefined;
  draft.actions.push({
    kind: 'take-coordinator-state',
    checkpointId,
    snapshot,
    savepointDirectory,
  });
}

/** The coordinators' state is taken: the barriers go out. */
export function sendBarriers(
  draft: Draft,
  pending: PendingCheckpoint,
  event: Extract<CoordinatorEventBody, { kind: 'coordinator-state-taken' }>,
): void {
  const { state, at } = draft;
  const { checkpointId, snapshot: kind, full, request: wanted } = pending;
  const location = event.location ?? {
    storeUrl: undefined,
    folder: jobPaths(state.identity.jobId).checkpoint(checkpointId),
  };
  const awaiting = new Set(state.tasks.keys());
  setPending(draft, {
    ...pending,
    phase: stepPhase(pending.phase, { kind: 'taken', awaiting }),
    coordinators: event.coordinators,
    location,
    tasks: state.tasks,
  });
  draft.actions.push({
    kind: 'send-barriers',
    barrier: { checkpointId, kind, full, timestampMs: at.wallMs, ...stopOf(wanted) },
    to: runningTasks(state).filter((task) => isRoot(state, task)),
    location,
  });
}

/** For barriers and metadata: how the job stops with it. */
export function stopOf(wanted: TriggerRequest): { readonly stop?: StopMode } {
  return wanted.kind === 'stop' ? { stop: wanted.drain ? 'drain' : 'suspend' } : {};
}

/** No running task sends it a barrier. */
function isRoot(state: CoordinatorState, task: TaskRef): boolean {
  const inputs = state.vertices.get(task.vertex)?.inputs ?? [];
  return !inputs.some(({ vertex, pointwise }) => {
    if (pointwise) return state.tasks.has(taskKey({ vertex, subtask: task.subtask }));
    return runningTasks(state).some((other) => other.vertex === vertex);
  });
}

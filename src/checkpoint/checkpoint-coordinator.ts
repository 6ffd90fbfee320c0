/**
 * Decides when checkpoints are taken, when they are complete, and what is committed then: Flink's
 * `CheckpointCoordinator` as a pure state machine. The caller keeps the state, tells it what
 * happened, and performs the actions in their order; see `CoordinatorMode` for the drawing.
 *
 * Always holds: a checkpoint is complete only after HEAD was moved to it; output is committed only
 * after its checkpoint is complete; nothing is removed that HEAD may name; ids grow and are never used
 * twice; one checkpoint is sealed at a time; every request that was made is answered once.
 */
import { assert } from '../common/assert.ts';
import type { CheckpointId } from '../contracts/snapshots.ts';
import { failureText } from './checkpoint-failure.ts';
import { emptyHistory, recordRestored, type CheckpointStatistics } from './checkpoint-history.ts';
import {
  acknowledge,
  commitNext,
  isCommitDue,
  complete,
  decline,
  fenced,
  giveUpOnHead,
  headFailed,
  hurryHead,
  metadataFailed,
  metadataStored,
  leaveLast,
  retryHead,
  sealNext,
  settle,
} from './coordinator-completion.ts';
import {
  abortPending,
  afterFailure,
  periodMs,
  replyFailed,
  setMode,
  setTimers,
  startPeriod,
  statisticsOf,
  taskKey,
  update,
  type Draft,
} from './coordinator-draft.ts';
import {
  abortAll,
  enqueue,
  refuseDraining,
  request,
  sendBarriers,
  startNext,
} from './coordinator-trigger.ts';
import type {
  CoordinatorEvent,
  CoordinatorEventBody,
  CoordinatorMode,
  CoordinatorSettings,
  CoordinatorState,
  CoordinatorStep,
  TaskRef,
} from './coordinator-types.ts';
import type { SnapshotIdentity } from './metadata.ts';
import { countsAsFailure } from './checkpoint-failure.ts';
import type { SweepScope } from './garbage-collection.ts';
import { isSealing } from './pending-checkpoint.ts';
import { isAllCommitted, NO_COMMITS, restoreCommits } from './pending-commits.ts';

export interface CoordinatorOptions {
  readonly settings: CoordinatorSettings;
  readonly identity: SnapshotIdentity;
  /** From the leadership: ids below it have been used, ids up to `idsThrough` are ours. */
  readonly firstId: CheckpointId;
  readonly idsThrough: CheckpointId;
}

/** The coordinator of a job that has no tasks yet. Tell it `restored` next, with nothing or something. */
export function initialCoordinator(options: CoordinatorOptions): CoordinatorState {
  const { settings, identity, firstId, idsThrough } = options;
  return {
    settings,
    identity,
    mode: { kind: 'idle' },
    attempt: 0,
    vertices: new Map(),
    tasks: new Map(),
    nextId: firstId,
    idsThrough,
    reserving: 'no',
    pending: new Map(),
    queue: [],
    forceFull: false,
    latest: undefined,
    previous: undefined,
    recentlyAborted: [],
    inDoubt: new Set(),
    commits: NO_COMMITS,
    commitRetries: 0,
    consecutiveFailures: 0,
    lastCompletionMs: undefined,
    timers: {
      periodicMs: Infinity,
      endMs: Infinity,
      commitMs: Infinity,
      headMs: Infinity,
      headLimitMs: Infinity,
      wakeMs: Infinity,
    },
    history: emptyHistory(settings.historySize),
  };
}

/** The state after `event`, and what must be done. Pure. */
export function stepCoordinator(state: CoordinatorState, event: CoordinatorEvent): CoordinatorStep {
  const draft: Draft = { state, actions: [], at: event.at };
  handle(draft, event);
  startNext(draft);
  sealNext(draft);
  commitNext(draft);
  moveOn(draft);
  scheduleWake(draft);
  return { state: draft.state, actions: draft.actions };
}

export function sweepScope(state: CoordinatorState): SweepScope {
  const checkpoints = [
    state.latest,
    state.previous,
    ...[...state.pending.values()].flatMap(({ bases }) => bases),
  ];
  return {
    pendingIds: new Set([...state.pending.keys(), ...state.inDoubt]),
    nextId: state.nextId,
    files: new Set(checkpoints.flatMap((checkpoint) => [...(checkpoint?.files ?? [])])),
  };
}

/** All that the history shows, those under way too; newest first. */
export function checkpointStatistics(state: CoordinatorState): readonly CheckpointStatistics[] {
  const pending = [...state.pending.values()].map(statisticsOf);
  return [...state.history.finished, ...pending].sort((a, b) => b.checkpointId - a.checkpointId);
}

type Event<Kind extends CoordinatorEventBody['kind']> = Extract<
  CoordinatorEventBody,
  { kind: Kind }
>;

const HANDLERS: {
  readonly [Kind in CoordinatorEventBody['kind']]: (draft: Draft, event: Event<Kind>) => void;
} = {
  tick,
  trigger: (draft, { request: wanted }) => request(draft, wanted),
  'coordinator-state-taken': coordinatorStateTaken,
  'trigger-failed': triggerFailed,
  ack: (draft, { ack }) => acknowledge(draft, ack),
  decline,
  'metadata-stored': metadataStored,
  'metadata-failed': metadataFailed,
  'head-moved': complete,
  'head-failed': headFailed,
  'commit-results': (draft, { results }) => settle(draft, results, 'it answered retry'),
  'commit-failed': (draft, { message }) => settle(draft, undefined, message),
  'ids-reserved': idsReserved,
  'ids-not-reserved': idsNotReserved,
  'tasks-running': tasksRunning,
  'task-finished': taskFinished,
  'inputs-ended': inputsEnded,
  suspend,
  restored,
  close,
};

function handle<Kind extends CoordinatorEventBody['kind']>(draft: Draft, event: Event<Kind>): void {
  const handler = HANDLERS[event.kind] as (draft: Draft, event: Event<Kind>) => void;
  handler(draft, event);
}

function tick(draft: Draft): void {
  const { state, at } = draft;
  const nowMs = at.monotonicMs;
  const { periodicMs, endMs, headMs, headLimitMs } = state.timers;
  if (nowMs >= periodicMs) {
    // Fixed rate; starts that were slept through are not made up for.
    const nextMs = periodicMs + periodMs(state);
    setTimers(draft, { periodicMs: nextMs > nowMs ? nextMs : nowMs + periodMs(state) });
    enqueue(draft, { kind: 'periodic' });
  }
  if (nowMs >= endMs) {
    setTimers(draft, { endMs: Infinity });
    if (state.mode.kind === 'ending') enqueue(draft, { kind: 'end' });
  }
  if (nowMs >= headLimitMs) giveUpOnHead(draft);
  else if (nowMs >= headMs) retryHead(draft);
  for (const pending of draft.state.pending.values()) {
    const ageMs = nowMs - pending.triggered.monotonicMs;
    if (ageMs >= state.settings.timeoutMs) abortPending(draft, pending, 'expired');
  }
}

function coordinatorStateTaken(draft: Draft, event: Event<'coordinator-state-taken'>): void {
  const { checkpointId, location } = event;
  const pending = draft.state.pending.get(checkpointId);
  if (pending !== undefined) {
    sendBarriers(draft, pending, event);
    return;
  }
  // Aborted meanwhile: the savepoint's folder was opened for nothing.
  if (location === undefined) return;
  draft.actions.push({ kind: 'discard', checkpointId, savepoint: location, files: [] });
}

function triggerFailed(draft: Draft, event: Event<'trigger-failed'>): void {
  const pending = draft.state.pending.get(event.checkpointId);
  if (pending === undefined) return;
  const message = `${failureText('trigger-failed')} ${event.message}`;
  abortPending(draft, pending, 'trigger-failed', message);
}

function idsReserved(draft: Draft, event: Event<'ids-reserved'>): void {
  const idsThrough = Math.max(draft.state.idsThrough, event.idsThrough);
  update(draft, { reserving: 'no', idsThrough });
}

function idsNotReserved(draft: Draft, event: Event<'ids-not-reserved'>): void {
  update(draft, { reserving: 'no' });
  const [first, ...queue] = draft.state.queue;
  if (event.outcome === 'fenced') {
    if (draft.state.mode.kind !== 'closed') fenced(draft);
    return;
  }
  if (first === undefined) return;
  update(draft, { queue });
  const message = `${failureText('trigger-failed')} ${event.message}`;
  replyFailed(draft, first, 'trigger-failed', message);
  const isSavepoint = first.kind === 'savepoint' || first.kind === 'stop';
  const counts = countsAsFailure('trigger-failed', isSavepoint ? 'savepoint' : 'checkpoint');
  afterFailure(draft, first, message, counts);
}

function tasksRunning(draft: Draft, event: Event<'tasks-running'>): void {
  const { mode } = draft.state;
  if (mode.kind === 'quiescing' || mode.kind === 'closed') return;
  assert(
    mode.kind === 'restoring' && mode.commits === 'done',
    `tasks run while the coordinator is ${mode.kind}`,
  );
  update(draft, {
    vertices: new Map(event.vertices.map((vertex) => [vertex.id, vertex])),
    tasks: new Map(event.tasks.map((task) => [taskKey(task), task])),
  });
  setMode(draft, { kind: 'running' });
  startPeriod(draft);
}

function taskFinished(draft: Draft, event: Event<'task-finished'>): void {
  const key = taskKey(event);
  if (draft.state.tasks.get(key)?.attempt !== event.attempt) return;
  const tasks = new Map(draft.state.tasks);
  tasks.delete(key);
  update(draft, { tasks });
  for (const pending of draft.state.pending.values()) {
    const { phase } = pending;
    if (phase.kind === 'collecting' && phase.awaiting.has(key)) {
      abortPending(draft, pending, 'task-finished');
    }
  }
}

function inputsEnded(draft: Draft): void {
  const { mode } = draft.state;
  if (mode.kind === 'stopping' && mode.draining !== undefined) {
    setMode(draft, { ...mode, draining: undefined });
    enqueue(draft, mode.draining);
    return;
  }
  if (mode.kind !== 'running') return;
  setMode(draft, { kind: 'ending' });
  setTimers(draft, { periodicMs: Infinity });
  update(draft, { queue: draft.state.queue.filter(({ kind }) => kind !== 'periodic') });
  enqueue(draft, { kind: 'end' });
}

function suspend(draft: Draft, { reason, vertices }: Event<'suspend'>): void {
  const { mode } = draft.state;
  if (mode.kind === 'closed') {
    // Nothing is restored any more; whoever waits for it, to end, need not.
    draft.actions.push({ kind: 'quiesced', latest: draft.state.latest });
    return;
  }
  const gone = vertices && new Set(vertices);
  const stays = ([, { vertex }]: [string, TaskRef]): boolean => gone?.has(vertex) === false;
  const tasks = new Map([...draft.state.tasks].filter(stays));
  if (mode.kind === 'quiescing') {
    update(draft, { tasks });
    return;
  }
  refuseDraining(draft, reason);
  abortAll(draft, reason);
  leaveLast(draft);
  setMode(draft, { kind: 'quiescing' });
  setTimers(draft, { periodicMs: Infinity, endMs: Infinity, commitMs: Infinity });
  hurryHead(draft);
  update(draft, { tasks });
}

/** Also for a job that ends otherwise: `suspend` first and wait, to end with everything settled. */
function close(draft: Draft): void {
  const { mode } = draft.state;
  if (mode.kind === 'closed') return;
  setTimers(draft, { periodicMs: Infinity, endMs: Infinity, commitMs: Infinity });
  refuseDraining(draft, 'closed');
  if (mode.kind === 'ended') replyStopped(draft, mode);
  else leaveLast(draft);
  setMode(draft, { kind: 'closed' });
  hurryHead(draft);
  abortAll(draft, 'closed');
}

function replyStopped(draft: Draft, mode: Extract<CoordinatorMode, { kind: 'ended' }>): void {
  const { requestId, checkpointId, url } = mode;
  if (requestId === undefined) return;
  const outcome = { kind: 'completed' as const, checkpointId, url };
  draft.actions.push({ kind: 'reply', requestId, outcome });
}

/** Whoever sends it has read HEAD since `quiesced`: what was in doubt is restored now, or was nothing. */
function restored(draft: Draft, event: Event<'restored'>): void {
  const { state } = draft;
  if (state.mode.kind === 'closed') return;
  assert(state.mode.kind === 'idle', `restored while the coordinator is ${state.mode.kind}`);
  setMode(draft, { kind: 'restoring', commits: 'pending' });
  setTimers(draft, { commitMs: draft.at.monotonicMs });
  update(draft, { attempt: event.attempt, commitRetries: 0, inDoubt: new Set() });
  const { from } = event;
  if (from === undefined) {
    update(draft, { latest: undefined, previous: undefined, commits: NO_COMMITS });
    return;
  }
  const { checkpoint, committables, full } = from;
  const { checkpointId, kind: snapshot, url } = checkpoint;
  // What is known to be committed since then need not be looked up again.
  const isOwn = state.latest?.checkpointId === checkpointId;
  update(draft, {
    latest: checkpoint,
    previous: isOwn ? state.previous : undefined,
    nextId: Math.max(state.nextId, checkpointId + 1),
    forceFull: full,
    commits: isOwn ? state.commits : restoreCommits(checkpointId, committables),
    history: recordRestored(state.history, {
      checkpointId,
      restoreMs: draft.at.wallMs,
      snapshot,
      url,
    }),
  });
}

/** Transitions that wait for something else to be over. */
function moveOn(draft: Draft): void {
  const { mode, pending, commits, latest } = draft.state;
  const committed = isAllCommitted(commits);
  switch (mode.kind) {
    case 'quiescing': {
      const sealing = [...pending.values()].some(({ phase }) => isSealing(phase));
      if (sealing || commits.committing !== undefined) return;
      setMode(draft, { kind: 'idle' });
      draft.actions.push({ kind: 'quiesced', latest });
      return;
    }
    case 'restoring':
      if (mode.commits === 'done' || !committed) return;
      setMode(draft, { kind: 'restoring', commits: 'done' });
      draft.actions.push({ kind: 'restored-committed' });
      return;
    case 'finishing': {
      if (!committed) return;
      const { checkpointId, url, requestId } = mode;
      setMode(draft, { ...mode, kind: 'ended' });
      const stopped = requestId !== undefined;
      draft.actions.push({ kind: 'ended', checkpointId, url, stopped });
      return;
    }
    case 'idle':
    case 'running':
    case 'ending':
    case 'stopping':
    case 'ended':
    case 'closed':
      return;
  }
}

function scheduleWake(draft: Draft): void {
  const { timers, pending, settings } = draft.state;
  const expiriesMs = [...pending.values()]
    .filter(({ phase }) => !isSealing(phase))
    .map(({ triggered }) => triggered.monotonicMs + settings.timeoutMs);
  const wakeMs = Math.min(
    timers.periodicMs,
    timers.endMs,
    timers.headMs,
    timers.headLimitMs,
    isCommitDue(draft.state) ? timers.commitMs : Infinity,
    ...expiriesMs,
  );
  if (wakeMs === timers.wakeMs) return;
  setTimers(draft, { wakeMs });
  draft.actions.push({ kind: 'wake-at', monotonicMs: wakeMs });
}

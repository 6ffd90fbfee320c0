/** From the last ack to the commit of its output. */
import { assert } from '../common/assert.ts';
import type {
  CheckpointId,
  OperatorSnapshot,
  TaskAcknowledgement,
} from '../contracts/snapshots.ts';
import { failureText } from './checkpoint-failure.ts';
import { recordDiscarded, recordFinished } from './checkpoint-history.ts';
import {
  abortPending,
  becomesLatest,
  failPending,
  newFilesOf,
  removePending,
  requestIdOf,
  runningTasks,
  setMode,
  setPending,
  setTimers,
  strayFilesOf,
  statisticsOf,
  taskKey,
  update,
  type Draft,
} from './coordinator-draft.ts';
import type {
  CompletedCheckpoint,
  CoordinatorEventBody,
  CoordinatorState,
  PendingCheckpoint,
} from './coordinator-types.ts';
import { abortAll, refuseDraining, stopOf } from './coordinator-trigger.ts';
import { commitStuckError, fencedError, headInDoubtError, lostOutputError } from './errors.ts';
import { jobPaths } from './checkpoint-layout.ts';
import { filesOfOperators, type SnapshotMetadata } from './metadata.ts';
import {
  committablesOf,
  nextBatch,
  settleBatch,
  takeOver,
  type PendingCommittable,
} from './pending-commits.ts';
import { isSealing, stepPhase } from './pending-checkpoint.ts';
import type { CommitResult } from '../contracts/sink.ts';

/** How soon an unanswered HEAD move is asked again. */
const HEAD_RETRY_MS = 1000;
/** How long a restart or the job's end waits for it: a user who cancels should not have to kill. */
const HEAD_LIMIT_MS_LEAVING = 10_000;
const COMMIT_RETRY_MS = 1000;
const COMMIT_RETRY_MS_MAX = 60_000;
/** With the backoff: about a quarter of an hour. */
const COMMIT_BATCHES_MAX = 20;

const HEAD_AT_REST = { headMs: Infinity, headLimitMs: Infinity } as const;

type Event<Kind extends CoordinatorEventBody['kind']> = Extract<
  CoordinatorEventBody,
  { kind: Kind }
>;

export function acknowledge(draft: Draft, ack: TaskAcknowledgement): void {
  const { checkpointId, operators } = ack;
  const pending = draft.state.pending.get(checkpointId);
  if (pending === undefined) {
    discardLate(draft, ack);
    return;
  }
  const task = taskKey(ack);
  const expected = pending.tasks.get(task);
  // A task of an attempt that is no more; the sweep knows its files by their names.
  if (expected?.attempt !== ack.attempt || pending.acks.has(task)) return;
  const [stray] = strayFilesOf(operators, pending);
  if (stray !== undefined) {
    const message = `${failureText('declined')} Subtask ${task} refers to a file that may be gone: ${stray}`;
    abortPending(draft, withAck(draft, pending, ack), 'declined', message);
    return;
  }
  const phase = stepPhase(pending.phase, { kind: 'ack', task });
  setPending(draft, { ...withAck(draft, pending, ack), phase });
}

function withAck(
  draft: Draft,
  pending: PendingCheckpoint,
  ack: TaskAcknowledgement,
): PendingCheckpoint {
  const durationMs = draft.at.monotonicMs - pending.triggered.monotonicMs;
  const record = { ack, atMs: draft.at.wallMs, durationMs };
  return { ...pending, acks: new Map([...pending.acks, [taskKey(ack), record]]) };
}

/** An ack of an aborted checkpoint says which files may go. Of a complete one it must say nothing. */
function discardLate(draft: Draft, ack: TaskAcknowledgement): void {
  const { checkpointId, operators } = ack;
  if (!draft.state.recentlyAborted.includes(checkpointId)) return;
  const files = newFilesOf(operators, checkpointId);
  if (files.length === 0) return;
  draft.actions.push({ kind: 'discard', checkpointId, savepoint: undefined, files });
}

export function decline(draft: Draft, event: Event<'decline'>): void {
  const { checkpointId, reason, vertex, subtask, message } = event;
  const pending = draft.state.pending.get(checkpointId);
  const task = pending?.tasks.get(taskKey(event));
  if (pending === undefined || task?.attempt !== event.attempt) return;
  const text = `${failureText(reason)} ${vertex} (${subtask + 1}): ${message}`;
  abortPending(draft, pending, reason, text);
}

/** Seals one at a time, in the order of ids, so that HEAD never goes back. */
export function sealNext(draft: Draft): void {
  const all = [...draft.state.pending.values()];
  if (all.some(({ phase }) => isSealing(phase))) return;
  const pending = all.find(({ phase }) => phase.kind === 'ready');
  if (pending === undefined) return;
  const { checkpointId, location } = pending;
  assert(location !== undefined, `checkpoint ${checkpointId} has acks and no place`);
  const metadata = metadataOf(draft, pending);
  setPending(draft, { ...pending, phase: stepPhase(pending.phase, { kind: 'seal' }), metadata });
  draft.actions.push({ kind: 'store-metadata', checkpointId, location, metadata });
}

function metadataOf(draft: Draft, pending: PendingCheckpoint): SnapshotMetadata {
  const { state, at } = draft;
  const { request, snapshot: kind, checkpointId, triggered, coordinators } = pending;
  const operators = operatorsOf(state, pending);
  const unfinished = new Set(operators.flatMap(({ uid, finished }) => (finished ? [] : [uid])));
  const vertices = [...state.vertices.values()];
  const uids = vertices.flatMap((vertex) => vertex.operators);
  const { writtenBytes, stateBytes } = statisticsOf(pending);
  return {
    ...state.identity,
    ...('notes' in request ? request.notes : {}),
    ...stopOf(request),
    checkpointId,
    kind,
    attempt: state.attempt,
    triggerMs: triggered.wallMs,
    completedMs: at.wallMs,
    parallelism: Object.fromEntries(
      vertices.flatMap((vertex) => vertex.operators.map((uid) => [uid, vertex.parallelism])),
    ),
    operators,
    coordinators,
    committables: committablesOf(state.commits, checkpointId, acknowledgedOf(state, pending)),
    finishedOperators: uids.filter((uid) => !unfinished.has(uid)),
    writtenBytes,
    stateBytes,
  };
}

/** What the tasks reported, and of each that had finished before a flag. */
function operatorsOf(state: CoordinatorState, pending: PendingCheckpoint): OperatorSnapshot[] {
  return [...state.vertices.values()].flatMap((vertex) =>
    Array.from({ length: vertex.parallelism }, (_, subtask) => {
      const record = pending.acks.get(taskKey({ vertex: vertex.id, subtask }));
      return record === undefined
        ? vertex.operators.map((uid) => finishedSubtask(uid, subtask, vertex.parallelism))
        : record.ack.operators.map((operator) => ({ ...operator, committables: [] }));
    }).flat(),
  );
}

function finishedSubtask(uid: string, subtask: number, parallelism: number): OperatorSnapshot {
  return {
    uid,
    subtask,
    parallelism,
    keyed: [],
    operator: undefined,
    schemas: [],
    watermarkMs: Infinity,
    finished: true,
    committables: [],
  };
}

function acknowledgedOf(
  state: CoordinatorState,
  pending: PendingCheckpoint,
): readonly PendingCommittable[] {
  return [...pending.acks.values()].flatMap(({ ack }) =>
    ack.operators.flatMap(({ committables }) =>
      committables.map((one) => ({ ...one, attempt: `${state.identity.epoch}-${ack.attempt}` })),
    ),
  );
}

export function metadataStored(draft: Draft, event: Event<'metadata-stored'>): void {
  const pending = draft.state.pending.get(event.checkpointId);
  if (pending === undefined) return;
  const { url, metadataBytes, metadataCrc32 } = event;
  const stored = { url, metadataBytes, metadataCrc32 };
  const phase = stepPhase(pending.phase, { kind: 'metadata-stored' });
  const asked = { sinceMs: draft.at.monotonicMs, last: 'it did not answer' };
  const moving = { ...pending, phase, stored, moving: asked };
  setPending(draft, moving);
  setTimers(draft, { headLimitMs: draft.at.monotonicMs + draft.state.settings.timeoutMs });
  hurryHead(draft);
  askHead(draft, moving);
}

/** When nothing but HEAD keeps the job from going on or ending, it is not waited for as long. */
export function hurryHead(draft: Draft): void {
  const { mode, timers } = draft.state;
  if (mode.kind !== 'quiescing' && mode.kind !== 'closed') return;
  if (timers.headLimitMs === Infinity) return;
  const limitMs = draft.at.monotonicMs + HEAD_LIMIT_MS_LEAVING;
  setTimers(draft, { headLimitMs: Math.min(timers.headLimitMs, limitMs) });
}

export function metadataFailed(draft: Draft, event: Event<'metadata-failed'>): void {
  const pending = draft.state.pending.get(event.checkpointId);
  if (pending === undefined) return;
  stepPhase(pending.phase, { kind: 'metadata-failed' });
  failPending(draft, pending, 'store-failed', `${failureText('store-failed')} ${event.message}`);
}

function askHead(draft: Draft, pending: PendingCheckpoint): void {
  const { checkpointId, location, stored, metadata, snapshot } = pending;
  assert(
    location !== undefined && stored !== undefined && metadata !== undefined,
    `checkpoint ${checkpointId} moves HEAD without metadata`,
  );
  draft.actions.push({
    kind: 'move-head',
    checkpointId,
    snapshot,
    location,
    url: stored.url,
    metadataBytes: stored.metadataBytes,
    metadataCrc32: stored.metadataCrc32,
    completedMs: metadata.completedMs,
    becomesLatest: becomesLatest(pending),
    idsUsedThrough: draft.state.nextId - 1,
    numRetained: draft.state.settings.numRetained,
  });
}

/**
 * The store has not said for too long whether HEAD was moved. A job that still runs fails with it: the
 * next attempt begins with what HEAD says, and until then neither outcome is taken for granted.
 */
export function giveUpOnHead(draft: Draft): void {
  setTimers(draft, HEAD_AT_REST);
  for (const pending of draft.state.pending.values()) {
    const { checkpointId, moving, phase } = pending;
    if (phase.kind !== 'moving' || moving === undefined) continue;
    stepPhase(phase, { kind: 'give-up' });
    // HEAD never names an intermediate savepoint: only whether we led was asked.
    const reason = becomesLatest(pending) ? 'in-doubt' : 'store-failed';
    const { mode, identity } = draft.state;
    failPending(draft, pending, reason, `${failureText(reason)} ${moving.last}`);
    if (reason !== 'in-doubt' || mode.kind === 'quiescing' || mode.kind === 'closed') continue;
    const waitedMs = draft.at.monotonicMs - moving.sinceMs;
    const facts = { checkpointId, waitedMs, last: moving.last };
    const error = headInDoubtError(jobPaths(identity.jobId).head, facts);
    draft.actions.push({ kind: 'fail-job', error, restartable: true });
  }
}

/** Asks again where the store gave no answer. */
export function retryHead(draft: Draft): void {
  setTimers(draft, { headMs: Infinity });
  for (const pending of draft.state.pending.values()) {
    if (pending.phase.kind === 'moving') askHead(draft, pending);
  }
}

export function headFailed(draft: Draft, event: Event<'head-failed'>): void {
  const pending = draft.state.pending.get(event.checkpointId);
  if (pending === undefined) return;
  const { outcome, message } = event;
  const phase = stepPhase(pending.phase, { kind: 'head-failed', outcome });
  if (phase.kind !== 'aborted') {
    const { moving } = pending;
    setPending(draft, { ...pending, moving: moving && { ...moving, last: message } });
    setTimers(draft, { headMs: draft.at.monotonicMs + HEAD_RETRY_MS });
    return;
  }
  setTimers(draft, HEAD_AT_REST);
  failPending(draft, pending, phase.reason, `${failureText(phase.reason)} ${message}`);
  if (phase.reason === 'fenced') fenced(draft);
}

/** Another one leads: nothing of ours can become complete any more. */
export function fenced(draft: Draft): void {
  const { identity, mode, latest } = draft.state;
  const { jobId, epoch } = identity;
  if (mode.kind === 'quiescing') draft.actions.push({ kind: 'quiesced', latest });
  leaveLast(draft);
  refuseDraining(draft, 'closed');
  setMode(draft, { kind: 'closed' });
  hurryHead(draft);
  abortAll(draft, 'closed');
  draft.actions.push({
    kind: 'fail-job',
    error: fencedError(jobPaths(jobId).head, epoch, undefined),
    restartable: false,
  });
}

/** HEAD was moved to it: it is complete, whatever happens from here on. */
export function complete(draft: Draft, event: Event<'head-moved'>): void {
  const { checkpointId, idsThrough, dropped } = event;
  const pending = draft.state.pending.get(checkpointId);
  if (pending === undefined) return;
  stepPhase(pending.phase, { kind: 'head-moved' });
  removePending(draft, checkpointId);
  const stats = { ...statisticsOf(pending), status: 'completed' as const };
  const history = recordDiscarded(recordFinished(draft.state.history, stats), dropped);
  update(draft, {
    idsThrough: Math.max(draft.state.idsThrough, idsThrough),
    consecutiveFailures: 0,
    lastCompletionMs: draft.at.monotonicMs,
    history,
    inDoubt: new Set(),
  });
  setTimers(draft, HEAD_AT_REST);
  if (becomesLatest(pending)) becomeLatest(draft, pending);
  const url = pending.stored?.url ?? '';
  answer(draft, pending, checkpointId, url);
  if (dropped.length > 0) draft.actions.push({ kind: 'collect-garbage' });
}

function becomeLatest(draft: Draft, pending: PendingCheckpoint): void {
  const { state } = draft;
  const { checkpointId, snapshot, location, stored, metadata } = pending;
  assert(
    location !== undefined && stored !== undefined && metadata !== undefined,
    `checkpoint ${checkpointId} is complete without metadata`,
  );
  const latest: CompletedCheckpoint = {
    checkpointId,
    kind: snapshot,
    location,
    url: stored.url,
    files: new Set(filesOfOperators(metadata.operators)),
  };
  update(draft, {
    latest,
    previous: state.latest,
    forceFull: false,
    commits: takeOver(state.commits, checkpointId, acknowledgedOf(state, pending)),
  });
  // New output is there to be tried together with what an earlier batch left.
  setTimers(draft, { commitMs: draft.at.monotonicMs });
  for (const other of state.pending.values()) {
    // A task may hear of this one before the other's barrier reaches it, and build on it.
    setPending(draft, { ...other, bases: [...other.bases, latest] });
  }
  for (const older of draft.state.pending.values()) {
    const passed = older.checkpointId < checkpointId && older.snapshot !== 'savepoint';
    if (passed) abortPending(draft, older, 'subsumed');
  }
  draft.actions.push({ kind: 'notify-complete', checkpointId, to: runningTasks(draft.state) });
}

/** Tells the user, or begins the job's end. */
function answer(
  draft: Draft,
  pending: PendingCheckpoint,
  checkpointId: CheckpointId,
  url: string,
): void {
  const { mode } = draft.state;
  const requestId = requestIdOf(pending.request);
  const { kind } = pending.request;
  if (kind === 'stop' || kind === 'end') {
    if (mode.kind === 'stopping' || mode.kind === 'ending') {
      setMode(draft, { kind: 'finishing', checkpointId, url, requestId });
      abortAll(draft, 'stopping');
      return;
    }
    if (requestId !== undefined) replyStoppedLate(draft, requestId, url);
    return;
  }
  if (requestId === undefined) return;
  const outcome = { kind: 'completed' as const, checkpointId, url };
  draft.actions.push({ kind: 'reply', requestId, outcome });
}

/** What the job was to end with does not end it. */
export function leaveLast(draft: Draft): void {
  const { mode } = draft.state;
  if (mode.kind !== 'finishing' && mode.kind !== 'ended') return;
  if (mode.requestId !== undefined) replyStoppedLate(draft, mode.requestId, mode.url);
}

/** Flink's words for a job that failed between its savepoint and its end. */
function replyStoppedLate(draft: Draft, requestId: string, url: string): void {
  const message =
    `A savepoint has been created at: ${url}, but the job failed while stopping. The savepoint is ` +
    'consistent, but might have uncommitted output: to commit it, restart the job from this savepoint.';
  draft.actions.push({
    kind: 'reply',
    requestId,
    outcome: { kind: 'failed', reason: 'suspended', message },
  });
}

/** Hands the committer what waits, unless it has a batch or is to be left alone for a while. */
export function commitNext(draft: Draft): void {
  const { timers, commits } = draft.state;
  if (!isCommitDue(draft.state) || draft.at.monotonicMs < timers.commitMs) return;
  const next = nextBatch(commits);
  if (next === undefined) return;
  update(draft, { commits: next.commits });
  setTimers(draft, { commitMs: Infinity });
  draft.actions.push({ kind: 'commit', committables: next.batch });
}

/** Whether a batch is to go out once its time has come. */
export function isCommitDue({ mode, commits }: CoordinatorState): boolean {
  const { waiting, committing } = commits;
  return COMMITTING_MODES.has(mode.kind) && waiting.length > 0 && committing === undefined;
}

const COMMITTING_MODES: ReadonlySet<string> = new Set([
  'restoring',
  'running',
  'ending',
  'stopping',
  'finishing',
]);

/** @param results Undefined if the committer threw. */
export function settle(
  draft: Draft,
  results: readonly CommitResult[] | undefined,
  message: string,
): void {
  const { commits: before, mode } = draft.state;
  if (before.committing === undefined) {
    assert(mode.kind === 'closed', 'commit results without a batch');
    return;
  }
  const { commits, lost } = settleBatch(before, results);
  const tried = before.committing;
  const again = results === undefined || results.includes('retry');
  update(draft, { commits, commitRetries: again ? draft.state.commitRetries + 1 : 0 });
  if (lost.length > 0) {
    draft.actions.push({ kind: 'fail-job', error: lostOutputError(lost), restartable: false });
  }
  if (commits.waiting.length === 0) return;
  const { commitRetries } = draft.state;
  const backoffMs = COMMIT_RETRY_MS * 2 ** Math.min(Math.max(commitRetries - 1, 0), 16);
  const delayMs = again ? Math.min(backoffMs, COMMIT_RETRY_MS_MAX) : 0;
  setTimers(draft, { commitMs: draft.at.monotonicMs + delayMs });
  if (commitRetries < COMMIT_BATCHES_MAX) return;
  update(draft, { commitRetries: 0 });
  draft.actions.push({
    kind: 'fail-job',
    error: commitStuckError(COMMIT_BATCHES_MAX, tried.size, message),
    restartable: true,
  });
}

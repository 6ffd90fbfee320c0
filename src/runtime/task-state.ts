/**
 * The life of a task, as data.
 *
 *   created ──► restoring ──► running ──► ending ──► ended-input ──► finished
 *                              │   ▲       │   ▲
 *                              ▼   │       ▼   │
 *                         (blocked on something: takes no input, serves its mail)
 *
 * From each state before `finished` a failure leads to `failed` and a cancellation to `canceled`;
 * nothing leads out of these three.
 */

/** What a task that takes no input waits for. */
export type BlockedOn =
  | 'nothing'
  /** A channel behind it is full. */
  | 'output'
  /** An operator is not done: an async call, a sink's write, timers that are still to fire. */
  | 'operator'
  /** Its part of the savepoint with which the job stops is taken: it ends, or goes on if that fails. */
  | 'stop';

export type TaskState =
  | { readonly kind: 'created' }
  | { readonly kind: 'restoring' }
  | { readonly kind: 'running'; readonly blockedOn: BlockedOn }
  /** All inputs have ended; `next` is the operator that flushes next. */
  | { readonly kind: 'ending'; readonly next: number; readonly blockedOn: BlockedOn }
  /** All is flushed; takes part in checkpoints until the last one. */
  | { readonly kind: 'ended-input' }
  | { readonly kind: 'finished' }
  | { readonly kind: 'failed'; readonly error: unknown }
  | { readonly kind: 'canceled' };

export type TaskEvent =
  | { readonly kind: 'start' }
  | { readonly kind: 'restored' }
  | { readonly kind: 'blocked'; readonly on: BlockedOn }
  | { readonly kind: 'input-ended' }
  /** One operator has flushed. */
  | { readonly kind: 'operator-ended' }
  | { readonly kind: 'all-ended' }
  | { readonly kind: 'finish' }
  | { readonly kind: 'fail'; readonly error: unknown }
  | { readonly kind: 'cancel' };

/** The state after an event; `undefined` if the event cannot happen, or means nothing, in it. */
export function nextTaskState(state: TaskState, event: TaskEvent): TaskState | undefined {
  if (isTerminal(state)) return undefined;
  switch (event.kind) {
    case 'fail':
      return { kind: 'failed', error: event.error };
    case 'cancel':
      return { kind: 'canceled' };
    case 'start':
      return state.kind === 'created' ? { kind: 'restoring' } : undefined;
    case 'restored':
      return state.kind === 'restoring' ? { kind: 'running', blockedOn: 'nothing' } : undefined;
    case 'blocked':
      return state.kind === 'running' || state.kind === 'ending'
        ? { ...state, blockedOn: event.on }
        : undefined;
    case 'input-ended':
      return state.kind === 'running'
        ? { kind: 'ending', next: 0, blockedOn: state.blockedOn }
        : undefined;
    case 'operator-ended':
      return state.kind === 'ending' ? { ...state, next: state.next + 1 } : undefined;
    case 'all-ended':
      return state.kind === 'ending' ? { kind: 'ended-input' } : undefined;
    case 'finish':
      return state.kind === 'ended-input' || isStopped(state) ? { kind: 'finished' } : undefined;
  }
}

function isStopped(state: TaskState): boolean {
  return (state.kind === 'running' || state.kind === 'ending') && state.blockedOn === 'stop';
}

export function isTerminal(state: TaskState): boolean {
  return state.kind === 'finished' || state.kind === 'failed' || state.kind === 'canceled';
}

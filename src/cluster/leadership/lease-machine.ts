/**
 * How one JobManager competes for the lease, and keeps it. Pure.
 *
 *   watching ──free, released, expired, holder dead──► acquiring ──written──► leading ──resign──► resigning
 *      ▲                                                   │                     │                    │
 *      └───────────────somebody else was first─────────────┘                     ├─ not renewed in time, or
 *                                                                                │  somebody else's: `lost`
 *                                                                                ▼                    ▼
 *                                                                               over ◄────────────────┘
 *
 * Always holds:
 * - An observer counts from when it has seen a change, which is after the change; a holder counts from
 *   before it sent it, and stops earlier. So by time alone no two lead at once, whatever wall clocks say.
 * - A process that stood still may be wrong about the time. It takes nothing over by that, since it
 *   replaces the very version that it has seen; and what it still writes as leader is fenced elsewhere.
 * - One request to the store is open at a time. One without an answer is settled by its nonce.
 */
import type { Etag } from '../../storage/blob-store.ts';
import type { FoundLease, Lease } from './lease.ts';

export interface LeaseTimings {
  /** Others take over when they have seen no change for so long. Written into the lease. */
  readonly durationMs: number;
  /** A holder that could not renew for so long stops leading by itself. Less than `durationMs`, or infinite. */
  readonly renewDeadlineMs: number;
  /** From renewal to renewal, and from look to look. */
  readonly intervalMs: number;
}

interface Seen extends FoundLease {
  /** When it was first seen. */
  readonly sinceMs: number;
  /** The operating system has said that its holder is gone. */
  readonly isDead: boolean;
}

interface Mine {
  readonly leaseId: string;
  readonly epoch: number;
}

/** A write whose effect is not known yet. */
interface Bid {
  readonly nonce: string;
  readonly expected: Etag | undefined;
  /** When it was first sent. */
  readonly sentMs: number;
  readonly phase:
    | { readonly kind: 'writing' | 'looking' }
    | { readonly kind: 'waiting'; readonly untilMs: number };
}

export type LeaseState =
  | {
      readonly kind: 'watching';
      readonly seen: Seen | undefined;
      /** Undefined: a look is under way. */
      readonly nextLookMs: number | undefined;
    }
  | { readonly kind: 'acquiring'; readonly mine: Mine; readonly bid: Bid }
  | {
      readonly kind: 'leading';
      readonly mine: Mine;
      readonly etag: Etag;
      /** From before the last renewal that succeeded. */
      readonly heldFromMs: number;
      readonly bid: Bid | undefined;
      /** What to do when the bid is settled. */
      readonly then: 'renew' | 'resign' | undefined;
    }
  | { readonly kind: 'resigning'; readonly untilMs: number }
  | { readonly kind: 'over' };

export type LeaseEvent = {
  /** Monotonic. */
  readonly nowMs: number;
  /** A fresh one. */
  readonly nonce: string;
} & (
  | { readonly kind: 'looked'; readonly found: FoundLease | undefined }
  | { readonly kind: 'written'; readonly etag: Etag }
  /** The version that was to be replaced is not the present one. */
  | { readonly kind: 'refused' }
  /** The store did not answer, or not well: a write may have been done, or may yet be. */
  | { readonly kind: 'look-failed' | 'write-failed' }
  | { readonly kind: 'tick' }
  /** The holder of this version is certainly dead. */
  | { readonly kind: 'holder-died'; readonly etag: Etag }
  /** What the lease says of its holder has changed. */
  | { readonly kind: 'renew' }
  | { readonly kind: 'resign' }
);

export type LeaseAction =
  | { readonly kind: 'look' }
  | ({
      readonly kind: 'write';
      readonly expected: Etag | undefined;
      readonly nonce: string;
      readonly state: Lease['state'];
    } & Mine)
  /** Send a tick then, and forget the one that was ordered before. */
  | { readonly kind: 'wake'; readonly atMs: number }
  | ({ readonly kind: 'won' } & Mine)
  /** Somebody else leads. Once for each version that is seen. */
  | { readonly kind: 'stand-by'; readonly lease: Lease; readonly isRenewed: boolean }
  /** Stop at once. `by` is undefined if nobody has it: it could not be renewed in time, or is gone. */
  | { readonly kind: 'lost'; readonly why: 'late' | 'taken'; readonly by: Lease | undefined }
  /** It was let go, or was not ours. */
  | { readonly kind: 'closed' };

export interface LeaseStep {
  readonly state: LeaseState;
  readonly actions: readonly LeaseAction[];
}

export const STARTED: LeaseState = { kind: 'watching', seen: undefined, nextLookMs: -Infinity };

const OVER: LeaseState = { kind: 'over' };
const WRITING = { kind: 'writing' } as const;
const LOOKING = { kind: 'looking' } as const;

/** Whether the process in this state may act as leader at this moment. */
export function isHeld(state: LeaseState, nowMs: number, timings: LeaseTimings): boolean {
  return state.kind === 'leading' && nowMs < state.heldFromMs + timings.renewDeadlineMs;
}

export function stepLease(state: LeaseState, event: LeaseEvent, timings: LeaseTimings): LeaseStep {
  switch (state.kind) {
    case 'watching':
      return watching(state, event, timings);
    case 'acquiring':
      return acquiring(state, event, timings);
    case 'leading':
      return leading(state, event, timings);
    case 'resigning': {
      const isSettled = ['written', 'refused', 'write-failed'].includes(event.kind);
      if (isSettled || event.nowMs >= state.untilMs) return over({ kind: 'closed' });
      return stay(state);
    }
    case 'over':
      return stay(state);
  }
}

type StateOf<K extends LeaseState['kind']> = Extract<LeaseState, { kind: K }>;

function watching(state: StateOf<'watching'>, event: LeaseEvent, timings: LeaseTimings): LeaseStep {
  switch (event.kind) {
    case 'looked':
      return sawWhileWatching(state, event, event.found, timings);
    case 'look-failed': {
      const nextLookMs = event.nowMs + timings.intervalMs;
      return { state: { ...state, nextLookMs }, actions: [{ kind: 'wake', atMs: nextLookMs }] };
    }
    case 'holder-died': {
      const { seen } = state;
      if (seen?.etag !== event.etag || seen.lease.state === 'released') return stay(state);
      const known = { ...state, seen: { ...seen, isDead: true } };
      // A look that is under way comes first: it may show another version.
      return state.nextLookMs === undefined ? stay(known) : bidFor(known.seen, event);
    }
    case 'tick': {
      const { seen, nextLookMs } = state;
      if (nextLookMs === undefined) return stay(state);
      if (seen !== undefined && isFree(seen, event.nowMs)) return bidFor(seen, event);
      if (event.nowMs < nextLookMs) return waitToLook(state, nextLookMs);
      return { state: { ...state, nextLookMs: undefined }, actions: [{ kind: 'look' }] };
    }
    case 'resign':
      return over({ kind: 'closed' });
    case 'written':
    case 'refused':
    case 'write-failed':
    case 'renew':
      return stay(state);
  }
}

function sawWhileWatching(
  { seen: before }: Pick<StateOf<'watching'>, 'seen'>,
  event: LeaseEvent,
  found: FoundLease | undefined,
  timings: LeaseTimings,
): LeaseStep {
  if (found === undefined) return bidFor(undefined, event);
  const isSame = before !== undefined && before.etag === found.etag;
  const seen = isSame ? before : { ...found, sinceMs: event.nowMs, isDead: false };
  if (isFree(seen, event.nowMs)) return bidFor(seen, event);
  const nextLookMs = event.nowMs + timings.intervalMs;
  const waiting = waitToLook({ kind: 'watching', seen, nextLookMs }, nextLookMs);
  if (isSame) return waiting;
  const isRenewed = before !== undefined && isSameLeadership(before.lease, found.lease);
  const news = { kind: 'stand-by', lease: found.lease, isRenewed } as const;
  return { ...waiting, actions: [news, ...waiting.actions] };
}

function waitToLook(state: StateOf<'watching'>, nextLookMs: number): LeaseStep {
  const { seen } = state;
  const expiryMs = seen === undefined ? Infinity : seen.sinceMs + seen.lease.durationMs;
  return { state, actions: [{ kind: 'wake', atMs: Math.min(nextLookMs, expiryMs) }] };
}

function isFree({ lease, sinceMs, isDead }: Seen, nowMs: number): boolean {
  return isDead || lease.state === 'released' || nowMs >= sinceMs + lease.durationMs;
}

function isSameLeadership(a: Lease, b: Lease): boolean {
  return a.leaseId === b.leaseId && a.epoch === b.epoch;
}

/** Tries to follow the leadership that was seen. */
function bidFor(seen: Seen | undefined, event: LeaseEvent): LeaseStep {
  const mine: Mine =
    seen === undefined
      ? { leaseId: event.nonce, epoch: 1 }
      : { leaseId: seen.lease.leaseId, epoch: seen.lease.epoch + 1 };
  return acquire(mine, seen?.etag, event);
}

function acquire(mine: Mine, expected: Etag | undefined, event: LeaseEvent): LeaseStep {
  const bid: Bid = { nonce: event.nonce, expected, sentMs: event.nowMs, phase: WRITING };
  return { state: { kind: 'acquiring', mine, bid }, actions: [writeOf(mine, bid)] };
}

function acquiring(
  state: StateOf<'acquiring'>,
  event: LeaseEvent,
  timings: LeaseTimings,
): LeaseStep {
  const { mine, bid } = state;
  switch (event.kind) {
    case 'written':
      return acquired(state, event, event.etag, timings);
    case 'refused':
      return lookAround();
    case 'write-failed':
    case 'look-failed': {
      const untilMs = event.nowMs + timings.intervalMs;
      const phase = { kind: 'waiting', untilMs } as const;
      return {
        state: { ...state, bid: { ...bid, phase } },
        actions: [{ kind: 'wake', atMs: untilMs }],
      };
    }
    case 'looked': {
      const { found } = event;
      if (found?.lease.nonce === bid.nonce) return acquired(state, event, found.etag, timings);
      if (found?.etag !== bid.expected) {
        return sawWhileWatching({ seen: undefined }, event, found, timings);
      }
      // The same bytes as before: whichever of the two writes is done, it is this one's.
      return {
        state: { ...state, bid: { ...bid, phase: WRITING } },
        actions: [writeOf(mine, bid)],
      };
    }
    case 'tick':
      if (bid.phase.kind !== 'waiting' || event.nowMs < bid.phase.untilMs) return stay(state);
      return { state: { ...state, bid: { ...bid, phase: LOOKING } }, actions: [{ kind: 'look' }] };
    case 'resign':
      // If the write is done all the same, others see it expire, or see us dead.
      return over({ kind: 'closed' });
    case 'holder-died':
    case 'renew':
      return stay(state);
  }
}

function lookAround(): LeaseStep {
  return {
    state: { kind: 'watching', seen: undefined, nextLookMs: undefined },
    actions: [{ kind: 'look' }],
  };
}

function acquired(
  { mine, bid }: StateOf<'acquiring'>,
  event: LeaseEvent,
  etag: Etag,
  timings: LeaseTimings,
): LeaseStep {
  // It took so long that it may be over already: it begins with one that is known to be young.
  if (event.nowMs >= bid.sentMs + timings.renewDeadlineMs) return acquire(mine, etag, event);
  const state: LeaseState = {
    ...{ kind: 'leading', mine, etag, heldFromMs: bid.sentMs, bid: undefined, then: undefined },
  };
  return {
    state,
    actions: [
      { kind: 'won', ...mine },
      { kind: 'wake', atMs: dueMs(state, timings) },
    ],
  };
}

/** When a leader without an open bid has to do something. */
function dueMs({ heldFromMs }: StateOf<'leading'>, timings: LeaseTimings): number {
  return heldFromMs + Math.min(timings.intervalMs, timings.renewDeadlineMs);
}

function leading(state: StateOf<'leading'>, event: LeaseEvent, timings: LeaseTimings): LeaseStep {
  const { bid, mine } = state;
  switch (event.kind) {
    case 'written':
      return renewed(state, event, event.etag, timings);
    case 'refused':
      return bid === undefined ? stay(state) : withPhase(state, bid, LOOKING, { kind: 'look' });
    case 'write-failed':
    case 'look-failed':
      return bid === undefined ? stay(state) : failedToRenew(state, bid, event, timings);
    case 'looked': {
      const { found } = event;
      if (bid === undefined) return stay(state);
      if (found?.lease.nonce === bid.nonce) return renewed(state, event, found.etag, timings);
      if (found?.etag !== state.etag) {
        return over({ kind: 'lost', why: 'taken', by: found?.lease });
      }
      return withPhase(state, bid, WRITING, writeOf(mine, bid));
    }
    case 'tick':
      return leadingTick(state, event, timings);
    case 'renew':
      return bid === undefined ? renew(state, event, timings) : stay({ ...state, then: 'renew' });
    case 'resign':
      return bid === undefined ? resign(state, event, timings) : stay({ ...state, then: 'resign' });
    case 'holder-died':
      return stay(state);
  }
}

function leadingTick(
  state: StateOf<'leading'>,
  event: LeaseEvent,
  timings: LeaseTimings,
): LeaseStep {
  const { bid } = state;
  const { nowMs } = event;
  if (!isHeld(state, nowMs, timings)) return over({ kind: 'lost', why: 'late', by: undefined });
  if (bid === undefined) {
    const atMs = dueMs(state, timings);
    if (nowMs >= atMs) return renew(state, event, timings);
    return { state, actions: [{ kind: 'wake', atMs }] };
  }
  const deadline = wakeAtDeadline(state, timings);
  if (bid.phase.kind !== 'waiting') return { state, actions: deadline };
  if (nowMs >= bid.phase.untilMs) {
    const looking = withPhase(state, bid, LOOKING, { kind: 'look' });
    return { ...looking, actions: [...looking.actions, ...deadline] };
  }
  return { state, actions: [{ kind: 'wake', atMs: bid.phase.untilMs }] };
}

function renew(state: StateOf<'leading'>, event: LeaseEvent, timings: LeaseTimings): LeaseStep {
  const { mine, etag } = state;
  const bid: Bid = { nonce: event.nonce, expected: etag, sentMs: event.nowMs, phase: WRITING };
  return {
    state: { ...state, bid, then: undefined },
    actions: [writeOf(mine, bid), ...wakeAtDeadline(state, timings)],
  };
}

function renewed(
  state: StateOf<'leading'>,
  event: LeaseEvent,
  etag: Etag,
  timings: LeaseTimings,
): LeaseStep {
  const { bid, then } = state;
  if (bid === undefined) return stay(state);
  const now: StateOf<'leading'> = { ...state, etag, heldFromMs: bid.sentMs, bid: undefined };
  if (!isHeld(now, event.nowMs, timings)) {
    return over({ kind: 'lost', why: 'late', by: undefined });
  }
  if (then === 'resign') return resign(now, event, timings);
  if (then === 'renew') return renew(now, event, timings);
  return { state: now, actions: [{ kind: 'wake', atMs: dueMs(now, timings) }] };
}

function failedToRenew(
  state: StateOf<'leading'>,
  bid: Bid,
  event: LeaseEvent,
  timings: LeaseTimings,
): LeaseStep {
  if (state.then === 'resign') return over({ kind: 'closed' });
  const untilMs = event.nowMs + timings.intervalMs;
  const atMs = Math.min(untilMs, state.heldFromMs + timings.renewDeadlineMs);
  return withPhase(state, bid, { kind: 'waiting', untilMs }, { kind: 'wake', atMs });
}

function resign(state: StateOf<'leading'>, event: LeaseEvent, timings: LeaseTimings): LeaseStep {
  const { mine, etag } = state;
  const untilMs = event.nowMs + timings.durationMs;
  const { nonce } = event;
  return {
    state: { kind: 'resigning', untilMs },
    actions: [
      { kind: 'write', ...mine, expected: etag, nonce, state: 'released' },
      { kind: 'wake', atMs: untilMs },
    ],
  };
}

function wakeAtDeadline(
  { heldFromMs }: StateOf<'leading'>,
  { renewDeadlineMs }: LeaseTimings,
): LeaseAction[] {
  if (renewDeadlineMs === Infinity) return [];
  return [{ kind: 'wake', atMs: heldFromMs + renewDeadlineMs }];
}

function withPhase(
  state: StateOf<'leading'>,
  bid: Bid,
  phase: Bid['phase'],
  action: LeaseAction,
): LeaseStep {
  return { state: { ...state, bid: { ...bid, phase } }, actions: [action] };
}

function writeOf(mine: Mine, { expected, nonce }: Bid): LeaseAction {
  return { kind: 'write', ...mine, expected, nonce, state: 'held' };
}

function over(action: LeaseAction): LeaseStep {
  return { state: OVER, actions: [action] };
}

function stay(state: LeaseState): LeaseStep {
  return { state, actions: [] };
}

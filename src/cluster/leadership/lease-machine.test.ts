import { describe, expect, it } from 'vitest';
import { fc } from '../../../test/support/property.ts';
import { toEtag } from '../../storage/blob-store.ts';
import {
  isHeld,
  STARTED,
  stepLease,
  type LeaseEvent,
  type LeaseState,
  type LeaseTimings,
} from './lease-machine.ts';
import type { FoundLease, Lease, LeaseHolder } from './lease.ts';

const TIMINGS: LeaseTimings = { durationMs: 3_000, renewDeadlineMs: 2_000, intervalMs: 500 };
const HOLDER: LeaseHolder = {
  owner: 'other:1',
  pid: 1,
  processStart: 'x',
  pidSpace: undefined,
  folder: '/',
  version: '0',
};

function lease(nonce: string, more: Partial<Lease> = {}): FoundLease {
  const rest = { leaseId: 'L', epoch: 4, durationMs: 3_000, holder: HOLDER, atMs: 0 };
  return { lease: { ...rest, state: 'held', nonce, ...more }, etag: toEtag(`e-${nonce}`) };
}

const OTHERS = lease('others');
const MINE = { leaseId: 'L', epoch: 5 };
const bid = (kind: 'writing' | 'looking') => ({
  nonce: 'mine',
  expected: OTHERS.etag,
  sentMs: 1_000,
  phase: { kind },
});
const leading = {
  kind: 'leading',
  mine: MINE,
  etag: toEtag('e-held'),
  heldFromMs: 1_000,
  bid: undefined,
  then: undefined,
} as const;

type Named = `${LeaseState['kind']}${'' | '+look' | '+bid'}`;

const STATES: Partial<Record<Named, LeaseState>> = {
  watching: {
    kind: 'watching',
    seen: { ...OTHERS, sinceMs: 1_000, isDead: false },
    nextLookMs: 1_500,
  },
  'watching+look': {
    kind: 'watching',
    seen: { ...OTHERS, sinceMs: 1_000, isDead: false },
    nextLookMs: undefined,
  },
  acquiring: { kind: 'acquiring', mine: MINE, bid: bid('writing') },
  'acquiring+look': { kind: 'acquiring', mine: MINE, bid: bid('looking') },
  leading,
  'leading+bid': { ...leading, bid: { ...bid('writing'), expected: leading.etag, sentMs: 1_500 } },
  'leading+look': { ...leading, bid: { ...bid('looking'), expected: leading.etag, sentMs: 1_500 } },
  resigning: { kind: 'resigning', untilMs: 9_000 },
  over: { kind: 'over' },
};

const at = { nowMs: 2_000, nonce: 'fresh' };
const EVENTS: Record<LeaseEvent['kind'], LeaseEvent> = {
  looked: { ...at, kind: 'looked', found: OTHERS },
  written: { ...at, kind: 'written', etag: toEtag('e-new') },
  refused: { ...at, kind: 'refused' },
  'look-failed': { ...at, kind: 'look-failed' },
  'write-failed': { ...at, kind: 'write-failed' },
  tick: { ...at, kind: 'tick' },
  'holder-died': { ...at, kind: 'holder-died', etag: OTHERS.etag },
  renew: { ...at, kind: 'renew' },
  resign: { ...at, kind: 'resign' },
};

// Complete by type in events and kinds of states; nobody else has renewed at 2,000, so nothing is over yet.
// prettier-ignore
const NEXT: Record<LeaseState['kind'] | 'watching+look' | 'acquiring+look' | 'leading+bid' | 'leading+look', Record<LeaseEvent['kind'], string>> = {
  watching:         { looked: 'watching: wake',           written: 'watching',      refused: 'watching',        'look-failed': 'watching: wake',  'write-failed': 'watching',       tick: 'watching: look',      'holder-died': 'acquiring: write', renew: 'watching',             resign: 'over: closed' },
  'watching+look':  { looked: 'watching: wake',           written: 'watching',      refused: 'watching',        'look-failed': 'watching: wake',  'write-failed': 'watching',       tick: 'watching',            'holder-died': 'watching',         renew: 'watching',             resign: 'over: closed' },
  acquiring:        { looked: 'acquiring: write',         written: 'leading: won: wake', refused: 'watching: look', 'look-failed': 'acquiring: wake', 'write-failed': 'acquiring: wake', tick: 'acquiring',          'holder-died': 'acquiring',        renew: 'acquiring',            resign: 'over: closed' },
  'acquiring+look': { looked: 'acquiring: write',         written: 'leading: won: wake', refused: 'watching: look', 'look-failed': 'acquiring: wake', 'write-failed': 'acquiring: wake', tick: 'acquiring',          'holder-died': 'acquiring',        renew: 'acquiring',            resign: 'over: closed' },
  leading:          { looked: 'leading',                  written: 'leading',       refused: 'leading',         'look-failed': 'leading',         'write-failed': 'leading',        tick: 'leading: write: wake', 'holder-died': 'leading',         renew: 'leading: write: wake', resign: 'resigning: write: wake' },
  'leading+bid':    { looked: 'over: lost',               written: 'leading: wake', refused: 'leading: look',   'look-failed': 'leading: wake',   'write-failed': 'leading: wake',  tick: 'leading: wake',       'holder-died': 'leading',          renew: 'leading',              resign: 'leading' },
  'leading+look':   { looked: 'over: lost',               written: 'leading: wake', refused: 'leading: look',   'look-failed': 'leading: wake',   'write-failed': 'leading: wake',  tick: 'leading: wake',       'holder-died': 'leading',          renew: 'leading',              resign: 'leading' },
  resigning:        { looked: 'resigning',                written: 'over: closed',  refused: 'over: closed',    'look-failed': 'resigning',       'write-failed': 'over: closed',   tick: 'resigning',           'holder-died': 'resigning',        renew: 'resigning',            resign: 'resigning' },
  over:             { looked: 'over',                     written: 'over',          refused: 'over',            'look-failed': 'over',            'write-failed': 'over',           tick: 'over',                'holder-died': 'over',             renew: 'over',                 resign: 'over' },
};

for (const [name, row] of Object.entries(NEXT)) {
  for (const event of Object.values(EVENTS)) {
    const next = row[event.kind];
    it(`${name} + ${event.kind} = ${next}`, () => {
      const step = stepLease(STATES[name as Named] ?? STARTED, event, TIMINGS);
      const actions = step.actions.map(({ kind }) => `: ${kind}`).join('');
      expect(`${step.state.kind}${actions}`).toBe(next);
    });
  }
}

/** Sends events one after the other. */
function run(start: LeaseState, ...events: LeaseEvent[]) {
  let state = start;
  let actions: ReturnType<typeof stepLease>['actions'] = [];
  for (const event of events) ({ state, actions } = stepLease(state, event, TIMINGS));
  return { state, actions };
}

const looked = (nowMs: number, found?: FoundLease): LeaseEvent => ({
  kind: 'looked',
  nowMs,
  nonce: `n${nowMs}`,
  found,
});
const tick = (nowMs: number): LeaseEvent => ({ kind: 'tick', nowMs, nonce: `n${nowMs}` });
const written = (nowMs: number): LeaseEvent => ({
  kind: 'written',
  nowMs,
  nonce: `n${nowMs}`,
  etag: toEtag(`w${nowMs}`),
});

describe('a candidate', () => {
  it('takes a lease that nobody has', () => {
    expect(run(STARTED, tick(0), looked(10)).actions).toMatchObject([
      { kind: 'write', epoch: 1, leaseId: 'n10', expected: undefined, state: 'held' },
    ]);
  });

  it('takes a lease that was let go, at once', () => {
    const released = lease('r', { state: 'released' });
    expect(run(STARTED, tick(0), looked(10, released)).actions).toMatchObject([
      { kind: 'write', epoch: 5, leaseId: 'L', expected: released.etag },
    ]);
  });

  it('counts from when it saw a change, not from what the lease says of the time', () => {
    const old = lease('a', { atMs: -1e12 });
    const before = run(STARTED, tick(0), looked(10, old), tick(3_009));
    expect(before.state.kind).toBe('watching');
    const { actions } = run(STARTED, tick(0), looked(10, old), tick(3_010));
    expect(actions).toMatchObject([{ kind: 'write', expected: old.etag }]);
  });

  it('begins to count anew with each change', () => {
    const events = [tick(0), looked(10, lease('a')), tick(510), looked(2_900, lease('b'))];
    expect(run(STARTED, ...events, tick(5_899)).state.kind).toBe('watching');
    expect(run(STARTED, ...events, tick(5_900)).state.kind).toBe('acquiring');
  });

  it('says whether the other one has renewed since', () => {
    const first = run(STARTED, tick(0), looked(10, lease('a')));
    expect(first.actions[0]).toMatchObject({ kind: 'stand-by', isRenewed: false });
    const second = run(first.state, tick(510), looked(520, lease('b')));
    expect(second.actions[0]).toMatchObject({ kind: 'stand-by', isRenewed: true });
    const other = run(first.state, tick(510), looked(520, lease('b', { epoch: 5 })));
    expect(other.actions[0]).toMatchObject({ kind: 'stand-by', isRenewed: false });
  });

  it('knows its own write by the nonce when the answer was lost', () => {
    const failed = run(STATES.acquiring ?? STARTED, { ...at, kind: 'write-failed' }, tick(2_600));
    expect(failed.actions).toMatchObject([{ kind: 'look' }]);
    const found = lease('mine', MINE);
    expect(run(failed.state, looked(2_700, found)).state).toMatchObject({
      kind: 'leading',
      etag: found.etag,
      heldFromMs: 1_000,
    });
  });

  it('does not begin with a lease that may be over already', () => {
    const late = run(STATES.acquiring ?? STARTED, written(3_000));
    expect(late.state.kind).toBe('acquiring');
    expect(late.actions).toMatchObject([{ kind: 'write', epoch: 5, expected: 'w3000' }]);
  });

  it('waits for a look that is under way when it hears of a death', () => {
    const died: LeaseEvent = { ...at, kind: 'holder-died', etag: OTHERS.etag };
    const { state } = run(STATES['watching+look'] ?? STARTED, died);
    expect(run(state, looked(2_100, OTHERS)).actions).toMatchObject([{ kind: 'write' }]);
    expect(run(state, looked(2_100, lease('young'))).state.kind).toBe('watching');
  });
});

describe('a leader', () => {
  it('renews from when it sent the last one, and stops before others may begin', () => {
    const { state } = run(leading, tick(1_500), written(1_900));
    expect(state).toMatchObject({ heldFromMs: 1_500, etag: 'w1900' });
    expect(isHeld(state, 3_499, TIMINGS)).toBe(true);
    expect(isHeld(state, 3_500, TIMINGS)).toBe(false);
    expect(run(state, tick(3_500)).actions).toEqual([{ kind: 'lost', why: 'late', by: undefined }]);
  });

  it('stops when its answer comes too late', () => {
    expect(run(leading, tick(1_500), written(3_500)).actions).toMatchObject([
      { kind: 'lost', why: 'late' },
    ]);
  });

  it('tries again while the store does not answer', () => {
    const { state } = run(leading, tick(1_500), { ...at, kind: 'write-failed' });
    expect(run(state, tick(2_499)).actions).toEqual([{ kind: 'wake', atMs: 2_500 }]);
    const again = run(state, tick(2_500), looked(2_510, { ...OTHERS, etag: leading.etag }));
    expect(again.actions).toMatchObject([{ kind: 'write', nonce: 'n1500', expected: 'e-held' }]);
  });

  it('stops when another one has it, or nobody', () => {
    const asked = run(leading, tick(1_500), { ...at, kind: 'refused' });
    expect(run(asked.state, looked(2_100, lease('x'))).actions).toMatchObject([
      { kind: 'lost', why: 'taken', by: { nonce: 'x' } },
    ]);
    expect(run(asked.state, looked(2_100)).actions).toMatchObject([
      { kind: 'lost', by: undefined },
    ]);
  });

  it('lets go when the write that is under way is settled', () => {
    const resign: LeaseEvent = { ...at, kind: 'resign' };
    const { actions } = run(leading, tick(1_500), resign, written(2_100));
    expect(actions[0]).toMatchObject({ kind: 'write', state: 'released', expected: 'w2100' });
  });

  it('of a service without standbys goes on as long as nobody has taken over', () => {
    const patient = { ...TIMINGS, renewDeadlineMs: Infinity };
    const { state } = stepLease(leading, tick(99_000), patient);
    expect(state.kind).toBe('leading');
    expect(isHeld(state, 99_000, patient)).toBe(true);
  });
});

it('two that hear of each other in any order never lead at once', () => {
  // Events with ever later times and any answers: whoever leads does so for its deadline at most.
  const kinds = fc.constantFrom<LeaseEvent['kind']>(
    'tick',
    'refused',
    'look-failed',
    'write-failed',
    'renew',
  );
  fc.assert(
    fc.property(fc.array(fc.tuple(kinds, fc.nat(900))), (events) => {
      let state: LeaseState = leading;
      let nowMs = leading.heldFromMs;
      for (const [kind, afterMs] of events) {
        nowMs += afterMs;
        const event = { kind, nowMs, nonce: 'n' } as LeaseEvent;
        ({ state } = stepLease(state, event, TIMINGS));
        if (nowMs >= leading.heldFromMs + TIMINGS.renewDeadlineMs) {
          expect(isHeld(state, nowMs, TIMINGS)).toBe(false);
        }
      }
    }),
  );
});

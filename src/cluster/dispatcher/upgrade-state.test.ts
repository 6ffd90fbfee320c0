import { describe, expect, it } from 'vitest';
import {
  isUpgradeOver,
  stepUpgrade,
  type UpgradeEvent,
  type UpgradeState,
} from './upgrade-state.ts';

const URL = 'file:///savepoint';
const WHY = 'it broke';

const STATES: { readonly [K in UpgradeState['kind']]: UpgradeState & { readonly kind: K } } = {
  stopping: { kind: 'stopping' },
  starting: { kind: 'starting', savepointUrl: URL },
  'going-back': { kind: 'going-back', savepointUrl: URL, why: WHY, newJobId: 'new' },
  upgraded: { kind: 'upgraded', savepointUrl: URL, jobId: 'new' },
  'gone-back': { kind: 'gone-back', savepointUrl: URL, why: WHY, jobId: 'back' },
  'given-up': { kind: 'given-up', why: WHY },
};

const ended = { kind: 'ended', jobId: 'new', why: WHY } as const;

const EVENTS = {
  stopped: { kind: 'stopped', savepointUrl: URL },
  'not stopped': { kind: 'not-stopped', why: WHY },
  well: { kind: 'well', jobId: 'new' },
  unwell: { kind: 'unwell', why: WHY, newJobId: 'new' },
  finished: { ...ended, end: 'finished', isAhead: true },
  'stopped by its user': { ...ended, end: 'stopped', isAhead: true },
  cancelled: { ...ended, end: 'canceled', isAhead: false },
  failed: { ...ended, end: 'failed', isAhead: false },
  'failed ahead': { ...ended, end: 'failed', isAhead: true },
  ahead: { kind: 'ahead', jobId: 'new' },
  back: { kind: 'back', jobId: 'back' },
} as const satisfies Record<string, UpgradeEvent>;

/** What leads elsewhere; everything else changes nothing. */
const MOVES: Readonly<Record<string, Partial<Record<keyof typeof EVENTS, UpgradeState['kind']>>>> =
  {
    stopping: { stopped: 'starting', 'not stopped': 'given-up' },
    starting: {
      well: 'upgraded',
      unwell: 'going-back',
      finished: 'upgraded',
      'stopped by its user': 'upgraded',
      cancelled: 'given-up',
      failed: 'going-back',
      'failed ahead': 'upgraded',
    },
    'going-back': {
      back: 'gone-back',
      ahead: 'upgraded',
      finished: 'upgraded',
      'stopped by its user': 'upgraded',
      'failed ahead': 'upgraded',
    },
  };

describe.each(Object.values(STATES))('$kind', (state) => {
  it.each(Object.entries(EVENTS))('%s', (name, event) => {
    const after = stepUpgrade(state, event);
    const expected = MOVES[state.kind]?.[name as keyof typeof EVENTS];
    expect(after.kind).toBe(expected ?? state.kind);
    if (expected === undefined) expect(after).toBe(state);
    // Whatever has a savepoint goes on naming it.
    if ('savepointUrl' in state) expect(after).toMatchObject({ savepointUrl: URL });
  });
});

it('says what has become of a version that failed when its output was out', () => {
  expect(stepUpgrade(STATES.starting, EVENTS['failed ahead'])).toMatchObject({
    note: expect.stringContaining(WHY) as string,
  });
});

it('is over in its three ends', () => {
  const over = Object.values(STATES).filter(isUpgradeOver);
  expect(over.map(({ kind }) => kind)).toEqual(['upgraded', 'gone-back', 'given-up']);
});

import { describe, expect, it } from 'vitest';
import { nextTaskState, type TaskEvent, type TaskState } from './task-state.ts';

const STATES: { readonly [K in TaskState['kind']]: Extract<TaskState, { kind: K }> } = {
  created: { kind: 'created' },
  restoring: { kind: 'restoring' },
  running: { kind: 'running', blockedOn: 'nothing' },
  ending: { kind: 'ending', next: 1, blockedOn: 'operator' },
  'ended-input': { kind: 'ended-input' },
  finished: { kind: 'finished' },
  failed: { kind: 'failed', error: 'why' },
  canceled: { kind: 'canceled' },
};

const EVENTS: { readonly [K in TaskEvent['kind']]: Extract<TaskEvent, { kind: K }> } = {
  start: { kind: 'start' },
  restored: { kind: 'restored' },
  blocked: { kind: 'blocked', on: 'output' },
  'input-ended': { kind: 'input-ended' },
  'operator-ended': { kind: 'operator-ended' },
  'all-ended': { kind: 'all-ended' },
  finish: { kind: 'finish' },
  fail: { kind: 'fail', error: 'broken' },
  cancel: { kind: 'cancel' },
};

const FAILED: TaskState = { kind: 'failed', error: 'broken' };
const CANCELED: TaskState = { kind: 'canceled' };
const EVERYWHERE = { fail: FAILED, cancel: CANCELED };

type Row = Partial<Record<TaskEvent['kind'], TaskState>>;

/** Complete by type in its rows; what a row does not name cannot happen. */
const TABLE: Record<TaskState['kind'], Row> = {
  created: { start: STATES.restoring, ...EVERYWHERE },
  restoring: { restored: STATES.running, ...EVERYWHERE },
  running: {
    blocked: { kind: 'running', blockedOn: 'output' },
    'input-ended': { kind: 'ending', next: 0, blockedOn: 'nothing' },
    ...EVERYWHERE,
  },
  ending: {
    blocked: { kind: 'ending', next: 1, blockedOn: 'output' },
    'operator-ended': { kind: 'ending', next: 2, blockedOn: 'operator' },
    'all-ended': STATES['ended-input'],
    ...EVERYWHERE,
  },
  'ended-input': { finish: STATES.finished, ...EVERYWHERE },
  finished: {},
  failed: {},
  canceled: {},
};

describe('nextTaskState', () => {
  for (const state of Object.values(STATES)) {
    for (const event of Object.values(EVENTS)) {
      const expected = TABLE[state.kind][event.kind];
      it(`${state.kind}, ${event.kind}: ${expected?.kind ?? 'cannot happen'}`, () => {
        expect(nextTaskState(state, event)).toEqual(expected);
      });
    }
  }
});

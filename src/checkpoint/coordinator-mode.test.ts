import { expect, it } from 'vitest';
import { CoordinatorHarness, tasksOf, VERTICES } from '../../test/support/coordinator-harness.ts';
import { AssertionError } from '../common/assert.ts';
import type { CoordinatorEventBody, CoordinatorMode } from './coordinator-types.ts';

type Mode = CoordinatorMode['kind'];

// Complete by type: a new mode does not compile until every pair is decided here. Answers about a
// single checkpoint are in the table of its phases; here is what changes the life as a whole.
// prettier-ignore
const NEXT: Record<Mode, Record<keyof typeof EVENTS, Mode | 'bug'>> = {
  idle:      { restored: 'restoring', 'tasks-running': 'bug',       'inputs-ended': 'idle',      trigger: 'idle',      stop: 'idle',      suspend: 'idle',      fenced: 'closed', close: 'closed' },
  quiescing: { restored: 'bug',       'tasks-running': 'quiescing', 'inputs-ended': 'quiescing', trigger: 'quiescing', stop: 'quiescing', suspend: 'quiescing', fenced: 'closed', close: 'closed' },
  restoring: { restored: 'bug',       'tasks-running': 'running',   'inputs-ended': 'restoring', trigger: 'restoring', stop: 'restoring', suspend: 'idle',      fenced: 'closed', close: 'closed' },
  running:   { restored: 'bug',       'tasks-running': 'bug',       'inputs-ended': 'ending',    trigger: 'running',   stop: 'stopping',  suspend: 'idle',      fenced: 'closed', close: 'closed' },
  ending:    { restored: 'bug',       'tasks-running': 'bug',       'inputs-ended': 'ending',    trigger: 'ending',    stop: 'ending',    suspend: 'idle',      fenced: 'closed', close: 'closed' },
  stopping:  { restored: 'bug',       'tasks-running': 'bug',       'inputs-ended': 'stopping',  trigger: 'stopping',  stop: 'stopping',  suspend: 'idle',      fenced: 'closed', close: 'closed' },
  finishing: { restored: 'bug',       'tasks-running': 'bug',       'inputs-ended': 'finishing', trigger: 'finishing', stop: 'finishing', suspend: 'quiescing', fenced: 'closed', close: 'closed' },
  ended:     { restored: 'bug',       'tasks-running': 'bug',       'inputs-ended': 'ended',     trigger: 'ended',     stop: 'ended',     suspend: 'idle',      fenced: 'closed', close: 'closed' },
  closed:    { restored: 'closed',    'tasks-running': 'closed',    'inputs-ended': 'closed',    trigger: 'closed',    stop: 'closed',    suspend: 'closed',    fenced: 'closed', close: 'closed' },
};

const request = { requestId: 'r', directory: undefined, notes: {} };

const EVENTS = {
  restored: { kind: 'restored', attempt: 2, from: undefined },
  'tasks-running': { kind: 'tasks-running', vertices: VERTICES, tasks: tasksOf(VERTICES, 1) },
  'inputs-ended': { kind: 'inputs-ended' },
  trigger: { kind: 'trigger', request: { kind: 'savepoint', ...request } },
  stop: { kind: 'trigger', request: { kind: 'stop', drain: false, ...request } },
  suspend: { kind: 'suspend', reason: 'task-failed' },
  fenced: { kind: 'ids-not-reserved', outcome: 'fenced', message: '' },
  close: { kind: 'close' },
} as const satisfies Record<string, CoordinatorEventBody>;

const MODES: Record<Mode, (harness: CoordinatorHarness) => void> = {
  idle: () => undefined,
  quiescing: (harness) => {
    MODES.finishing(harness);
    harness.send(EVENTS.suspend);
  },
  restoring: (harness) => harness.send(EVENTS.restored),
  running: (harness) => harness.start(),
  ending: (harness) => {
    harness.start();
    harness.send(EVENTS['inputs-ended']);
  },
  stopping: (harness) => {
    harness.start();
    harness.send(EVENTS.stop);
  },
  // With a batch at the committer, so that it stays there.
  finishing: (harness) => {
    MODES.ending(harness);
    harness.settle('send-barriers');
    const one = { uid: 'sink', subtask: 0, checkpointId: 1, sequence: 0, base64: '' };
    for (const task of harness.state.tasks.values()) harness.ackWith(task, 1, [one]);
    harness.settle('commit');
  },
  ended: (harness) => {
    MODES.ending(harness);
    harness.settle();
  },
  closed: (harness) => harness.send(EVENTS.close),
};

// Whoever suspends waits for the answer, to restart the job or to end it. Once a job that another leader
// had fenced, or whose task failed behind its last checkpoint, waited without end.
it.each(Object.keys(MODES) as Mode[])('%s + suspend: says when nothing is in flight', (mode) => {
  for (const between of [undefined, EVENTS.fenced]) {
    const harness = new CoordinatorHarness();
    MODES[mode](harness);
    const before = harness.actions('quiesced').length;
    harness.send(EVENTS.suspend);
    if (between !== undefined) harness.send(between);
    harness.settle();
    expect(harness.actions('quiesced').length).toBeGreaterThan(before);
  }
});

for (const mode of Object.keys(MODES) as Mode[]) {
  for (const name of Object.keys(EVENTS) as (keyof typeof EVENTS)[]) {
    const next = NEXT[mode][name];
    it(`${mode} + ${name} = ${next}`, () => {
      const harness = new CoordinatorHarness();
      MODES[mode](harness);
      expect(harness.state.mode.kind).toBe(mode);
      if (next === 'bug') {
        expect(() => harness.send(EVENTS[name])).toThrow(AssertionError);
        return;
      }
      harness.send(EVENTS[name]);
      expect(harness.state.mode.kind).toBe(next);
    });
  }
}

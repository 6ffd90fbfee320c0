import { describe, expect, it } from 'vitest';
import { fc } from '../../test/support/property.ts';
import { EngineError } from '../common/errors.ts';
import { endOf, isTerminal, stepJobLife, type JobLife, type JobLifeEvent } from './job-life.ts';
import type { RestartStrategy } from './restart-strategy.ts';

type Kind = JobLife['kind'];

const STRATEGY: RestartStrategy = {
  kind: 'fixed-delay',
  attemptsMax: 2,
  delayMs: 10,
  firstImmediate: true,
};

// Complete by type: a new state or event does not compile until every pair is decided here.
// prettier-ignore
const NEXT: Record<Kind, Record<JobLifeEvent['kind'], Kind>> = {
  starting:  { 'tasks-running': 'running',   'inputs-ended': 'starting',  'last-checkpoint-complete': 'starting',  'tasks-finished': 'starting',  failure: 'failing',   'tasks-gone': 'starting',  'delay-over': 'starting',  stop: 'starting', 'stop-failed': 'starting', cancel: 'canceling', suspend: 'suspending' },
  running:   { 'tasks-running': 'running',   'inputs-ended': 'ending',    'last-checkpoint-complete': 'running',   'tasks-finished': 'running',   failure: 'failing',   'tasks-gone': 'running',   'delay-over': 'running',   stop: 'stopping', 'stop-failed': 'running', cancel: 'canceling', suspend: 'suspending' },
  ending:    { 'tasks-running': 'ending',    'inputs-ended': 'ending',    'last-checkpoint-complete': 'closing',   'tasks-finished': 'ending',    failure: 'failing',   'tasks-gone': 'ending',    'delay-over': 'ending',    stop: 'stopping', 'stop-failed': 'ending', cancel: 'canceling', suspend: 'suspending' },
  stopping:  { 'tasks-running': 'stopping',  'inputs-ended': 'stopping',  'last-checkpoint-complete': 'closing',   'tasks-finished': 'stopping',  failure: 'failing',   'tasks-gone': 'stopping',  'delay-over': 'stopping',  stop: 'stopping', 'stop-failed': 'running', cancel: 'canceling', suspend: 'suspending' },
  closing:   { 'tasks-running': 'closing',   'inputs-ended': 'closing',   'last-checkpoint-complete': 'closing',   'tasks-finished': 'finished',  failure: 'failing',   'tasks-gone': 'closing',   'delay-over': 'closing',   stop: 'closing', 'stop-failed': 'closing', cancel: 'closing', suspend: 'closing' },
  failing:   { 'tasks-running': 'failing',   'inputs-ended': 'failing',   'last-checkpoint-complete': 'failing',   'tasks-finished': 'failing',   failure: 'failing',   'tasks-gone': 'waiting',   'delay-over': 'failing',   stop: 'failing', 'stop-failed': 'failing', cancel: 'canceling', suspend: 'suspending' },
  waiting:   { 'tasks-running': 'waiting',   'inputs-ended': 'waiting',   'last-checkpoint-complete': 'waiting',   'tasks-finished': 'waiting',   failure: 'failing',   'tasks-gone': 'waiting',   'delay-over': 'starting',  stop: 'waiting', 'stop-failed': 'waiting', cancel: 'canceling', suspend: 'suspending' },
  canceling: { 'tasks-running': 'canceling', 'inputs-ended': 'canceling', 'last-checkpoint-complete': 'canceling', 'tasks-finished': 'canceling', failure: 'canceling', 'tasks-gone': 'canceled',  'delay-over': 'canceling', stop: 'canceling', 'stop-failed': 'canceling', cancel: 'canceling', suspend: 'canceling' },
  finished:  { 'tasks-running': 'finished',  'inputs-ended': 'finished',  'last-checkpoint-complete': 'finished',  'tasks-finished': 'finished',  failure: 'finished',  'tasks-gone': 'finished',  'delay-over': 'finished',  stop: 'finished', 'stop-failed': 'finished', cancel: 'finished', suspend: 'finished' },
  failed:    { 'tasks-running': 'failed',    'inputs-ended': 'failed',    'last-checkpoint-complete': 'failed',    'tasks-finished': 'failed',    failure: 'failed',    'tasks-gone': 'failed',    'delay-over': 'failed',    stop: 'failed', 'stop-failed': 'failed', cancel: 'failed', suspend: 'failed' },
  canceled:  { 'tasks-running': 'canceled',  'inputs-ended': 'canceled',  'last-checkpoint-complete': 'canceled',  'tasks-finished': 'canceled',  failure: 'canceled',  'tasks-gone': 'canceled',  'delay-over': 'canceled',  stop: 'canceled', 'stop-failed': 'canceled', cancel: 'canceled', suspend: 'canceled' },
  suspending: { 'tasks-running': 'suspending', 'inputs-ended': 'suspending', 'last-checkpoint-complete': 'suspending', 'tasks-finished': 'suspending', failure: 'suspending', 'tasks-gone': 'suspended', 'delay-over': 'suspending', stop: 'suspending', 'stop-failed': 'suspending', cancel: 'suspending', suspend: 'suspending' },
  suspended: { 'tasks-running': 'suspended', 'inputs-ended': 'suspended', 'last-checkpoint-complete': 'suspended', 'tasks-finished': 'suspended', failure: 'suspended', 'tasks-gone': 'suspended', 'delay-over': 'suspended', stop: 'suspended', 'stop-failed': 'suspended', cancel: 'suspended', suspend: 'suspended' },
};

const STATES: Record<Kind, JobLife> = {
  starting: { kind: 'starting', attempt: 1, down: new Set([0]) },
  running: { kind: 'running', attempt: 1 },
  ending: { kind: 'ending', attempt: 1 },
  stopping: { kind: 'stopping', attempt: 1, drain: false },
  closing: { kind: 'closing', attempt: 1, savepointUrl: undefined },
  failing: {
    kind: 'failing',
    attempt: 1,
    down: new Set([0]),
    cause: new TypeError('x'),
    next: { kind: 'restart', delayMs: 0 },
  },
  waiting: { kind: 'waiting', attempt: 1, down: new Set([0]), cause: undefined },
  canceling: { kind: 'canceling', attempt: 1, savepointUrl: undefined },
  finished: { kind: 'finished', savepointUrl: undefined },
  failed: { kind: 'failed', cause: undefined },
  canceled: { kind: 'canceled', savepointUrl: undefined },
  suspending: { kind: 'suspending', attempt: 1 },
  suspended: { kind: 'suspended' },
};

function failure(...regions: number[]): JobLifeEvent {
  const error = new TypeError('x');
  return { kind: 'failure', error, regions: new Set(regions), atMs: 5, chance: 0 };
}

const EVENTS: Record<JobLifeEvent['kind'], JobLifeEvent> = {
  'tasks-running': { kind: 'tasks-running' },
  'inputs-ended': { kind: 'inputs-ended' },
  stop: { kind: 'stop', drain: false },
  'stop-failed': { kind: 'stop-failed', message: 'x' },
  'last-checkpoint-complete': {
    kind: 'last-checkpoint-complete',
    savepointUrl: undefined,
    cancel: false,
  },
  'tasks-finished': { kind: 'tasks-finished' },
  failure: failure(1),
  'tasks-gone': { kind: 'tasks-gone' },
  'delay-over': { kind: 'delay-over' },
  cancel: { kind: 'cancel' },
  suspend: { kind: 'suspend' },
};

for (const life of Object.values(STATES)) {
  for (const event of Object.values(EVENTS)) {
    const next = NEXT[life.kind][event.kind];
    it(`${life.kind} + ${event.kind} = ${next}`, () => {
      expect(stepJobLife(life, event, [], STRATEGY).life.kind).toBe(next);
    });
  }
}

describe('regions', () => {
  const step = (life: JobLife, event: JobLifeEvent, failures: readonly number[] = []) =>
    stepJobLife(life, event, failures, STRATEGY);

  it('takes down and deploys again only what failed', () => {
    const failing = step(STATES.running, failure(1));
    expect(failing.actions).toEqual([{ kind: 'cancel-tasks', regions: new Set([1]) }]);
    const waiting = step(failing.life, EVENTS['tasks-gone'], failing.failures);
    const starting = step(waiting.life, EVENTS['delay-over'], waiting.failures);
    expect(starting.actions).toEqual([{ kind: 'deploy', attempt: 2, regions: new Set([1]) }]);
  });

  it('lets a second one join while the first is stopped, as one failure', () => {
    const first = step(STATES.running, failure(1));
    const second = step(first.life, failure(2), first.failures);
    expect(second.actions).toEqual([{ kind: 'cancel-tasks', regions: new Set([2]) }]);
    expect(second.life).toMatchObject({ kind: 'failing', down: new Set([1, 2]) });
    expect(second.failures).toEqual([5]);
    expect(step(second.life, failure(1), second.failures).actions).toEqual([]);
  });

  it('counts one that fails while another waits, and deploys both together', () => {
    const second = step(STATES.waiting, failure(2), [1]);
    expect(second.actions).toEqual([{ kind: 'cancel-tasks', regions: new Set([2]) }]);
    expect(second.failures).toEqual([1, 5]);
    expect(second.life).toMatchObject({ kind: 'failing', down: new Set([0, 2]) });
  });

  it('does not take down again what is down already', () => {
    expect(step(STATES.waiting, failure(0)).life).toBe(STATES.waiting);
  });

  it('stops what was being deployed along with what failed', () => {
    const failing = step(STATES.starting, failure(2));
    expect(failing.actions).toEqual([{ kind: 'cancel-tasks', regions: new Set([0, 2]) }]);
  });

  it('takes all down when tasks have closed, or no restart is left', () => {
    const all = [{ kind: 'cancel-tasks', regions: 'all' }];
    expect(step(STATES.closing, failure(1)).actions).toEqual(all);
    expect(step(STATES.running, failure(1), [1, 2]).actions).toEqual(all);
  });
});

it('gives up at once on what a restart cannot mend', () => {
  const error = new EngineError('CHK-001', 'corrupt', 'x');
  const failing = stepJobLife(
    STATES.running,
    { kind: 'failure', error, regions: new Set([1]), atMs: 0, chance: 0 },
    [],
    STRATEGY,
  );
  const gone = stepJobLife(failing.life, EVENTS['tasks-gone'], failing.failures, STRATEGY);
  expect(gone.life).toEqual({ kind: 'failed', cause: error });
});

// A leader that was fenced while its tasks were being stopped waited without end to start them again.
it.each(['failing', 'waiting'] as const)('gives up while it is %s, too', (kind) => {
  const error = new EngineError('CHK-003', 'fenced', 'x');
  const fatal: JobLifeEvent = { kind: 'failure', error, regions: 'all', atMs: 0, chance: 0 };
  const failing = stepJobLife(STATES[kind], fatal, [1], STRATEGY);
  expect(failing.actions).toEqual([{ kind: 'cancel-tasks', regions: 'all' }]);
  const gone = stepJobLife(failing.life, EVENTS['tasks-gone'], failing.failures, STRATEGY);
  expect(gone.life).toEqual({ kind: 'failed', cause: error });
});

it('suspends no job that has failed for good: it would fail again', () => {
  const life: JobLife = {
    kind: 'failing',
    attempt: 1,
    down: 'all',
    cause: undefined,
    next: { kind: 'give-up', why: 'x' },
  };
  expect(stepJobLife(life, EVENTS.suspend, [], STRATEGY).life).toBe(life);
});

it('deploys an attempt only after the tasks of the one before are gone', () => {
  const event = fc.constantFrom(...Object.values(EVENTS));
  fc.assert(
    fc.property(fc.array(event, { maxLength: 60 }), (events) => {
      let life: JobLife = { kind: 'starting', attempt: 0, down: 'all' };
      let failures: readonly number[] = [];
      let deployed = true;
      for (const next of events) {
        // Tasks can only be gone after they were told to go.
        const going: readonly Kind[] = ['failing', 'canceling', 'suspending'];
        if (next.kind === 'tasks-gone' && !going.includes(life.kind)) continue;
        const step = stepJobLife(life, next, failures, STRATEGY);
        if (next.kind === 'tasks-gone') deployed = false;
        for (const action of step.actions) {
          if (action.kind === 'deploy') {
            expect(deployed).toBe(false);
            deployed = true;
          }
          if (action.kind === 'done') expect(isTerminal(step.life)).toBe(true);
        }
        life = step.life;
        failures = step.failures;
      }
    }),
  );
});

describe('stopping with a savepoint', () => {
  const step = (life: JobLife, event: JobLifeEvent) => stepJobLife(life, event, [1], STRATEGY);
  const drained: JobLife = { kind: 'stopping', attempt: 1, drain: true };
  const failed: JobLifeEvent = { kind: 'stop-failed', message: 'disk full' };

  it('lets all tasks go on when the savepoint fails', () => {
    const { life, actions } = step(STATES.stopping, failed);
    expect(life).toEqual({ kind: 'running', attempt: 1 });
    expect(actions).toEqual([{ kind: 'look-at-tasks' }]);
  });

  it('starts what was drained again, which is no failure of the job', () => {
    const { life, actions, failures } = step(drained, failed);
    expect(life).toMatchObject({ kind: 'failing', down: 'all', next: { kind: 'restart' } });
    expect(actions).toEqual([{ kind: 'cancel-tasks', regions: 'all' }]);
    expect(failures).toEqual([1]);
  });

  it('ends the input first with drain, and takes the savepoint when it has ended', () => {
    const { life, actions } = step(STATES.running, { kind: 'stop', drain: true });
    expect(life).toEqual(drained);
    expect(actions).toEqual([{ kind: 'drain-sources' }]);
    expect(step(drained, EVENTS['inputs-ended']).actions).toEqual([
      { kind: 'take-last-checkpoint' },
    ]);
    expect(step(STATES.stopping, EVENTS['inputs-ended']).actions).toEqual([]);
  });

  it('takes all down with a region that fails meanwhile', () => {
    const all = [{ kind: 'cancel-tasks', regions: 'all' }];
    expect(step(STATES.stopping, failure(1)).actions).toEqual(all);
  });

  it('remembers the savepoint to its end', () => {
    const savepointUrl = 'file:///sp/savepoint-1';
    const done = { kind: 'last-checkpoint-complete', savepointUrl, cancel: false } as const;
    const closing = step(STATES.stopping, done).life;
    const finished = step(closing, EVENTS['tasks-finished']).life;
    expect(finished).toEqual({ kind: 'finished', savepointUrl });
    expect(finished.kind === 'finished' && endOf(finished)).toBe('stopped');
    const { finished: other } = STATES;
    expect(other.kind === 'finished' && endOf(other)).toBe('finished');
    const canceling = step(STATES.stopping, { ...done, cancel: true });
    expect(canceling.actions).toEqual([{ kind: 'cancel-tasks', regions: 'all' }]);
    const canceled = step(canceling.life, EVENTS['tasks-gone']).life;
    expect(canceled).toEqual({ kind: 'canceled', savepointUrl });
  });
});

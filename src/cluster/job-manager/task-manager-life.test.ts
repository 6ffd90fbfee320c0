import { describe, expect, it } from 'vitest';
import { fc } from '../../../test/support/property.ts';
import type { ExitReason } from '../../common/spawner.ts';
import {
  startedLife,
  stepTaskManagerLife,
  type HeartbeatSettings,
  type TaskManagerLife,
  type TaskManagerLifeAction,
  type TaskManagerLifeEvent,
} from './task-manager-life.ts';

const SETTINGS: HeartbeatSettings = {
  intervalMs: 100,
  timeoutMs: 500,
  startTimeoutMs: 2_000,
  closeTimeoutMs: 300,
};
const KILLED: ExitReason = { kind: 'killed', signal: 'SIGKILL' };

const STATES: Record<TaskManagerLife['kind'], TaskManagerLife> = {
  starting: { kind: 'starting', sinceMs: 0, tickMs: 100 },
  registered: { kind: 'registered', heardMs: 100, tickMs: 100 },
  closing: { kind: 'closing', sinceMs: 100, tickMs: 100 },
  killed: { kind: 'killed', why: 'silent', hadRegistered: true },
  dead: { kind: 'dead' },
};

const EVENTS: Record<TaskManagerLifeEvent['kind'], TaskManagerLifeEvent> = {
  registered: { kind: 'registered', atMs: 150 },
  heard: { kind: 'heard', atMs: 150 },
  tick: { kind: 'tick', atMs: 200 },
  close: { kind: 'close', atMs: 150 },
  'connection-lost': { kind: 'connection-lost' },
  broken: { kind: 'broken' },
  exited: { kind: 'exited', reason: KILLED },
};

// Complete by type: a new state or event does not compile until every pair is decided here.
// prettier-ignore
const NEXT: Record<TaskManagerLife['kind'], Record<TaskManagerLifeEvent['kind'], string>> = {
  starting:   { registered: 'registered', heard: 'starting',   tick: 'starting',        close: 'killed: kill',           'connection-lost': 'starting', broken: 'starting',     exited: 'dead: declare-dead' },
  registered: { registered: 'registered', heard: 'registered', tick: 'registered: ping', close: 'closing: tell-to-close', 'connection-lost': 'killed: kill', broken: 'killed: kill', exited: 'dead: declare-dead' },
  closing:    { registered: 'closing',    heard: 'closing',    tick: 'closing',         close: 'closing',                'connection-lost': 'closing', broken: 'closing',      exited: 'dead: declare-dead' },
  killed:     { registered: 'killed',     heard: 'killed',     tick: 'killed',          close: 'killed',                 'connection-lost': 'killed', broken: 'killed',       exited: 'dead: declare-dead' },
  dead:       { registered: 'dead',       heard: 'dead',       tick: 'dead',            close: 'dead',                   'connection-lost': 'dead', broken: 'dead',         exited: 'dead' },
};

for (const life of Object.values(STATES)) {
  for (const event of Object.values(EVENTS)) {
    const next = NEXT[life.kind][event.kind];
    it(`${life.kind} + ${event.kind} = ${next}`, () => {
      const step = stepTaskManagerLife(life, event, SETTINGS);
      const actions = step.actions.map(({ kind }) => `: ${kind}`).join('');
      expect(`${step.life.kind}${actions}`).toBe(next);
    });
  }
}

function run(events: readonly TaskManagerLifeEvent[]): {
  life: TaskManagerLife;
  actions: TaskManagerLifeAction[];
} {
  let life = startedLife(0);
  const actions: TaskManagerLifeAction[] = [];
  for (const event of events) {
    const step = stepTaskManagerLife(life, event, SETTINGS);
    life = step.life;
    actions.push(...step.actions);
  }
  return { life, actions };
}

const tick = (atMs: number): TaskManagerLifeEvent => ({ kind: 'tick', atMs });
const ticks = (fromMs: number, toMs: number): TaskManagerLifeEvent[] =>
  Array.from({ length: (toMs - fromMs) / 100 }, (_, n) => tick(fromMs + 100 * (n + 1)));
const exited: TaskManagerLifeEvent = { kind: 'exited', reason: KILLED };

describe('what it died of', () => {
  it.each([
    ['it ended before it registered', [exited], 'not-started'],
    ['it never registered', [...ticks(0, 2_000), exited], 'not-started'],
    ['it ended', [{ kind: 'registered', atMs: 0 }, exited], 'ended'],
    ['it was silent', [{ kind: 'registered', atMs: 0 }, ...ticks(0, 500), exited], 'frozen'],
    [
      'its connection broke first',
      [{ kind: 'registered', atMs: 0 }, { kind: 'connection-lost' }, exited],
      'ended',
    ],
    ['it was told to end', [{ kind: 'registered', atMs: 0 }, EVENTS.close, exited], 'closed'],
    ['it was told to end early', [{ kind: 'close', atMs: 0 }, exited], 'closed'],
    [
      'it was told to end and did not',
      [{ kind: 'registered', atMs: 0 }, { kind: 'close', atMs: 0 }, ...ticks(0, 300), exited],
      'closed',
    ],
  ] as [string, TaskManagerLifeEvent[], string][])('%s', (_, events, death) => {
    const { actions } = run(events);
    expect(actions.at(-1)).toMatchObject({ kind: 'declare-dead', death: { kind: death } });
    expect(actions.filter(({ kind }) => kind === 'kill').length).toBeLessThanOrEqual(1);
  });
});

describe('heartbeats', () => {
  it('kill one that is silent for too long, and not before', () => {
    const registered: TaskManagerLifeEvent = { kind: 'registered', atMs: 0 };
    expect(run([registered, ...ticks(0, 400)]).life.kind).toBe('registered');
    expect(run([registered, ...ticks(0, 500)]).life.kind).toBe('killed');
  });

  it('kill nobody for a time in which we stood still ourselves', () => {
    const { life } = run([{ kind: 'registered', atMs: 0 }, ...ticks(0, 300), tick(60_300)]);
    expect(life.kind).toBe('registered');
    // What was silent before counts on.
    expect(
      run([{ kind: 'registered', atMs: 0 }, ...ticks(0, 300), tick(60_300), tick(60_400)]).life,
    ).toMatchObject({ kind: 'killed' });
  });

  it('never kill one that answers each ping in time, however late we are', () => {
    const lateness = fc.array(fc.integer({ min: 0, max: 5_000 }), { maxLength: 50 });
    fc.assert(
      fc.property(lateness, fc.integer({ min: 1, max: 399 }), (late, answerMs) => {
        let life = stepTaskManagerLife(startedLife(0), EVENTS.registered, SETTINGS).life;
        let nowMs = 150;
        /** Answers that are on their way, oldest first. */
        let answers: number[] = [];
        for (const lateMs of late) {
          // While we stand still, what comes waits for us: it is heard behind the tick.
          const dueMs = nowMs + SETTINGS.intervalMs;
          for (const atMs of answers.filter((one) => one <= dueMs)) {
            life = stepTaskManagerLife(life, { kind: 'heard', atMs }, SETTINGS).life;
          }
          answers = answers.filter((one) => one > dueMs);
          nowMs = dueMs + lateMs;
          const step = stepTaskManagerLife(life, tick(nowMs), SETTINGS);
          if (step.actions.some(({ kind }) => kind === 'ping')) answers.push(nowMs + answerMs);
          life = step.life;
          for (const atMs of answers.filter((one) => one <= nowMs)) {
            life = stepTaskManagerLife(life, { kind: 'heard', atMs: nowMs }, SETTINGS).life;
            answers = answers.filter((one) => one !== atMs);
          }
          expect(life.kind).toBe('registered');
        }
      }),
    );
  });

  it('declare dead once, and only when the operating system has', () => {
    const event = fc.oneof(
      fc.constantFrom<TaskManagerLifeEvent>(EVENTS.registered, EVENTS.close, {
        kind: 'connection-lost',
      }),
      fc.nat(10_000).map(tick),
    );
    fc.assert(
      fc.property(fc.array(event), (events) => {
        const sorted = [...events].sort((a, b) => atOf(a) - atOf(b));
        expect(run(sorted).actions.map(({ kind }) => kind)).not.toContain('declare-dead');
        const { actions } = run([...sorted, exited, exited, tick(20_000)]);
        expect(actions.filter(({ kind }) => kind === 'declare-dead')).toHaveLength(1);
      }),
    );
  });
});

function atOf(event: TaskManagerLifeEvent): number {
  return 'atMs' in event ? event.atMs : 0;
}

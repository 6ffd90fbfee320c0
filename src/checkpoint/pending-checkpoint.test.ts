import { expect, it } from 'vitest';
import { AssertionError } from '../common/assert.ts';
import { type CheckpointPhase, type PhaseEvent, stepPhase } from './pending-checkpoint.ts';

type Phase = CheckpointPhase['kind'];

// Complete by type: a new phase or event does not compile until every pair is decided here.
// prettier-ignore
const NEXT: Record<Phase, Record<keyof typeof EVENTS, Phase | 'bug'>> = {
  'coordinator-state': { taken: 'collecting', takenNone: 'ready', ack: 'bug',        seal: 'bug',     'metadata-stored': 'bug',    'metadata-failed': 'bug',     'head-moved': 'bug',       refused: 'bug',     fenced: 'bug',     unknown: 'bug',    'give-up': 'bug',     abort: 'aborted' },
  collecting:          { taken: 'bug',        takenNone: 'bug',   ack: 'ready',      seal: 'bug',     'metadata-stored': 'bug',    'metadata-failed': 'bug',     'head-moved': 'bug',       refused: 'bug',     fenced: 'bug',     unknown: 'bug',    'give-up': 'bug',     abort: 'aborted' },
  ready:               { taken: 'bug',        takenNone: 'bug',   ack: 'ready',      seal: 'storing', 'metadata-stored': 'bug',    'metadata-failed': 'bug',     'head-moved': 'bug',       refused: 'bug',     fenced: 'bug',     unknown: 'bug',    'give-up': 'bug',     abort: 'aborted' },
  storing:             { taken: 'bug',        takenNone: 'bug',   ack: 'storing',    seal: 'bug',     'metadata-stored': 'moving', 'metadata-failed': 'aborted', 'head-moved': 'bug',       refused: 'bug',     fenced: 'bug',     unknown: 'bug',    'give-up': 'bug',     abort: 'storing' },
  moving:              { taken: 'bug',        takenNone: 'bug',   ack: 'moving',     seal: 'bug',     'metadata-stored': 'bug',    'metadata-failed': 'bug',     'head-moved': 'completed', refused: 'aborted', fenced: 'aborted', unknown: 'moving', 'give-up': 'aborted', abort: 'moving' },
  completed:           { taken: 'bug',        takenNone: 'bug',   ack: 'completed',  seal: 'bug',     'metadata-stored': 'bug',    'metadata-failed': 'bug',     'head-moved': 'bug',       refused: 'bug',     fenced: 'bug',     unknown: 'bug',    'give-up': 'bug',     abort: 'completed' },
  aborted:             { taken: 'bug',        takenNone: 'bug',   ack: 'aborted',    seal: 'bug',     'metadata-stored': 'bug',    'metadata-failed': 'bug',     'head-moved': 'bug',       refused: 'bug',     fenced: 'bug',     unknown: 'bug',    'give-up': 'bug',     abort: 'aborted' },
};

const PHASES: Record<Phase, CheckpointPhase> = {
  'coordinator-state': { kind: 'coordinator-state' },
  collecting: { kind: 'collecting', awaiting: new Set(['0@count']) },
  ready: { kind: 'ready' },
  storing: { kind: 'storing' },
  moving: { kind: 'moving' },
  completed: { kind: 'completed' },
  aborted: { kind: 'aborted', reason: 'declined' },
};

const EVENTS = {
  taken: { kind: 'taken', awaiting: new Set(['0@count']) },
  takenNone: { kind: 'taken', awaiting: new Set<string>() },
  ack: { kind: 'ack', task: '0@count' },
  seal: { kind: 'seal' },
  'metadata-stored': { kind: 'metadata-stored' },
  'metadata-failed': { kind: 'metadata-failed' },
  'head-moved': { kind: 'head-moved' },
  refused: { kind: 'head-failed', outcome: 'refused' },
  fenced: { kind: 'head-failed', outcome: 'fenced' },
  unknown: { kind: 'head-failed', outcome: 'unknown' },
  'give-up': { kind: 'give-up' },
  abort: { kind: 'abort', reason: 'expired' },
} as const satisfies Record<string, PhaseEvent>;

for (const phase of Object.values(PHASES)) {
  for (const name of Object.keys(EVENTS) as (keyof typeof EVENTS)[]) {
    const next = NEXT[phase.kind][name];
    it(`${phase.kind} + ${name} = ${next}`, () => {
      if (next === 'bug') expect(() => stepPhase(phase, EVENTS[name])).toThrow(AssertionError);
      else expect(stepPhase(phase, EVENTS[name]).kind).toBe(next);
    });
  }
}

it('waits for every task', () => {
  const two: CheckpointPhase = { kind: 'collecting', awaiting: new Set(['0@count', '1@count']) };
  expect(stepPhase(two, { kind: 'ack', task: '1@count' })).toEqual(PHASES.collecting);
});

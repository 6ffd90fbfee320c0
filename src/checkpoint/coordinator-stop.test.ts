import { expect, it } from 'vitest';
import { CoordinatorHarness } from '../../test/support/coordinator-harness.ts';
import type { UserRequest } from './coordinator-types.ts';

const STOP: UserRequest = {
  kind: 'stop',
  requestId: 'stop1',
  directory: undefined,
  notes: {},
  drain: false,
};

function started(): CoordinatorHarness {
  const harness = new CoordinatorHarness();
  harness.start();
  return harness;
}

it('drains first where asked, and takes the savepoint when all input has ended', () => {
  const harness = started();
  harness.send({ kind: 'trigger', request: { ...STOP, drain: true } });
  expect(harness.last('stopping').drain).toBe(true);
  harness.advance(10_000);
  expect(harness.begun()).toEqual([]);
  harness.send({ kind: 'inputs-ended' });
  harness.settle('send-barriers');
  expect(harness.last('send-barriers').barrier.stop).toBe('drain');
  harness.settle();
  expect(harness.last('store-metadata').metadata.stop).toBe('drain');
  expect(harness.last('ended').stopped).toBe(true);
});

it('refuses a stop whose input has not ended when a task fails, or another one leads', () => {
  for (const end of ['suspend', 'close'] as const) {
    const harness = started();
    harness.send({ kind: 'trigger', request: { ...STOP, drain: true } });
    harness.send(end === 'close' ? { kind: end } : { kind: end, reason: 'task-failed' });
    expect(harness.last('reply')).toMatchObject({
      requestId: 'stop1',
      outcome: { kind: 'failed' },
    });
  }
});

it('tells a user whose savepoint is complete that the job failed all the same', () => {
  const harness = started();
  harness.send({ kind: 'trigger', request: STOP });
  harness.settle();
  expect(harness.actions('reply')).toEqual([]);
  harness.send({ kind: 'suspend', reason: 'task-failed' });
  expect(harness.last('reply').outcome).toMatchObject({
    kind: 'failed',
    message: expect.stringContaining('but the job failed while stopping') as string,
  });
});

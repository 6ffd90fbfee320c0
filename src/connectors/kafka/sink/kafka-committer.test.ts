import { describe, expect, test } from 'vitest';
import { fateOf } from './kafka-committer.ts';
import { scopeOf, transactionalIdOf, writerOf } from './transactional-id.ts';

const TRANSACTION = { transactionalId: 't', producerId: 7n, producerEpoch: 2, written: [] };

describe('a transaction whose commit is refused', () => {
  const found = (state: string, producerId = 7n, producerEpoch = 2) => ({
    state,
    producerId,
    producerEpoch,
    timeoutMs: 900_000,
  });

  test.each([
    ['CompleteCommit', 'already'],
    ['PrepareCommit', 'already'],
    ['Ongoing', 'retry'],
    ['PrepareAbort', 'lost'],
    ['CompleteAbort', 'lost'],
    ['PrepareEpochFence', 'lost'],
    ['Empty', 'lost'],
    ['Dead', 'lost'],
  ] as const)('%s: %s', (state, fate) => {
    expect(fateOf(TRANSACTION, found(state))).toBe(fate);
  });

  test('of which only a later epoch is known is lost: that one has shut it out', () => {
    expect(fateOf(TRANSACTION, found('CompleteCommit', 7n, 3))).toBe('lost');
    expect(fateOf(TRANSACTION, found('CompleteCommit', 8n, 2))).toBe('lost');
    expect(fateOf(TRANSACTION, undefined)).toBe('lost');
  });
});

describe('a transactional id', () => {
  const scope = scopeOf('billing', 'a/b 1');

  test('says who opened it', () => {
    const id = transactionalIdOf(scope, 'a1b2-c3d4-1-2-v_1-0', 17);
    expect(id).toBe('billing/a%2Fb%201/a1b2-c3d4-1-2-v_1-0/17');
    expect(writerOf(scope, id)).toBe('a1b2-c3d4-1-2-v_1-0');
  });

  test.each([
    'billing/a',
    'billing/a%2Fb%201/',
    'billing/a%2Fb%201/x',
    'billing/a%2Fb%201/x/y/1',
    'other',
  ])('%s is of another sink', (id) => {
    expect(writerOf(scope, id)).toBeUndefined();
  });
});

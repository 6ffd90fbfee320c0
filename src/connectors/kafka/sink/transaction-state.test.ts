import { describe, expect, test } from 'vitest';
import {
  stepTransaction,
  type TransactionEvent,
  type TransactionState,
} from './transaction-state.ts';

const identity = { producerId: 7n, producerEpoch: 2 };

const STATES: { readonly [K in TransactionState['kind']]: Extract<TransactionState, { kind: K }> } =
  {
    empty: { kind: 'empty' },
    opening: { kind: 'opening' },
    open: { kind: 'open', ...identity },
    prepared: { kind: 'prepared', ...identity },
    ended: { kind: 'ended' },
  };

const EVENTS: { readonly [K in TransactionEvent['kind']]: Extract<TransactionEvent, { kind: K }> } =
  {
    record: { kind: 'record' },
    initialized: { kind: 'initialized', ...identity },
    flushed: { kind: 'flushed' },
    close: { kind: 'close' },
  };

/** Complete by type. `bug`: it must never happen. */
const TABLE: {
  readonly [S in TransactionState['kind']]: {
    readonly [E in TransactionEvent['kind']]: TransactionState['kind'] | 'bug';
  };
} = {
  empty: { record: 'opening', initialized: 'bug', flushed: 'ended', close: 'ended' },
  opening: { record: 'opening', initialized: 'open', flushed: 'bug', close: 'ended' },
  open: { record: 'open', initialized: 'bug', flushed: 'prepared', close: 'ended' },
  prepared: { record: 'bug', initialized: 'bug', flushed: 'bug', close: 'prepared' },
  ended: { record: 'bug', initialized: 'ended', flushed: 'ended', close: 'ended' },
};

describe('a transaction', () => {
  const rows = Object.entries(TABLE).flatMap(([state, row]) =>
    Object.entries(row).map(([event, to]) => [state, event, to] as const),
  );
  test.each(rows)('%s, %s: %s', (from, name, to) => {
    const state = STATES[from as TransactionState['kind']];
    const event = EVENTS[name as TransactionEvent['kind']];
    if (to === 'bug') expect(() => stepTransaction(state, event)).toThrow();
    else expect(stepTransaction(state, event)).toEqual(STATES[to]);
  });
});

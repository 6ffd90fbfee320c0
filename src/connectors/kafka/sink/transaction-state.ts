/**
 * The life of a transaction at its writer: a pure state machine. What becomes of it afterwards is the
 * committer's, which may well live in another process.
 *
 *   empty ──record──► opening ──initialized──► open ──flushed──► prepared
 *     │                  │                       │
 *     └──flushed/close──►└────────close─────────►└──close──► ended     (open: the broker is told to abort)
 *
 * Always holds: `prepared` is reached only when every record is at the broker, and is never left: a
 * checkpoint may hold the handle, so the writer must neither abort it nor use its id again.
 */
import { assert } from '../../../common/assert.ts';

export type TransactionState =
  | { readonly kind: 'empty' }
  | { readonly kind: 'opening' }
  | ({ readonly kind: 'open' } & ProducerIdentity)
  | ({ readonly kind: 'prepared' } & ProducerIdentity)
  | { readonly kind: 'ended' };

export interface ProducerIdentity {
  readonly producerId: bigint;
  readonly producerEpoch: number;
}

export type TransactionEvent =
  | { readonly kind: 'record' }
  | ({ readonly kind: 'initialized' } & ProducerIdentity)
  /** All that was written is at the broker; nothing will be added. */
  | { readonly kind: 'flushed' }
  | { readonly kind: 'close' };

export const EMPTY_TRANSACTION: TransactionState = { kind: 'empty' };

export function stepTransaction(
  state: TransactionState,
  event: TransactionEvent,
): TransactionState {
  switch (event.kind) {
    case 'record':
      assert(state.kind !== 'prepared' && state.kind !== 'ended', `a record when ${state.kind}`);
      return state.kind === 'empty' ? { kind: 'opening' } : state;
    case 'initialized': {
      // Closed while the broker was asked: the id stays empty, and the next start fences it.
      if (state.kind === 'ended') return state;
      assert(state.kind === 'opening', `initialized when ${state.kind}`);
      const { producerId, producerEpoch } = event;
      return { kind: 'open', producerId, producerEpoch };
    }
    case 'flushed':
      assert(state.kind !== 'opening' && state.kind !== 'prepared', `flushed when ${state.kind}`);
      if (state.kind === 'open') return { ...state, kind: 'prepared' };
      return { kind: 'ended' };
    case 'close':
      return state.kind === 'prepared' ? state : { kind: 'ended' };
  }
}

/**
 * Broadcast state: a map that is equal on all subtasks, because each of them gets all elements of
 * the broadcast side in the same order and only they may write. For the other side there is a view.
 */
import { EngineError } from '../common/errors.ts';
import type {
  BroadcastDescriptors,
  ReadOnlyBroadcasts,
  WritableBroadcasts,
} from '../contracts/functions.ts';
import type { BroadcastState, ReadOnlyBroadcastState } from '../contracts/state.ts';
import type { OperatorContext } from '../runtime/operator.ts';
import { ElementContext, KeyedElementContext, TimerContext } from './process-context.ts';

export interface Broadcasts {
  readonly writable: WritableBroadcasts<BroadcastDescriptors>;
  readonly readOnly: ReadOnlyBroadcasts<BroadcastDescriptors>;
}

/** Declares what the spec names. */
export function declareBroadcasts(
  descriptors: BroadcastDescriptors,
  { operatorState, uid }: OperatorContext,
): Broadcasts {
  const writable: Record<string, BroadcastState<unknown, unknown>> = {};
  const readOnly: Record<string, ReadOnlyBroadcastState<unknown, unknown>> = {};
  for (const [field, descriptor] of Object.entries(descriptors)) {
    const state: BroadcastState<unknown, unknown> = operatorState.broadcastState(descriptor);
    writable[field] = state;
    readOnly[field] = readOnlyView(state, uid, descriptor.name);
  }
  return { writable, readOnly };
}

export class BroadcastElementContext<B> extends ElementContext {
  readonly broadcast: B;

  constructor(broadcast: B, watermarkMs: () => number, nowMs: () => number) {
    super(watermarkMs, nowMs);
    this.broadcast = broadcast;
  }
}

export class KeyedBroadcastElementContext extends KeyedElementContext {
  readonly broadcast: Broadcasts['readOnly'];

  constructor(
    broadcast: Broadcasts['readOnly'],
    ...rest: ConstructorParameters<typeof KeyedElementContext>
  ) {
    super(...rest);
    this.broadcast = broadcast;
  }
}

export class BroadcastTimerContext extends TimerContext {
  readonly broadcast: Broadcasts['readOnly'];

  constructor(
    broadcast: Broadcasts['readOnly'],
    ...rest: ConstructorParameters<typeof TimerContext>
  ) {
    super(...rest);
    this.broadcast = broadcast;
  }
}

/** Has the writing methods too, for who calls them in spite of their types. */
function readOnlyView(
  state: BroadcastState<unknown, unknown>,
  uid: string,
  name: string,
): BroadcastState<unknown, unknown> {
  const refuse = (): never => {
    throw new EngineError('OPR-106', 'user-code', 'the element side wrote to broadcast state', {
      details: { operator: uid, state: name },
      hint: 'Write to it in processBroadcastElement only: else the subtasks would no longer agree.',
    });
  };
  return {
    get: (key) => state.get(key),
    has: (key) => state.has(key),
    entries: () => state.entries(),
    keys: () => state.keys(),
    values: () => state.values(),
    isEmpty: () => state.isEmpty(),
    put: refuse,
    remove: refuse,
    clear: refuse,
  };
}

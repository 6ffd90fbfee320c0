import { assert } from '../common/assert.ts';
import type {
  BroadcastDescriptors,
  KeyedBroadcastProcessFunction,
} from '../contracts/functions.ts';
import type { StateDescriptors, StatesOf } from '../contracts/state.ts';
import type { OperatorContext, OperatorOutput } from '../runtime/operator.ts';
import {
  BroadcastElementContext,
  BroadcastTimerContext,
  KeyedBroadcastElementContext,
  declareBroadcasts,
  type Broadcasts,
} from './broadcasts.ts';
import { KeyedTwoInputOperator } from './keyed-two-input.ts';
import type { OperatorTimers } from './timers.ts';

type Process = KeyedBroadcastProcessFunction<
  unknown,
  unknown,
  unknown,
  StateDescriptors,
  BroadcastDescriptors,
  unknown
>;

interface Contexts {
  readonly element: KeyedBroadcastElementContext;
  readonly broadcast: BroadcastElementContext<Broadcasts['writable']>;
}

/** Flink's `KeyedBroadcastProcessFunction` at work. The broadcast side has no key and no timers. */
export class KeyedBroadcastProcessOperator extends KeyedTwoInputOperator<BroadcastTimerContext> {
  readonly #process: Process;
  readonly #broadcasts: BroadcastDescriptors;
  #contexts: Contexts | undefined;

  constructor(process: Process, states: StateDescriptors, broadcasts: BroadcastDescriptors) {
    super(process, states);
    this.#process = process;
    this.#broadcasts = broadcasts;
  }

  processElement(value: unknown, timestampMs: number): void {
    const { element } = this.#declared();
    element.key = this.enter(timestampMs);
    this.#process.processElement(value, element);
  }

  processElement2(value: unknown, timestampMs: number): void {
    const { broadcast } = this.#declared();
    this.enter(timestampMs);
    this.#process.processBroadcastElement(value, broadcast);
  }

  protected declareContexts(
    states: StatesOf<StateDescriptors>,
    timers: OperatorTimers,
    context: OperatorContext,
  ): BroadcastTimerContext {
    const { readOnly, writable } = declareBroadcasts(this.#broadcasts, context);
    this.#contexts = {
      element: new KeyedBroadcastElementContext(readOnly, states, timers),
      broadcast: new BroadcastElementContext(
        writable,
        () => timers.watermarkMs(),
        () => timers.nowMs(),
      ),
    };
    return new BroadcastTimerContext(readOnly, states, timers);
  }

  protected attach(output: OperatorOutput): void {
    const { element, broadcast } = this.#declared();
    element.attach(output);
    broadcast.attach(output);
  }

  #declared(): Contexts {
    assert(this.#contexts !== undefined, 'an element before `declare`');
    return this.#contexts;
  }
}

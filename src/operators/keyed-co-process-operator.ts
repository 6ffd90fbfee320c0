import { assert } from '../common/assert.ts';
import type { KeyedCoProcessFunction } from '../contracts/functions.ts';
import type { StateDescriptors, StatesOf } from '../contracts/state.ts';
import type { OperatorOutput } from '../runtime/operator.ts';
import { KeyedTwoInputOperator } from './keyed-two-input.ts';
import { KeyedElementContext, TimerContext } from './process-context.ts';
import type { OperatorTimers } from './timers.ts';

type Process = KeyedCoProcessFunction<unknown, unknown, unknown, StateDescriptors, unknown>;

/** Flink's `KeyedCoProcessOperator`: two inputs with one key, which share state and timers. */
export class KeyedCoProcessOperator extends KeyedTwoInputOperator<TimerContext> {
  readonly #process: Process;
  #element: KeyedElementContext | undefined;

  constructor(process: Process, states: StateDescriptors) {
    super(process, states);
    this.#process = process;
  }

  processElement(value: unknown, timestampMs: number): void {
    const element = this.#context();
    element.key = this.enter(timestampMs);
    this.#process.processElement1(value, element);
  }

  processElement2(value: unknown, timestampMs: number): void {
    const element = this.#context();
    element.key = this.enter(timestampMs);
    this.#process.processElement2(value, element);
  }

  protected declareContexts(
    states: StatesOf<StateDescriptors>,
    timers: OperatorTimers,
  ): TimerContext {
    this.#element = new KeyedElementContext(states, timers);
    return new TimerContext(states, timers);
  }

  protected attach(output: OperatorOutput): void {
    this.#context().attach(output);
  }

  #context(): KeyedElementContext {
    assert(this.#element !== undefined, 'an element before `declare`');
    return this.#element;
  }
}

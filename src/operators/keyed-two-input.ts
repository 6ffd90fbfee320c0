/** What keyed operators with two inputs share: state and timers of the current key. */
import { assert } from '../common/assert.ts';
import type { OnTimerContext, RuntimeContext } from '../contracts/functions.ts';
import type { StateDescriptors, StatesOf } from '../contracts/state.ts';
import type { TimeDomain } from '../contracts/windows.ts';
import type { Operator, OperatorContext, OperatorOutput } from '../runtime/operator.ts';
import type { KeyedStateBackend } from '../state/keyed-state-backend.ts';
import { declareStates, runtimeContextOf } from './process-context.ts';
import { OperatorTimers } from './timers.ts';

/** A context object that is reused for all calls. */
export interface KeyedContext {
  key: unknown;
  attach(output: OperatorOutput): void;
}

export interface TimerCallContext extends KeyedContext {
  timestamp: number;
  timeDomain: TimeDomain;
}

interface Lifecycle<T> {
  open?(context: RuntimeContext): void | Promise<void>;
  close?(): void | Promise<void>;
  onTimer?(timestampMs: number, context: T): unknown;
}

export abstract class KeyedTwoInputOperator<
  T extends TimerCallContext & OnTimerContext<unknown, StateDescriptors, unknown>,
> implements Operator {
  readonly #function: Lifecycle<T>;
  readonly #descriptors: StateDescriptors;
  #keyed: KeyedStateBackend | undefined;
  #output: OperatorOutput | undefined;
  #timers: OperatorTimers | undefined;
  #timerContext: T | undefined;
  /** A watermark whose timers have not all fired. */
  #pendingMs: number | undefined;

  constructor(fn: Lifecycle<T>, descriptors: StateDescriptors) {
    this.#function = fn;
    this.#descriptors = descriptors;
  }

  declare(context: OperatorContext): void {
    const { keyed, uid } = context;
    assert(keyed !== undefined, `'${uid}' has no key`);
    this.#keyed = keyed;
    const states = declareStates(this.#descriptors, keyed);
    const timers = new OperatorTimers({
      context,
      fire: (timestampMs, domain) => {
        this.#fire(timestampMs, domain);
      },
    });
    this.#timers = timers;
    this.#timerContext = this.declareContexts(states, timers, context);
  }

  open(context: OperatorContext): void | Promise<void> {
    this.#output = context.output;
    this.#timerContext?.attach(context.output);
    this.attach(context.output);
    this.timers().open();
    return this.#function.open?.(runtimeContextOf(context));
  }

  abstract processElement(value: unknown, timestampMs: number): void;
  abstract processElement2(value: unknown, timestampMs: number): void;

  processWatermark(watermarkMs: number): void {
    this.#pendingMs = watermarkMs;
    if (this.timers().advance(watermarkMs)) this.#passWatermark();
  }

  resume(): boolean {
    if (!this.timers().resume()) return false;
    this.#passWatermark();
    return true;
  }

  endInput(): void {
    this.timers().quiesce();
  }

  close(): void | Promise<void> {
    this.#timers?.close();
    return this.#function.close?.();
  }

  /** Makes the contexts; returns the one for timers. */
  protected abstract declareContexts(
    states: StatesOf<StateDescriptors>,
    timers: OperatorTimers,
    context: OperatorContext,
  ): T;

  /** Lets the contexts of elements emit. */
  protected abstract attach(output: OperatorOutput): void;

  /** Before each call of the user's function; returns the current key. */
  protected enter(timestampMs: number): unknown {
    const { moment } = this.#running();
    moment.timestampMs = timestampMs;
    return this.#keyed?.currentKey();
  }

  protected timers(): OperatorTimers {
    assert(this.#timers !== undefined, 'timers are there from `declare` on');
    return this.#timers;
  }

  #fire(timestampMs: number, domain: TimeDomain): void {
    const context = this.#timerContext;
    if (context === undefined) return;
    // As in Flink, what a processing-time timer emits has no event time.
    context.key = this.enter(domain === 'event-time' ? timestampMs : Number.NaN);
    context.timestamp = timestampMs;
    context.timeDomain = domain;
    this.#function.onTimer?.(timestampMs, context);
  }

  #passWatermark(): void {
    const watermarkMs = this.#pendingMs;
    if (watermarkMs === undefined) return;
    this.#pendingMs = undefined;
    this.#running().watermark(watermarkMs);
  }

  #running(): OperatorOutput {
    assert(this.#output !== undefined, 'nothing is processed before open');
    return this.#output;
  }
}

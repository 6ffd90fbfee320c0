import { assert } from '../common/assert.ts';
import type { KeyedProcessFunction } from '../contracts/functions.ts';
import type { StateDescriptors } from '../contracts/state.ts';
import type { TimeDomain } from '../contracts/windows.ts';
import type { Inline } from '../runtime/inline.ts';
import type { Operator, OperatorContext, OperatorOutput } from '../runtime/operator.ts';
import { RecordGuard } from './dead-letters.ts';
import {
  KeyedElementContext,
  TimerContext,
  declareStates,
  runtimeContextOf,
} from './process-context.ts';
import { OperatorTimers } from './timers.ts';

/** Flink's `KeyedProcessOperator`: a user's function with state and timers of the current key. */
export class KeyedProcessOperator implements Operator {
  readonly #process: KeyedProcessFunction<unknown, unknown, StateDescriptors, unknown>;
  readonly #states: StateDescriptors;
  #inline: Inline | undefined;
  #opened: Opened | undefined;
  #declared: Omit<Opened, 'output' | 'context'> | undefined;
  /** A watermark whose timers have not all fired. */
  #pendingMs: number | undefined;

  readonly #guard: RecordGuard | undefined;

  /** @param isGuarded An element on which the function throws becomes a dead letter. */
  constructor(
    process: KeyedProcessFunction<unknown, unknown, StateDescriptors, unknown>,
    states: StateDescriptors,
    isGuarded = false,
  ) {
    this.#process = process;
    this.#states = states;
    this.#guard = isGuarded ? new RecordGuard() : undefined;
  }

  get inline(): Inline | undefined {
    return this.#inline;
  }

  declare(context: OperatorContext): void {
    const { keyed } = context;
    assert(keyed !== undefined, `'${context.uid}' has no key`);
    const states = declareStates(this.#states, keyed);
    const timers = new OperatorTimers({
      context,
      fire: (timestampMs, domain) => {
        this.#fire(timestampMs, domain);
      },
    });
    const guard = this.#guard;
    const element =
      guard === undefined
        ? new KeyedElementContext(states, timers)
        : new KeyedElementContext(guard.states(this.#states, states), guard.timers(timers));
    const process =
      guard === undefined
        ? this.#process
        : { processElement: (value: unknown) => this.#runGuarded(guard, value, element) };
    this.#declared = { timers, element, timer: new TimerContext(states, timers) };
    this.#inline = { kind: 'keyed-process', process, context: element };
  }

  open(context: OperatorContext): void | Promise<void> {
    assert(this.#declared !== undefined, 'open comes after declare');
    const { output } = context;
    this.#opened = { ...this.#declared, context, output };
    this.#guard?.open(context);
    this.#opened.element.attach(this.#guard?.output ?? output);
    this.#opened.timer.attach(output);
    this.#opened.timers.open();
    return this.#process.open?.(runtimeContextOf(context));
  }

  processElement(value: unknown, timestampMs: number): void {
    const { element, output, context } = this.#running();
    element.key = context.keyed?.currentKey();
    output.moment.timestampMs = timestampMs;
    if (this.#guard !== undefined) this.#runGuarded(this.#guard, value, element);
    else this.#process.processElement(value, element);
  }

  processWatermark(watermarkMs: number): void {
    const { timers, output } = this.#running();
    this.#pendingMs = watermarkMs;
    if (!timers.advance(watermarkMs)) return;
    this.#pendingMs = undefined;
    output.watermark(watermarkMs);
  }

  resume(): boolean {
    const { timers, output } = this.#running();
    if (!timers.resume()) return false;
    const watermarkMs = this.#pendingMs;
    this.#pendingMs = undefined;
    if (watermarkMs !== undefined) output.watermark(watermarkMs);
    return true;
  }

  endInput(): void {
    this.#running().timers.quiesce();
  }

  close(): void | Promise<void> {
    this.#declared?.timers.close();
    return this.#process.close?.();
  }

  #fire(timestampMs: number, domain: TimeDomain): void {
    const { timer, output, context } = this.#running();
    timer.key = context.keyed?.currentKey();
    timer.timestamp = timestampMs;
    timer.timeDomain = domain;
    // As in Flink, what a processing-time timer emits has no event time.
    output.moment.timestampMs = domain === 'event-time' ? timestampMs : Number.NaN;
    this.#process.onTimer?.(timestampMs, timer);
  }

  #runGuarded(guard: RecordGuard, value: unknown, element: KeyedElementContext): void {
    guard.run(value, () => {
      this.#process.processElement(value, element);
    });
  }

  #running(): Opened {
    assert(this.#opened !== undefined, 'nothing is processed before open');
    return this.#opened;
  }
}

interface Opened {
  readonly timers: OperatorTimers;
  readonly element: KeyedElementContext;
  readonly timer: TimerContext;
  readonly output: OperatorOutput;
  readonly context: OperatorContext;
}

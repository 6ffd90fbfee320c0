import { assert } from '../common/assert.ts';
import type { BroadcastDescriptors, BroadcastProcessFunction } from '../contracts/functions.ts';
import type { Operator, OperatorContext, OperatorOutput } from '../runtime/operator.ts';
import { BroadcastElementContext, declareBroadcasts, type Broadcasts } from './broadcasts.ts';
import { runtimeContextOf } from './process-context.ts';

type Process = BroadcastProcessFunction<unknown, unknown, BroadcastDescriptors, unknown>;

interface Contexts {
  readonly element: BroadcastElementContext<Broadcasts['readOnly']>;
  readonly broadcast: BroadcastElementContext<Broadcasts['writable']>;
}

/** Flink's `BroadcastProcessFunction` at work: elements without a key, and a broadcast side. */
export class BroadcastProcessOperator implements Operator {
  readonly #process: Process;
  readonly #descriptors: BroadcastDescriptors;
  #contexts: Contexts | undefined;
  #output: OperatorOutput | undefined;
  #watermarkMs = -Infinity;

  constructor(process: Process, descriptors: BroadcastDescriptors) {
    this.#process = process;
    this.#descriptors = descriptors;
  }

  declare(context: OperatorContext): void {
    const { readOnly, writable } = declareBroadcasts(this.#descriptors, context);
    const watermarkMs = () => this.#watermarkMs;
    const nowMs = () => context.world.clock.wallMs();
    this.#contexts = {
      element: new BroadcastElementContext(readOnly, watermarkMs, nowMs),
      broadcast: new BroadcastElementContext(writable, watermarkMs, nowMs),
    };
  }

  open(context: OperatorContext): void | Promise<void> {
    const { output } = context;
    this.#output = output;
    this.#contexts?.element.attach(output);
    this.#contexts?.broadcast.attach(output);
    return this.#process.open?.(runtimeContextOf(context));
  }

  processElement(value: unknown, timestampMs: number): void {
    this.#process.processElement(value, this.#at(timestampMs).element);
  }

  processElement2(value: unknown, timestampMs: number): void {
    this.#process.processBroadcastElement(value, this.#at(timestampMs).broadcast);
  }

  processWatermark(watermarkMs: number): void {
    this.#watermarkMs = watermarkMs;
    this.#output?.watermark(watermarkMs);
  }

  close(): void | Promise<void> {
    return this.#process.close?.();
  }

  #at(timestampMs: number): Contexts {
    assert(this.#output !== undefined && this.#contexts !== undefined, 'an element before open');
    this.#output.moment.timestampMs = timestampMs;
    return this.#contexts;
  }
}

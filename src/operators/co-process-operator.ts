import { assert } from '../common/assert.ts';
import type { CoProcessFunction } from '../contracts/functions.ts';
import type { Operator, OperatorContext, OperatorOutput } from '../runtime/operator.ts';
import { ElementContext, runtimeContextOf } from './process-context.ts';

/** Flink's `CoProcessOperator`: two inputs without a key. */
export class CoProcessOperator implements Operator {
  readonly #process: CoProcessFunction<unknown, unknown, unknown>;
  #context: ElementContext | undefined;
  #output: OperatorOutput | undefined;
  #watermarkMs = -Infinity;

  constructor(process: CoProcessFunction<unknown, unknown, unknown>) {
    this.#process = process;
  }

  open(context: OperatorContext): void | Promise<void> {
    const { output, world } = context;
    this.#output = output;
    this.#context = new ElementContext(
      () => this.#watermarkMs,
      () => world.clock.wallMs(),
    );
    this.#context.attach(output);
    return this.#process.open?.(runtimeContextOf(context));
  }

  processElement(value: unknown, timestampMs: number): void {
    this.#process.processElement1(value, this.#at(timestampMs));
  }

  processElement2(value: unknown, timestampMs: number): void {
    this.#process.processElement2(value, this.#at(timestampMs));
  }

  processWatermark(watermarkMs: number): void {
    this.#watermarkMs = watermarkMs;
    this.#output?.watermark(watermarkMs);
  }

  close(): void | Promise<void> {
    return this.#process.close?.();
  }

  #at(timestampMs: number): ElementContext {
    assert(this.#output !== undefined && this.#context !== undefined, 'an element before open');
    this.#output.moment.timestampMs = timestampMs;
    return this.#context;
  }
}

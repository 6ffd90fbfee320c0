import { assert } from '../common/assert.ts';
import type { ProcessFunction } from '../contracts/functions.ts';
import type { Inline } from '../runtime/inline.ts';
import type { Operator, OperatorContext, OperatorOutput } from '../runtime/operator.ts';
import { ElementContext, runtimeContextOf } from './process-context.ts';

/** A user's function without a key: emits to the main and to side outputs. */
export class ProcessOperator implements Operator {
  readonly #process: ProcessFunction<unknown, unknown>;
  #inline: Inline | undefined;
  #context: ElementContext | undefined;
  #output: OperatorOutput | undefined;
  #watermarkMs = -Infinity;

  constructor(process: ProcessFunction<unknown, unknown>) {
    this.#process = process;
  }

  get inline(): Inline | undefined {
    return this.#inline;
  }

  declare({ world }: OperatorContext): void {
    this.#context = new ElementContext(
      () => this.#watermarkMs,
      () => world.clock.wallMs(),
    );
    this.#inline = { kind: 'process', process: this.#process, context: this.#context };
  }

  open(context: OperatorContext): void | Promise<void> {
    this.#output = context.output;
    this.#context?.attach(context.output);
    return this.#process.open?.(runtimeContextOf(context));
  }

  processElement(value: unknown, timestampMs: number): void {
    assert(this.#output !== undefined && this.#context !== undefined, 'an element before open');
    this.#output.moment.timestampMs = timestampMs;
    this.#process.processElement(value, this.#context);
  }

  processWatermark(watermarkMs: number): void {
    this.#watermarkMs = watermarkMs;
    this.#output?.watermark(watermarkMs);
  }

  close(): void | Promise<void> {
    return this.#process.close?.();
  }
}

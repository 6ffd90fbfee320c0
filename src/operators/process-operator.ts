import { assert } from '../common/assert.ts';
import type { ProcessFunction } from '../contracts/functions.ts';
import type { Inline } from '../runtime/inline.ts';
import type { Operator, OperatorContext, OperatorOutput } from '../runtime/operator.ts';
import { RecordGuard } from './dead-letters.ts';
import { ElementContext, runtimeContextOf } from './process-context.ts';

/** A user's function without a key: emits to the main and to side outputs. */
export class ProcessOperator implements Operator {
  readonly #process: ProcessFunction<unknown, unknown>;
  #inline: Inline | undefined;
  #context: ElementContext | undefined;
  #output: OperatorOutput | undefined;
  #watermarkMs = -Infinity;
  readonly #guard: RecordGuard | undefined;

  /** @param isGuarded An element on which the function throws becomes a dead letter. */
  constructor(process: ProcessFunction<unknown, unknown>, isGuarded = false) {
    this.#process = process;
    this.#guard = isGuarded ? new RecordGuard() : undefined;
  }

  get inline(): Inline | undefined {
    return this.#inline;
  }

  declare({ world }: OperatorContext): void {
    this.#context = new ElementContext(
      () => this.#watermarkMs,
      () => world.clock.wallMs(),
    );
    const guard = this.#guard;
    const process =
      guard === undefined
        ? this.#process
        : { processElement: (value: unknown) => this.#runGuarded(guard, value) };
    this.#inline = { kind: 'process', process, context: this.#context };
  }

  open(context: OperatorContext): void | Promise<void> {
    this.#output = context.output;
    this.#guard?.open(context);
    this.#context?.attach(this.#guard?.output ?? context.output);
    return this.#process.open?.(runtimeContextOf(context));
  }

  processElement(value: unknown, timestampMs: number): void {
    assert(this.#output !== undefined && this.#context !== undefined, 'an element before open');
    this.#output.moment.timestampMs = timestampMs;
    if (this.#guard !== undefined) this.#runGuarded(this.#guard, value);
    else this.#process.processElement(value, this.#context);
  }

  processWatermark(watermarkMs: number): void {
    this.#watermarkMs = watermarkMs;
    this.#output?.watermark(watermarkMs);
  }

  close(): void | Promise<void> {
    return this.#process.close?.();
  }

  #runGuarded(guard: RecordGuard, value: unknown): void {
    const context = this.#context;
    assert(context !== undefined, 'an element before open');
    guard.run(value, () => {
      this.#process.processElement(value, context);
    });
  }
}

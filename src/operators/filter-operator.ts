import type { Inline } from '../runtime/inline.ts';
import type { Operator, OperatorContext, OperatorOutput } from '../runtime/operator.ts';

/** Emits the elements for which the function says true. */
export class FilterOperator implements Operator {
  readonly inline: Inline;
  readonly #filter: (value: unknown) => boolean;
  #output: OperatorOutput | undefined;

  constructor(filter: (value: unknown) => boolean) {
    this.#filter = filter;
    this.inline = { kind: 'filter', filter };
  }

  open({ output }: OperatorContext): void {
    this.#output = output;
  }

  processElement(value: unknown, timestampMs: number): void {
    if (this.#filter(value)) this.#output?.emit(value, timestampMs);
  }

  close(): void {
    // Nothing is held.
  }
}

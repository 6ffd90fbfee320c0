import type { Output } from '../contracts/output.ts';
import type { Inline } from '../runtime/inline.ts';
import type { Operator, OperatorContext, OperatorOutput } from '../runtime/operator.ts';

type FlatMap = (value: unknown, out: Output<unknown>) => void;

/** Lets the function emit any number of elements for each. */
export class FlatMapOperator implements Operator {
  readonly inline: Inline;
  readonly #flatMap: FlatMap;
  #output: OperatorOutput | undefined;

  constructor(flatMap: FlatMap) {
    this.#flatMap = flatMap;
    this.inline = { kind: 'flat-map', flatMap };
  }

  open({ output }: OperatorContext): void {
    this.#output = output;
  }

  processElement(value: unknown, timestampMs: number): void {
    if (this.#output === undefined) return;
    this.#output.moment.timestampMs = timestampMs;
    this.#flatMap(value, this.#output.user);
  }

  close(): void {
    // Nothing is held.
  }
}

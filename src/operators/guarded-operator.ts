import type { Output } from '../contracts/output.ts';
import type { Inline } from '../runtime/inline.ts';
import type { Operator, OperatorContext, OperatorOutput } from '../runtime/operator.ts';
import { RecordGuard } from './dead-letters.ts';

/** A map, filter or flatMap, as what it emits for an element. */
export type ElementFunction = (value: unknown, out: Output<unknown>) => void;

/** Runs a function without state, and makes a dead letter of an element on which it throws. */
export class GuardedOperator implements Operator {
  readonly inline: Inline;
  readonly #function: ElementFunction;
  readonly #guard = new RecordGuard();
  #output: OperatorOutput | undefined;

  constructor(fn: ElementFunction) {
    this.#function = fn;
    this.inline = {
      kind: 'flat-map',
      flatMap: (value) => {
        this.#run(value);
      },
    };
  }

  open(context: OperatorContext): void {
    this.#output = context.output;
    this.#guard.open(context);
  }

  processElement(value: unknown, timestampMs: number): void {
    if (this.#output !== undefined) this.#output.moment.timestampMs = timestampMs;
    this.#run(value);
  }

  close(): void {
    // Nothing is held.
  }

  #run(value: unknown): void {
    this.#guard.run(value, () => {
      this.#function(value, this.#guard.out);
    });
  }
}

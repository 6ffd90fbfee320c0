import type { Inline } from '../runtime/inline.ts';
import type { Operator, OperatorContext, OperatorOutput } from '../runtime/operator.ts';

/** Emits what the function makes of each element. */
export class MapOperator implements Operator {
  readonly inline: Inline;
  readonly #map: (value: unknown) => unknown;
  #output: OperatorOutput | undefined;

  constructor(map: (value: unknown) => unknown) {
    this.#map = map;
    this.inline = { kind: 'map', map };
  }

  open({ output }: OperatorContext): void {
    this.#output = output;
  }

  processElement(value: unknown, timestampMs: number): void {
    this.#output?.emit(this.#map(value), timestampMs);
  }

  close(): void {
    // Nothing is held.
  }
}

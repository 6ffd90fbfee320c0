import { assert } from '../common/assert.ts';
import type { StateDescriptors } from '../contracts/state.ts';
import type { Inline } from '../runtime/inline.ts';
import type { Operator, OperatorContext, OperatorOutput } from '../runtime/operator.ts';

/** The running reduction of each key's elements, emitted for each element. */
export class ReduceOperator implements Operator {
  readonly #states: StateDescriptors;
  #inline: Extract<Inline, { kind: 'reduce' }> | undefined;
  #output: OperatorOutput | undefined;

  constructor(states: StateDescriptors) {
    this.#states = states;
  }

  get inline(): Inline | undefined {
    return this.#inline;
  }

  declare({ uid, keyed }: OperatorContext): void {
    const [descriptor] = Object.values(this.#states);
    assert(keyed !== undefined && descriptor?.kind === 'reducing', `'${uid}' keeps one reduction`);
    this.#inline = { kind: 'reduce', state: keyed.declare(descriptor) };
  }

  open({ output }: OperatorContext): void {
    this.#output = output;
  }

  processElement(value: unknown, timestampMs: number): void {
    assert(this.#inline !== undefined, 'an element before open');
    const { state } = this.#inline;
    state.add(value);
    this.#output?.emit(state.get(), timestampMs);
  }

  close(): void {
    // State belongs to the task.
  }
}

/** States that fold what is added into one value: Flink's `ReducingState` and `AggregatingState`. */
import type {
  AggregatingState,
  AggregatingStateDescriptor,
  ReducingState,
} from '../contracts/state.ts';
import type { SavableState } from './savable-state.ts';
import { savedCell, type StateCell } from './value-state.ts';

export class HeapReducingState<T> implements ReducingState<T>, SavableState {
  readonly #cell: StateCell<T>;
  readonly #reduce: (a: T, b: T) => T;

  constructor(cell: StateCell<T>, reduce: (a: T, b: T) => T) {
    this.#cell = cell;
    this.#reduce = reduce;
  }

  get(): T | undefined {
    return this.#cell.value();
  }

  add(value: T): void {
    const sum = this.#cell.value();
    this.#cell.update(sum === undefined ? value : this.#reduce(sum, value));
  }

  clear(): void {
    this.#cell.clear();
  }

  saved(): () => void {
    return savedCell(this.#cell, (sum) => sum);
  }
}

export class HeapAggregatingState<In, Acc, Out> implements AggregatingState<In, Out>, SavableState {
  readonly #cell: StateCell<Acc>;
  readonly #descriptor: AggregatingStateDescriptor<In, Acc, Out>;

  constructor(cell: StateCell<Acc>, descriptor: AggregatingStateDescriptor<In, Acc, Out>) {
    this.#cell = cell;
    this.#descriptor = descriptor;
  }

  get(): Out | undefined {
    const accumulator = this.#cell.value();
    return accumulator === undefined ? undefined : this.#descriptor.getResult(accumulator);
  }

  add(value: In): void {
    const accumulator = this.#cell.value() ?? this.#descriptor.createAccumulator();
    this.#cell.update(this.#descriptor.add(accumulator, value));
  }

  clear(): void {
    this.#cell.clear();
  }

  /** `add` may change its accumulator: the copy is what comes back. */
  saved(): () => void {
    return savedCell(this.#cell, (accumulator) => this.#descriptor.accumulator.copy(accumulator));
  }
}

/**
 * State as a function gets it whose failures become dead letters: what it changes can be taken back.
 *
 * Always holds: nothing that the stored state refers to leaves it. A function gets copies, so that
 * what it changes in place is no change of the state before `update`; that is the price of the guard.
 */
import { assert } from '../common/assert.ts';
import type {
  AggregatingState,
  AnyStateDescriptor,
  ListState,
  MapState,
  ReducingState,
  StateDescriptors,
  StateOf,
  StatesOf,
  ValueState,
} from '../contracts/state.ts';
import type { Serializer } from '../serde/serializer.ts';
import type { SavableState } from '../state/savable-state.ts';

/** What has to be done to take a call's changes back. */
export class UndoLog {
  /** Counts calls: a state notes its old value once in each. */
  call = 0;
  #undo: (() => void)[] = [];

  note(undo: () => void): void {
    this.#undo.push(undo);
  }

  /** The call has ended well. */
  keep(): void {
    this.call++;
    if (this.#undo.length > 0) this.#undo = [];
  }

  /** The call has failed: all is as before it. */
  rollBack(): void {
    for (const undo of this.#undo.reverse()) undo();
    this.keep();
  }
}

export function guardedStates(
  descriptors: StateDescriptors,
  states: StatesOf<StateDescriptors>,
  log: UndoLog,
): StatesOf<StateDescriptors> {
  return Object.fromEntries(
    Object.entries(descriptors).map(([name, descriptor]) => [
      name,
      guarded(descriptor, states[name], log),
    ]),
  );
}

function guarded(
  descriptor: AnyStateDescriptor,
  state: unknown,
  log: UndoLog,
): StateOf<AnyStateDescriptor> {
  switch (descriptor.kind) {
    case 'value':
      return new GuardedValue(
        state as ValueState<unknown>,
        log,
        descriptor.serializer as Serializer<unknown>,
      );
    case 'list':
      return new GuardedList(
        state as ListState<unknown>,
        log,
        descriptor.element as Serializer<unknown>,
      );
    case 'map':
      return new GuardedMap(
        state as MapState<unknown, unknown>,
        log,
        descriptor.value as Serializer<unknown>,
      );
    case 'reducing':
    case 'aggregating':
      return new GuardedFold(state as ReducingState<unknown>, log);
  }
}

/** Notes once in a call what the state was before it. */
class Noted {
  readonly #state: unknown;
  readonly #log: UndoLog;
  #notedIn = -1;

  constructor(state: unknown, log: UndoLog) {
    this.#state = state;
    this.#log = log;
  }

  note(): void {
    if (this.#notedIn === this.#log.call) return;
    this.#notedIn = this.#log.call;
    const { saved } = this.#state as Partial<SavableState>;
    assert(saved !== undefined, 'the state backend cannot put state back');
    this.#log.note(saved.call(this.#state));
  }
}

class GuardedValue implements ValueState<unknown> {
  readonly #state: ValueState<unknown>;
  readonly #noted: Noted;
  readonly #serializer: Serializer<unknown>;

  constructor(state: ValueState<unknown>, log: UndoLog, serializer: Serializer<unknown>) {
    this.#state = state;
    this.#noted = new Noted(state, log);
    this.#serializer = serializer;
  }

  value(): unknown {
    return copyWith(this.#serializer, this.#state.value());
  }

  update(value: unknown): void {
    this.#noted.note();
    this.#state.update(value);
  }

  clear(): void {
    this.#noted.note();
    this.#state.clear();
  }
}

class GuardedList implements ListState<unknown> {
  readonly #state: ListState<unknown>;
  readonly #noted: Noted;
  readonly #element: Serializer<unknown>;

  constructor(state: ListState<unknown>, log: UndoLog, element: Serializer<unknown>) {
    this.#state = state;
    this.#noted = new Noted(state, log);
    this.#element = element;
  }

  get(): readonly unknown[] {
    return this.#state.get().map((item) => copyWith(this.#element, item));
  }

  add(value: unknown): void {
    this.#noted.note();
    this.#state.add(value);
  }

  addAll(values: readonly unknown[]): void {
    this.#noted.note();
    this.#state.addAll(values);
  }

  update(values: readonly unknown[]): void {
    this.#noted.note();
    this.#state.update(values);
  }

  clear(): void {
    this.#noted.note();
    this.#state.clear();
  }
}

/** Notes each entry that is changed, not the whole map. */
class GuardedMap implements MapState<unknown, unknown> {
  readonly #state: MapState<unknown, unknown>;
  readonly #log: UndoLog;
  readonly #serializer: Serializer<unknown>;

  constructor(state: MapState<unknown, unknown>, log: UndoLog, serializer: Serializer<unknown>) {
    this.#state = state;
    this.#log = log;
    this.#serializer = serializer;
  }

  get(key: unknown): unknown {
    return copyWith(this.#serializer, this.#state.get(key));
  }

  has(key: unknown): boolean {
    return this.#state.has(key);
  }

  put(key: unknown, value: unknown): void {
    this.#note(key);
    this.#state.put(key, value);
  }

  remove(key: unknown): void {
    this.#note(key);
    this.#state.remove(key);
  }

  *entries(): IterableIterator<[unknown, unknown]> {
    for (const [key, value] of this.#state.entries())
      yield [key, copyWith(this.#serializer, value)];
  }

  keys(): IterableIterator<unknown> {
    return this.#state.keys();
  }

  *values(): IterableIterator<unknown> {
    for (const value of this.#state.values()) yield copyWith(this.#serializer, value);
  }

  isEmpty(): boolean {
    return this.#state.isEmpty();
  }

  clear(): void {
    for (const key of [...this.#state.keys()]) this.#note(key);
    this.#state.clear();
  }

  #note(key: unknown): void {
    const state = this.#state;
    const value = state.get(key);
    const had = value !== undefined || state.has(key);
    this.#log.note(() => {
      if (had) state.put(key, value);
      else state.remove(key);
    });
  }
}

/** Reducing and aggregating state: the same calls. What `get` computes is the function's own. */
class GuardedFold implements ReducingState<unknown>, AggregatingState<unknown, unknown> {
  readonly #state: ReducingState<unknown>;
  readonly #noted: Noted;

  constructor(state: ReducingState<unknown>, log: UndoLog) {
    this.#state = state;
    this.#noted = new Noted(state, log);
  }

  get(): unknown {
    return this.#state.get();
  }

  add(value: unknown): void {
    this.#noted.note();
    this.#state.add(value);
  }

  clear(): void {
    this.#noted.note();
    this.#state.clear();
  }
}

function copyWith(serializer: Serializer<unknown>, value: unknown): unknown {
  return typeof value === 'object' && value !== null ? serializer.copy(value) : value;
}

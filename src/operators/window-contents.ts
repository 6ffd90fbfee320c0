/**
 * What a window keeps of its elements, and how that becomes a result: one of an accumulator, a
 * reduction or all elements, as keyed state in the namespace of the window.
 */
import type { AggregatingState, ListState, ReducingState } from '../contracts/state.ts';
import type { AggregateFunction, WindowContext, WindowFunction } from '../contracts/windows.ts';
import { WINDOW_CONTENTS } from '../graph/operator-states.ts';
import type { KeyedStateBackend } from '../state/keyed-state-backend.ts';

type AnyWindowFunction = WindowFunction<unknown, unknown, unknown>;
type AnyAggregate = AggregateFunction<unknown, unknown, unknown>;
type Emit = ((result: unknown, context: WindowContext<unknown, unknown>) => void) | undefined;

/** The contents of the current key and namespace. */
export interface WindowContents {
  /** Adds an element; true if the window may have been empty before. */
  add(value: unknown): boolean;
  /** Gives the result to the user's function, or out; nothing if the window is empty. */
  emit(context: WindowContext<unknown, unknown>): void;
  /** Takes everything out, as `merge` wants it; `undefined` if there is nothing. */
  take(): unknown;
  merge(taken: unknown): void;
  clear(): void;
}

/** Declares the state, so it comes before the restore. */
export function windowContents(fn: AnyWindowFunction, keyed: KeyedStateBackend): WindowContents {
  switch (fn.kind) {
    case 'aggregate':
      return new AggregateContents(fn.aggregate, fn.emit, keyed);
    case 'reduce':
      return new ReduceContents(fn, keyed);
    case 'process':
      return new ElementContents(fn, keyed);
  }
}

class AggregateContents implements WindowContents {
  readonly #aggregate: AnyAggregate;
  readonly #emit: Emit;
  readonly #state: AggregatingState<unknown, unknown>;
  #merging = false;

  constructor(aggregate: AnyAggregate, emit: Emit, keyed: KeyedStateBackend) {
    this.#aggregate = aggregate;
    this.#emit = emit;
    // Of the state we want the accumulator itself: windows that merge have two.
    this.#state = keyed.declare({
      kind: 'aggregating',
      name: WINDOW_CONTENTS,
      ttl: undefined,
      accumulator: aggregate.accumulator,
      createAccumulator: () => aggregate.createAccumulator(),
      add: (accumulator: unknown, value: unknown) =>
        this.#merging ? aggregate.merge?.(accumulator, value) : aggregate.add(accumulator, value),
      getResult: (accumulator: unknown) => accumulator,
      merge: undefined,
    });
  }

  add(value: unknown): boolean {
    const isNew = this.#state.get() === undefined;
    this.#state.add(value);
    return isNew;
  }

  emit(context: WindowContext<unknown, unknown>): void {
    const accumulator = this.#state.get();
    if (accumulator === undefined) return;
    const result = this.#aggregate.getResult(accumulator);
    if (this.#emit === undefined) context.out.emit(result);
    else this.#emit(result, context);
  }

  take(): unknown {
    const accumulator = this.#state.get();
    this.#state.clear();
    return accumulator;
  }

  merge(taken: unknown): void {
    this.#merging = true;
    try {
      this.#state.add(taken);
    } finally {
      this.#merging = false;
    }
  }

  clear(): void {
    this.#state.clear();
  }
}

class ReduceContents implements WindowContents {
  readonly #emit: Emit;
  readonly #state: ReducingState<unknown>;

  constructor(fn: Extract<AnyWindowFunction, { kind: 'reduce' }>, keyed: KeyedStateBackend) {
    this.#emit = fn.emit;
    this.#state = keyed.declare({
      kind: 'reducing',
      name: WINDOW_CONTENTS,
      ttl: undefined,
      serializer: fn.element,
      reduce: fn.reduce,
    });
  }

  add(value: unknown): boolean {
    const isNew = this.#state.get() === undefined;
    this.#state.add(value);
    return isNew;
  }

  emit(context: WindowContext<unknown, unknown>): void {
    const result = this.#state.get();
    if (result === undefined) return;
    if (this.#emit === undefined) context.out.emit(result);
    else this.#emit(result, context);
  }

  take(): unknown {
    const reduced = this.#state.get();
    this.#state.clear();
    return reduced;
  }

  merge(taken: unknown): void {
    this.#state.add(taken);
  }

  clear(): void {
    this.#state.clear();
  }
}

class ElementContents implements WindowContents {
  readonly #process: Extract<AnyWindowFunction, { kind: 'process' }>['process'];
  readonly #state: ListState<unknown>;

  constructor(fn: Extract<AnyWindowFunction, { kind: 'process' }>, keyed: KeyedStateBackend) {
    this.#process = fn.process;
    this.#state = keyed.declare({
      kind: 'list',
      name: WINDOW_CONTENTS,
      ttl: undefined,
      element: fn.element,
    });
  }

  /** Does not look at the list: whoever reads it gets it, and the next `add` would copy it. */
  add(value: unknown): boolean {
    this.#state.add(value);
    return true;
  }

  emit(context: WindowContext<unknown, unknown>): void {
    const elements = this.#state.get();
    if (elements.length > 0) this.#process(elements, context);
  }

  take(): unknown {
    const elements = this.#state.get();
    this.#state.clear();
    return elements.length === 0 ? undefined : elements;
  }

  merge(taken: unknown): void {
    this.#state.addAll(taken as readonly unknown[]);
  }

  clear(): void {
    this.#state.clear();
  }
}

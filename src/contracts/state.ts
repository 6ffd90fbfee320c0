import type { Serializer } from '../serde/serializer.ts';

/** State of the current key, as in Flink. All calls are synchronous. */
export interface ValueState<T> {
  /** The value, or the descriptor's default, or `undefined`. A change to it counts only after `update`. */
  value(): T | undefined;
  update(value: T): void;
  clear(): void;
}

export interface ListState<T> {
  /** The elements in the order they were added; empty if there are none. */
  get(): readonly T[];
  add(value: T): void;
  addAll(values: readonly T[]): void;
  update(values: readonly T[]): void;
  clear(): void;
}

export interface MapState<K, V> {
  get(key: K): V | undefined;
  put(key: K, value: V): void;
  has(key: K): boolean;
  remove(key: K): void;
  entries(): IterableIterator<[K, V]>;
  keys(): IterableIterator<K>;
  values(): IterableIterator<V>;
  isEmpty(): boolean;
  clear(): void;
}

/** Flink's `ReducingState`: `get` is the reduction of all added values. */
export interface ReducingState<T> {
  get(): T | undefined;
  add(value: T): void;
  clear(): void;
}

/** Flink's `AggregatingState`. */
export interface AggregatingState<In, Out> {
  get(): Out | undefined;
  add(value: In): void;
  clear(): void;
}

/** Broadcast state: a map that is equal on all subtasks, written only by the broadcast side. */
export type BroadcastState<K, V> = MapState<K, V>;
export type ReadOnlyBroadcastState<K, V> = Pick<
  MapState<K, V>,
  'get' | 'has' | 'entries' | 'keys' | 'values' | 'isEmpty'
>;

/** Time to live of state entries. */
export interface StateTtl {
  /** Milliseconds of processing time after the last update. */
  readonly ttlMs: number;
  /** `on-write` (default): only writes renew. `on-read-and-write`: reads renew as well. */
  readonly update: 'on-write' | 'on-read-and-write';
}

interface Named {
  /** Unique within the operator; written into every snapshot. */
  readonly name: string;
  readonly ttl: StateTtl | undefined;
}

export interface ValueStateDescriptor<T> extends Named {
  readonly kind: 'value';
  readonly serializer: Serializer<T>;
  readonly defaultValue: T | undefined;
}

export interface ListStateDescriptor<T> extends Named {
  readonly kind: 'list';
  readonly element: Serializer<T>;
}

/** Map keys are canonical keys (see `KeySerializer`), as keys of streams are. */
export interface MapStateDescriptor<K, V> extends Named {
  readonly kind: 'map';
  readonly key: Serializer<K>;
  readonly value: Serializer<V>;
}

export interface ReducingStateDescriptor<T> extends Named {
  readonly kind: 'reducing';
  readonly serializer: Serializer<T>;
  readonly reduce: (a: T, b: T) => T;
}

export interface AggregatingStateDescriptor<In, Acc, Out> extends Named {
  readonly kind: 'aggregating';
  readonly accumulator: Serializer<Acc>;
  readonly createAccumulator: () => Acc;
  readonly add: (accumulator: Acc, value: In) => Acc;
  readonly getResult: (accumulator: Acc) => Out;
  readonly merge: ((a: Acc, b: Acc) => Acc) | undefined;
}

/** What an operator declares in its call: a name in the function's `state` to a descriptor. */
export type StateDescriptors = Readonly<Record<string, AnyStateDescriptor>>;

/* eslint-disable @typescript-eslint/no-explicit-any -- variance: any descriptor fits here. */
export type AnyStateDescriptor =
  | ValueStateDescriptor<any>
  | ListStateDescriptor<any>
  | MapStateDescriptor<any, any>
  | ReducingStateDescriptor<any>
  | AggregatingStateDescriptor<any, any, any>;
/* eslint-enable @typescript-eslint/no-explicit-any */

/** The state object that belongs to a descriptor. */
export type StateOf<D> =
  D extends ValueStateDescriptor<infer T>
    ? ValueState<T>
    : D extends ListStateDescriptor<infer T>
      ? ListState<T>
      : D extends MapStateDescriptor<infer K, infer V>
        ? MapState<K, V>
        : D extends ReducingStateDescriptor<infer T>
          ? ReducingState<T>
          : D extends AggregatingStateDescriptor<infer In, infer _Acc, infer Out>
            ? AggregatingState<In, Out>
            : never;

/** The `state` argument of a process function. */
export type StatesOf<D extends StateDescriptors> = { readonly [N in keyof D]: StateOf<D[N]> };

import type {
  AggregatingStateDescriptor,
  ListStateDescriptor,
  MapStateDescriptor,
  ReducingStateDescriptor,
  StateTtl,
  ValueStateDescriptor,
} from '../contracts/state.ts';
import { toSerializer, type SchemaOf } from '../serde/to-serializer.ts';
import { requireDuration, requireStateName, requireSyncFunction } from './checks.ts';
import type { AnySchema, InferOutput } from './schemas.ts';

/*
 * Descriptors of keyed state. They are values: declare one beside the job and name it in the
 * operator's call. The name is written into every snapshot: to rename a state is to lose it.
 */

export interface StateOptions {
  /**
   * Milliseconds of processing time after which an entry is gone. At least 1. Default: kept
   * forever, so that state grows with the number of keys.
   */
  readonly ttlMs?: number;
  /** What renews an entry. Default `on-write`. */
  readonly update?: StateTtl['update'];
}

export interface ValueStateOptions<T> extends StateOptions {
  /** What `value()` returns where nothing is stored. Default: `undefined`. Never change it in place. */
  readonly defaultValue?: T;
}

/**
 * One value per key.
 *
 * @param name Unique within the operator. 1 to 100 letters, digits, `.`, `_` and `-`.
 * @throws {EngineError} `API-006`, `API-009` (`invalid`) for a bad name or ttl.
 *
 * @example Count events per key
 * ```ts
 * const total = valueState('total', z.int32(), { defaultValue: 0 });
 *
 * orders
 *   .keyBy((order) => order.customerId)
 *   .process('count', { total }, (order, { state }) => {
 *     state.total.update((state.total.value() ?? 0) + 1);
 *   });
 * ```
 */
export function valueState<S extends AnySchema>(
  name: string,
  schema: S,
  options: ValueStateOptions<InferOutput<S>> = {},
): ValueStateDescriptor<InferOutput<S>> {
  return {
    kind: 'value',
    ...named(name, options),
    serializer: serializerOf(schema),
    defaultValue: options.defaultValue,
  };
}

/**
 * A list per key; adding does not read what is there.
 *
 * @throws {EngineError} `API-006`, `API-009` (`invalid`) for a bad name or ttl.
 */
export function listState<S extends AnySchema>(
  name: string,
  element: S,
  options: StateOptions = {},
): ListStateDescriptor<InferOutput<S>> {
  return { kind: 'list', ...named(name, options), element: serializerOf(element) };
}

/**
 * A map per key, and the state of a broadcast stream. A read or write touches one entry, and each
 * entry has its own time to live.
 *
 * @throws {EngineError} `API-006`, `API-009` (`invalid`) for a bad name or ttl.
 *
 * @example
 * ```ts
 * const maxDelta = mapState('max_signal_delta', z.string(), z.number(), { ttlMs: days(7) });
 * ```
 */
export function mapState<S extends AnySchema, V extends AnySchema>(
  name: string,
  key: S,
  value: V,
  options: StateOptions = {},
): MapStateDescriptor<InferOutput<S>, InferOutput<V>> {
  return {
    kind: 'map',
    ...named(name, options),
    key: serializerOf(key),
    value: serializerOf(value),
  };
}

/**
 * One value per key, into which each added value is reduced at once.
 *
 * @param reduce Pure; must not change its arguments.
 * @throws {EngineError} `API-004` to `API-006`, `API-009` (`invalid`)
 */
export function reducingState<S extends AnySchema>(
  name: string,
  schema: S,
  reduce: (a: InferOutput<S>, b: InferOutput<S>) => InferOutput<S>,
  options: StateOptions = {},
): ReducingStateDescriptor<InferOutput<S>> {
  requireSyncFunction(reduce, { uid: name, what: 'reduce' });
  return { kind: 'reducing', ...named(name, options), serializer: serializerOf(schema), reduce };
}

/** How an aggregating state (or a window) sums up its values; Flink's `AggregateFunction`. */
export interface Aggregation<In, Acc, Out> {
  /** The schema of the accumulator, which is what is stored. */
  readonly accumulator: SchemaOf<Acc>;
  /** A fresh, empty accumulator. */
  readonly createAccumulator: () => NoInfer<Acc>;
  /** Adds a value. May change the accumulator in place and return it. */
  readonly add: (accumulator: NoInfer<Acc>, value: In) => NoInfer<Acc>;
  readonly getResult: (accumulator: NoInfer<Acc>) => Out;
  /** Both in one. Needed for session windows only. */
  readonly merge?: (a: NoInfer<Acc>, b: NoInfer<Acc>) => NoInfer<Acc>;
}

/**
 * One accumulator per key, into which each added value goes at once.
 *
 * @throws {EngineError} `API-004` to `API-006`, `API-009` (`invalid`)
 *
 * @example
 * ```ts
 * const average = aggregatingState('average', {
 *   accumulator: z.object({ sum: z.number(), count: z.number() }),
 *   createAccumulator: () => ({ sum: 0, count: 0 }),
 *   add: (a, value: number) => ({ sum: a.sum + value, count: a.count + 1 }),
 *   getResult: (a) => a.sum / a.count,
 * });
 * ```
 */
export function aggregatingState<In, Acc, Out>(
  name: string,
  aggregation: Aggregation<In, Acc, Out>,
  options: StateOptions = {},
): AggregatingStateDescriptor<In, Acc, Out> {
  return { kind: 'aggregating', ...named(name, options), ...checkedAggregation(name, aggregation) };
}

/** Its functions still belong to `aggregation`, which may be an object of a class. @throws {EngineError} `API-004`, `API-005` */
export function checkedAggregation<In, Acc, Out>(
  uid: string,
  aggregation: Aggregation<In, Acc, Out>,
) {
  requireSyncFunction(aggregation.createAccumulator, { uid, what: 'createAccumulator' });
  requireSyncFunction(aggregation.add, { uid, what: 'add' });
  requireSyncFunction(aggregation.getResult, { uid, what: 'getResult' });
  const { merge } = aggregation;
  if (merge !== undefined) requireSyncFunction(merge, { uid, what: 'merge' });
  return {
    accumulator: toSerializer(aggregation.accumulator),
    createAccumulator: () => aggregation.createAccumulator(),
    add: (accumulator: Acc, value: In) => aggregation.add(accumulator, value),
    getResult: (accumulator: Acc) => aggregation.getResult(accumulator),
    merge: merge?.bind(aggregation),
  };
}

function named(name: string, { ttlMs, update }: StateOptions) {
  requireStateName(name);
  if (ttlMs === undefined) return { name, ttl: undefined };
  requireDuration('ttlMs', ttlMs);
  return { name, ttl: { ttlMs, update: update ?? 'on-write' } } as const;
}

function serializerOf<S extends AnySchema>(schema: S) {
  return toSerializer(schema as SchemaOf<InferOutput<S>>);
}

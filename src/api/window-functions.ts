import type { Sync } from '../contracts/functions.ts';
import type { AggregateFunction, WindowContext, WindowFunction } from '../contracts/windows.ts';
import { toSerializer, type SchemaOf } from '../serde/to-serializer.ts';
import { requireSyncFunction } from './checks.ts';
import type { AnySchema, InferOutput } from './schemas.ts';
import { checkedAggregation, type Aggregation } from './state-descriptors.ts';

/** What the `emit` of a window knows beside the result. Reused: never keep it. */
export type WindowResultContext<K> = Omit<WindowContext<K, never>, 'out'>;

/**
 * Sums each window up in an accumulator: of all window functions the one with the least state.
 *
 * @throws {EngineError} `API-004`, `API-005` (`invalid`)
 *
 * @example Mean per hour, with its hour
 * ```ts
 * readings.keyBy((r) => r.deviceId).window(
 *   'hourly',
 *   tumbling(hours(1)),
 *   aggregate(
 *     {
 *       accumulator: z.object({ sum: z.number(), count: z.number() }),
 *       createAccumulator: () => ({ sum: 0, count: 0 }),
 *       add: (a, reading) => ({ sum: a.sum + reading.value, count: a.count + 1 }),
 *       getResult: (a) => a.sum / a.count,
 *     },
 *     (mean, { key, window }) => ({ deviceId: key, hour: window.start, mean }),
 *   ),
 * );
 * ```
 */
export function aggregate<In, Acc, Out>(
  aggregation: Aggregation<In, Acc, Out>,
): WindowFunction<In, unknown, Out>;
/** With `emit`, which makes what is emitted of the result, the key and the window. */
export function aggregate<In, Acc, Out, K, U>(
  aggregation: Aggregation<In, Acc, Out>,
  emit: (result: NoInfer<Out>, context: WindowResultContext<K>) => Sync<U>,
): WindowFunction<In, K, U>;
export function aggregate<In, Acc, Out, K, U>(
  aggregation: Aggregation<In, Acc, Out>,
  emit?: (result: Out, context: WindowResultContext<K>) => Sync<U>,
): WindowFunction<In, K, U> {
  const { merge, ...required } = checkedAggregation('aggregate', aggregation);
  return aggregateWindow({ ...required, ...(merge && { merge }) }, emit);
}

/** @internal The window function of an aggregate that is checked already. */
export function aggregateWindow<In, Acc, Out, K, U>(
  aggregate: AggregateFunction<In, Acc, Out>,
  emit: ((result: Out, context: WindowResultContext<K>) => Sync<U>) | undefined,
): WindowFunction<In, K, U> {
  return { kind: 'aggregate', aggregate, emit: emitting(emit) };
}

/**
 * Reduces each window to one element, step by step.
 *
 * @param reduce Pure; must not change its arguments.
 * @throws {EngineError} `API-004`, `API-005` (`invalid`)
 *
 * @example `reduceWindow(Reading, (a, b) => (a.value > b.value ? a : b))`
 */
export function reduceWindow<S extends AnySchema>(
  element: S,
  reduce: (a: InferOutput<S>, b: InferOutput<S>) => InferOutput<S>,
): WindowFunction<InferOutput<S>, unknown, InferOutput<S>>;
/** With `emit`, which makes what is emitted of the reduction, the key and the window. */
export function reduceWindow<S extends AnySchema, K, U>(
  element: S,
  reduce: (a: InferOutput<S>, b: InferOutput<S>) => InferOutput<S>,
  emit: (result: InferOutput<S>, context: WindowResultContext<K>) => Sync<U>,
): WindowFunction<InferOutput<S>, K, U>;
export function reduceWindow<T, K, U>(
  element: SchemaOf<T>,
  reduce: (a: T, b: T) => T,
  emit?: (result: T, context: WindowResultContext<K>) => Sync<U>,
): WindowFunction<T, K, U> {
  requireSyncFunction(reduce, { uid: 'reduceWindow', what: 'reduce' });
  return { kind: 'reduce', element: toSerializer(element), reduce, emit: emitting(emit) };
}

/**
 * Gets all elements of a window at once, in the order in which they came. All are kept until then:
 * prefer `aggregate` where it can do it.
 *
 * Emits elements of the same type, unless `output` or an annotation of `out` says otherwise.
 *
 * @throws {EngineError} `API-004`, `API-005` (`invalid`)
 *
 * @example The median
 * ```ts
 * const Median = z.object({ hour: z.number(), median: z.number() });
 *
 * processWindow(Reading, Median, (elements, { window, out }) => {
 *   const values = elements.map((r) => r.value).sort((a, b) => a - b);
 *   out.emit({ hour: window.start, median: values[values.length >> 1] ?? 0 });
 * });
 * ```
 */
export function processWindow<S extends AnySchema, K, R, U = InferOutput<S>>(
  element: S,
  process: (elements: readonly InferOutput<S>[], context: WindowContext<K, U>) => Sync<R>,
): WindowFunction<InferOutput<S>, K, U>;
/** With the schema of what it emits. */
export function processWindow<S extends AnySchema, O extends AnySchema, K, R>(
  element: S,
  output: O,
  process: (
    elements: readonly InferOutput<S>[],
    context: WindowContext<K, InferOutput<O>>,
  ) => Sync<R>,
): WindowFunction<InferOutput<S>, K, InferOutput<O>>;
export function processWindow<T, K, U>(
  element: SchemaOf<T>,
  ...rest: readonly unknown[]
): WindowFunction<T, K, U> {
  const process = rest.at(-1);
  requireSyncFunction(process, { uid: 'processWindow', what: 'process' });
  return {
    kind: 'process',
    element: toSerializer(element),
    process: process as (elements: readonly T[], context: WindowContext<K, U>) => void,
  };
}

/** As the contract wants it: puts the result of `emit` out. */
function emitting<T, K, U>(
  emit: ((result: T, context: WindowResultContext<K>) => Sync<U>) | undefined,
): ((result: T, context: WindowContext<K, U>) => void) | undefined {
  if (emit === undefined) return undefined;
  requireSyncFunction(emit, { uid: 'window', what: 'emit' });
  return (result, context) => {
    context.out.emit(emit(result, context) as U);
  };
}

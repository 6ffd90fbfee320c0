import type { Sync } from '../contracts/functions.ts';
import type { AggregateFunction, WindowFunction } from '../contracts/windows.ts';
import { serializerOf } from '../serde/structural-serializer.ts';
import { requireSyncFunction } from './checks.ts';
import { aggregateWindow, type WindowResultContext } from './window-functions.ts';

/*
 * The windows that everybody needs, each with a number as its result. `emit` makes what is emitted
 * of the number, the key and the window; without it the number itself is emitted.
 */

/** What is emitted of a window's number. Its context is reused: never keep it. */
export type EmitResult<K, U> = (result: number, context: WindowResultContext<K>) => Sync<U>;

/** A window whose result is a number; `select` takes it from each element. */
export interface NumberWindow {
  <In>(select: (value: In) => number): WindowFunction<In, unknown, number>;
  /** With `emit`, which makes what is emitted of the number, the key and the window. */
  <In, K, U>(select: (value: In) => number, emit: EmitResult<K, U>): WindowFunction<In, K, U>;
}

const FLOAT64 = serializerOf({ kind: 'float64' });
const MEAN = serializerOf({ kind: 'tuple', of: [{ kind: 'float64' }, { kind: 'float64' }] });

/**
 * How many elements a window has.
 *
 * @example `clicks.keyBy((c) => c.user).window('visits', session(minutes(30)), count())`
 */
export function count<In>(): WindowFunction<In, unknown, number>;
/** With `emit`, which makes what is emitted of the number, the key and the window. */
export function count<In, K, U>(emit: EmitResult<K, U>): WindowFunction<In, K, U>;
export function count<In, K, U>(emit?: EmitResult<K, U>): WindowFunction<In, K, U> {
  return aggregateWindow(
    folding(
      'count',
      () => 1,
      0,
      (total, one) => total + one,
    ),
    emit,
  );
}

/**
 * The sum of a number of each element.
 *
 * @example
 * ```ts
 * sales.keyBy((sale) => sale.shop).window(
 *   'hourly',
 *   tumbling(hours(1)),
 *   sum((sale) => sale.amount, (total, { key, window }) => ({ shop: key, hour: window.start, total })),
 * );
 * ```
 */
export const sum: NumberWindow = <In, K, U>(
  select: (value: In) => number,
  emit?: EmitResult<K, U>,
) =>
  aggregateWindow(
    folding('sum', select, 0, (total, value) => total + value),
    emit,
  );

/** The least of a number of each element. */
export const min: NumberWindow = <In, K, U>(
  select: (value: In) => number,
  emit?: EmitResult<K, U>,
) => aggregateWindow(folding('min', select, Infinity, Math.min), emit);

/** The greatest of a number of each element. */
export const max: NumberWindow = <In, K, U>(
  select: (value: In) => number,
  emit?: EmitResult<K, U>,
) => aggregateWindow(folding('max', select, -Infinity, Math.max), emit);

/** The arithmetic mean of a number of each element. */
export const mean: NumberWindow = <In, K, U>(
  select: (value: In) => number,
  emit?: EmitResult<K, U>,
) => {
  requireSyncFunction(select, { uid: 'mean', what: 'select' });
  const aggregate: AggregateFunction<In, readonly [number, number], number> = {
    accumulator: MEAN,
    createAccumulator: () => [0, 0],
    add: ([total, elements], value) => [total + select(value), elements + 1],
    getResult: ([total, elements]) => total / elements,
    merge: (a, b) => [a[0] + b[0], a[1] + b[1]],
  };
  return aggregateWindow(aggregate, emit);
};

function folding<In>(
  uid: string,
  select: (value: In) => number,
  start: number,
  fold: (a: number, b: number) => number,
): AggregateFunction<In, number, number> {
  requireSyncFunction(select, { uid, what: 'select' });
  return {
    accumulator: FLOAT64,
    createAccumulator: () => start,
    add: (result, value) => fold(result, select(value)),
    getResult: (result) => result,
    merge: fold,
  };
}

/*
 * Lengths of time in whole milliseconds, for options whose names end in `Ms`: `hours(1)` is
 * 3_600_000. Fractions are allowed as long as whole milliseconds come out: `minutes(0.5)`.
 */

/** @example `days(400)` */
export function days(count: number): number {
  return Math.round(count * 86_400_000);
}

/** @example `tumbling(hours(1))` */
export function hours(count: number): number {
  return Math.round(count * 3_600_000);
}

/** @example `session(minutes(30))` */
export function minutes(count: number): number {
  return Math.round(count * 60_000);
}

/** @example `boundedOutOfOrderness((order: Order) => order.at, seconds(5))` */
export function seconds(count: number): number {
  return Math.round(count * 1000);
}

/** For symmetry: the count itself, rounded. */
export function milliseconds(count: number): number {
  return Math.round(count);
}

import type { WatermarkStrategy } from '../contracts/watermark-strategy.ts';
import { requireDuration, requireSyncFunction, requireWhole } from './checks.ts';

export interface WatermarkOptions {
  /**
   * Milliseconds of processing time after which a split without elements holds nobody's event time
   * up any more. Default: never. Too small: elements of a slow split come late. Too large: one
   * silent split stops all windows that long.
   */
  readonly idlenessMs?: number;
}

/**
 * Timestamps that never go back within a split. An element that does go back is late.
 *
 * @param timestamp Milliseconds since 1970 of an element; pure and synchronous. `undefined` keeps the
 * timestamps that the source gives, such as those of Kafka.
 * @throws {EngineError} `API-004`, `API-005`, `API-009`
 *
 * @example
 * ```ts
 * env.fromSource('rows', files('data/rows.csv', Row), monotonous((row) => row.at));
 * ```
 */
export function monotonous<T>(
  timestamp: ((value: T) => number) | undefined,
  options: WatermarkOptions = {},
): WatermarkStrategy<T> {
  return bounded('monotonous', timestamp, 0, options);
}

/**
 * Timestamps that go back by at most `outOfOrdernessMs` within a split: the watermark stays that
 * far behind the greatest one seen.
 *
 * @param outOfOrdernessMs Too small: elements are late. Too large: windows fire that much later
 * and their state is kept that much longer.
 * @throws {EngineError} `API-004`, `API-005`, `API-009`
 *
 * @example
 * ```ts
 * boundedOutOfOrderness((order: Order) => order.at, seconds(5), { idlenessMs: minutes(1) });
 * ```
 */
export function boundedOutOfOrderness<T>(
  timestamp: ((value: T) => number) | undefined,
  outOfOrdernessMs: number,
  options: WatermarkOptions = {},
): WatermarkStrategy<T> {
  requireWhole('outOfOrdernessMs', outOfOrdernessMs, { least: 0, example: 'seconds(5)' });
  return bounded('boundedOutOfOrderness', timestamp, outOfOrdernessMs, options);
}

/**
 * No event time: event-time timers and windows fire only at the end of a bounded input. The
 * default of `env.fromSource`.
 */
export function noWatermarks(): WatermarkStrategy<unknown> {
  return { timestamp: undefined, generator: { kind: 'none' }, idlenessMs: undefined };
}

function bounded<T>(
  what: string,
  timestamp: ((value: T) => number) | undefined,
  outOfOrdernessMs: number,
  { idlenessMs }: WatermarkOptions,
): WatermarkStrategy<T> {
  if (timestamp !== undefined) requireSyncFunction(timestamp, { uid: what, what: 'timestamp' });
  if (idlenessMs !== undefined) requireDuration('idlenessMs', idlenessMs);
  return {
    timestamp,
    generator: { kind: 'bounded', outOfOrdernessMs },
    idlenessMs,
  };
}

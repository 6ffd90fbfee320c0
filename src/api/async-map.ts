import type { OperatorSpec } from '../graph/operator-spec.ts';
import type { Serializer } from '../serde/serializer.ts';
import { requireDuration, requireWhole } from './checks.ts';

export interface AsyncMapOptions {
  /** Results in the order of their elements. Default true; false is faster where one call is slow. */
  readonly ordered?: boolean;
  /**
   * Calls under way at a time, per subtask. Default 100. Too large: the service is flooded, and
   * checkpoints carry that many elements. Too small: throughput is capacity / latency.
   */
  readonly capacity?: number;
  /** Milliseconds after which a call fails the job. Default 60 000. */
  readonly timeoutMs?: number;
}

/** @throws {EngineError} `API-009` */
export function asyncMapSpec<T>(
  element: Serializer<T>,
  asyncMap: (value: T) => PromiseLike<unknown>,
  { ordered = true, capacity = 100, timeoutMs = 60_000 }: AsyncMapOptions,
): OperatorSpec {
  requireWhole('capacity', capacity, { least: 1, most: 100_000, example: '100' });
  requireDuration('timeoutMs', timeoutMs);
  return {
    kind: 'async-map',
    asyncMap: async (value: T) => asyncMap(value),
    ordered,
    capacity,
    timeoutMs,
    element,
  };
}

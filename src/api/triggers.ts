import type { CustomTrigger, Trigger } from '../contracts/windows.ts';
import { requireDuration, requireSyncFunction, requireWhole } from './checks.ts';

/** Fires when the watermark passes the window's end, and again for each late element. The default in event time. */
export function eventTimeTrigger(): Trigger {
  return { kind: 'event-time' };
}

/** Fires when the wall clock passes the window's end. The default of processing-time windows. */
export function processingTimeTrigger(): Trigger {
  return { kind: 'processing-time' };
}

/**
 * Fires each time the window has got `count` more elements. The elements stay in the window; wrap
 * it in `purging` to empty the window each time.
 *
 * @throws {EngineError} `API-009` (`invalid`) unless `count` is a whole number of at least 1.
 * @example `clicks.keyBy((c) => c.user).window('batches', globalWindow(), count(), { trigger: purging(countTrigger(100)) })`
 */
export function countTrigger(count: number): Trigger {
  requireWhole('count', count, { least: 1, example: '100' });
  return { kind: 'count', count, purge: false };
}

/**
 * Fires every `everyMs` of event time while the window is open, and at its end: early results.
 *
 * @throws {EngineError} `API-009` (`invalid`)
 */
export function continuousTrigger(everyMs: number): Trigger {
  requireDuration('everyMs', everyMs);
  return { kind: 'continuous', everyMs, time: 'event-time' };
}

/** Fires every `everyMs` of the wall clock while the window is open. @throws {EngineError} `API-009` */
export function continuousProcessingTimeTrigger(everyMs: number): Trigger {
  requireDuration('everyMs', everyMs);
  return { kind: 'continuous', everyMs, time: 'processing-time' };
}

/** Never fires. The default of `globalWindow`. */
export function neverTrigger(): Trigger {
  return { kind: 'never' };
}

/** Empties the window whenever `trigger` fires. */
export function purging<T>(trigger: Trigger<T>): Trigger<T> {
  return trigger.kind === 'count' ? { ...trigger, purge: true } : { kind: 'purging', trigger };
}

/**
 * A trigger of your own; Flink's `Trigger`. `context.counter` is its state per key and window.
 *
 * @throws {EngineError} `API-004`, `API-005` (`invalid`)
 *
 * @example Fire at once for an alarm, else at the window's end
 * ```ts
 * const alarms = customTrigger({
 *   onElement(reading: Reading, _timestampMs, window, context) {
 *     context.registerEventTime(window.end - 1);
 *     return reading.alarm ? 'fire' : 'continue';
 *   },
 *   onEventTime: () => 'fire',
 * });
 * ```
 */
export function customTrigger<T>(trigger: Omit<CustomTrigger<T>, 'kind'>): Trigger<T> {
  const uid = 'customTrigger';
  requireSyncFunction(trigger.onElement, { uid, what: 'onElement' });
  for (const what of ['onEventTime', 'onProcessingTime', 'onMerge'] as const) {
    if (trigger[what] !== undefined) requireSyncFunction(trigger[what], { uid, what });
  }
  return {
    kind: 'custom',
    onElement: (value, timestampMs, window, context) =>
      trigger.onElement(value, timestampMs, window, context),
    ...(trigger.onEventTime && { onEventTime: trigger.onEventTime.bind(trigger) }),
    ...(trigger.onProcessingTime && { onProcessingTime: trigger.onProcessingTime.bind(trigger) }),
    ...(trigger.onMerge && { onMerge: trigger.onMerge.bind(trigger) }),
  };
}

import { EngineError } from '../common/errors.ts';
import type { OutputTag } from '../contracts/output.ts';
import type {
  TimeDomain,
  Trigger,
  WindowAssigner,
  WindowFunction,
  WindowOptions,
} from '../contracts/windows.ts';
import { requireDuration, requireUid, requireWhole } from './checks.ts';

export interface AlignedWindowOptions {
  /**
   * Moves the window's edges, in milliseconds. Default 0: aligned to 1970 in UTC. `hours(-8)` makes
   * day windows start at midnight in UTC+8. Smaller than the size (the slide, of sliding windows).
   */
  readonly offsetMs?: number;
}

/**
 * Windows of one size, side by side, in event time.
 *
 * @throws {EngineError} `API-009` (`invalid`) for a size or offset that does not fit.
 * @example `readings.keyBy((r) => r.deviceId).window('hourly', tumbling(hours(1)), count())`
 */
export function tumbling(sizeMs: number, options: AlignedWindowOptions = {}): WindowAssigner {
  return tumblingIn('event-time', sizeMs, options);
}

/** `tumbling` by the wall clock of the machine: results differ from run to run. @throws {EngineError} `API-009` */
export function tumblingProcessingTime(
  sizeMs: number,
  options: AlignedWindowOptions = {},
): WindowAssigner {
  return tumblingIn('processing-time', sizeMs, options);
}

/**
 * Windows of one size that start every `slideMs`, in event time. An element is in `sizeMs / slideMs`
 * windows, and its state is kept as often.
 *
 * @throws {EngineError} `API-009` (`invalid`) for a size, slide or offset that does not fit.
 * @example `sliding(hours(1), minutes(5))`
 */
export function sliding(
  sizeMs: number,
  slideMs: number,
  options: AlignedWindowOptions = {},
): WindowAssigner {
  return slidingIn('event-time', sizeMs, slideMs, options);
}

/** `sliding` by the wall clock of the machine. @throws {EngineError} `API-009` */
export function slidingProcessingTime(
  sizeMs: number,
  slideMs: number,
  options: AlignedWindowOptions = {},
): WindowAssigner {
  return slidingIn('processing-time', sizeMs, slideMs, options);
}

/**
 * Windows that end after `gapMs` of event time without an element of the key. They merge, so that
 * an `aggregate` needs `merge` and a custom trigger `onMerge`.
 *
 * @throws {EngineError} `API-009` (`invalid`) for a gap that does not fit.
 * @example `clicks.keyBy((c) => c.user).window('visits', session(minutes(30)), count())`
 */
export function session(gapMs: number): WindowAssigner {
  requireDuration('gapMs', gapMs);
  return { kind: 'session', gapMs, time: 'event-time' };
}

/** `session` by the wall clock of the machine. @throws {EngineError} `API-009` */
export function sessionProcessingTime(gapMs: number): WindowAssigner {
  requireDuration('gapMs', gapMs);
  return { kind: 'session', gapMs, time: 'processing-time' };
}

/** One window per key that never ends. It gives results only by a trigger of your choice, such as `countTrigger`. */
export function globalWindow(): WindowAssigner {
  return { kind: 'global' };
}

export interface WindowCallOptions<T> {
  /**
   * When the window gives its result. Default: when time passes its end; never for `globalWindow`.
   */
  readonly trigger?: Trigger<T>;
  /**
   * Milliseconds that a window is kept after the watermark has passed its end; each element that
   * comes in that time gives the result anew. Default 0. Large values keep that much more state.
   */
  readonly allowedLatenessMs?: number;
  /** Where elements go whose windows are all gone. Default: they are dropped and counted. */
  readonly lateData?: OutputTag<T>;
}

/** @throws {EngineError} `API-001`, `API-008`, `API-009` */
export function checkedWindowOptions<T>(
  uid: string,
  assigner: WindowAssigner,
  fn: WindowFunction<T, never, never>,
  { trigger, allowedLatenessMs, lateData }: WindowCallOptions<T>,
): WindowOptions<T> {
  requireUid(uid);
  requireWhole('allowedLatenessMs', allowedLatenessMs ?? 0, { least: 0, example: 'minutes(5)' });
  if (assigner.kind === 'session') requireMergeable(uid, fn, trigger);
  return {
    trigger,
    allowedLatenessMs: allowedLatenessMs ?? 0,
    lateTagId: lateData?.id,
  };
}

function requireMergeable<T>(
  uid: string,
  fn: WindowFunction<T, never, never>,
  trigger: Trigger<T> | undefined,
): void {
  const inner = trigger?.kind === 'purging' ? trigger.trigger : trigger;
  let missing: string | undefined;
  if (fn.kind === 'aggregate' && fn.aggregate.merge === undefined) missing = 'merge';
  if (inner?.kind === 'custom' && inner.onMerge === undefined) missing = 'onMerge';
  if (missing === undefined) return;
  throw new EngineError('API-008', 'invalid', 'session windows merge, but the function cannot', {
    details: { uid, missing },
    hint:
      missing === 'merge'
        ? 'Give the aggregate a merge(a, b) that makes one accumulator of two.'
        : 'Give the trigger an onMerge that registers the timers of the merged window.',
  });
}

function tumblingIn(
  time: TimeDomain,
  sizeMs: number,
  { offsetMs = 0 }: AlignedWindowOptions,
): WindowAssigner {
  requireDuration('sizeMs', sizeMs);
  requireOffset(offsetMs, sizeMs);
  return { kind: 'tumbling', sizeMs, offsetMs, time };
}

function slidingIn(
  time: TimeDomain,
  sizeMs: number,
  slideMs: number,
  { offsetMs = 0 }: AlignedWindowOptions,
): WindowAssigner {
  requireDuration('sizeMs', sizeMs);
  requireDuration('slideMs', slideMs);
  requireOffset(offsetMs, slideMs);
  return { kind: 'sliding', sizeMs, slideMs, offsetMs, time };
}

function requireOffset(offsetMs: number, lengthMs: number): void {
  requireWhole('offsetMs', offsetMs, {
    least: 1 - lengthMs,
    most: lengthMs - 1,
    example: 'hours(-8), smaller than the window',
  });
}

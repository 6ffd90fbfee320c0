import type { Serializer } from '../serde/serializer.ts';
import type { Output, SideOutput } from './output.ts';

/** Event or processing time from `start` (included) to `end` (excluded), in milliseconds. */
export interface TimeWindow {
  readonly start: number;
  readonly end: number;
}

/** Says which windows an element belongs to. All shipped assigners are data, so that plans hold them. */
export type WindowAssigner =
  | {
      readonly kind: 'tumbling';
      readonly sizeMs: number;
      readonly offsetMs: number;
      readonly time: TimeDomain;
    }
  | {
      readonly kind: 'sliding';
      readonly sizeMs: number;
      readonly slideMs: number;
      readonly offsetMs: number;
      readonly time: TimeDomain;
    }
  | { readonly kind: 'session'; readonly gapMs: number; readonly time: TimeDomain }
  | { readonly kind: 'global' };

export type TimeDomain = 'event-time' | 'processing-time';

/** Flink's `TriggerResult`. */
export type TriggerResult = 'continue' | 'fire' | 'purge' | 'fire-and-purge';

/** When a window gives its result. The shipped ones are data; `custom` takes a function. */
export type Trigger<T = never> =
  | { readonly kind: 'event-time' }
  | { readonly kind: 'processing-time' }
  | { readonly kind: 'count'; readonly count: number; readonly purge: boolean }
  | { readonly kind: 'continuous'; readonly everyMs: number; readonly time: TimeDomain }
  | { readonly kind: 'never' }
  /** Whatever the inner trigger fires also empties the window. */
  | { readonly kind: 'purging'; readonly trigger: Trigger<T> }
  | CustomTrigger<T>;

export interface CustomTrigger<T> {
  readonly kind: 'custom';
  onElement(
    value: T,
    timestampMs: number,
    window: TimeWindow,
    context: TriggerContext,
  ): TriggerResult;
  onEventTime?(timestampMs: number, window: TimeWindow, context: TriggerContext): TriggerResult;
  onProcessingTime?(
    timestampMs: number,
    window: TimeWindow,
    context: TriggerContext,
  ): TriggerResult;
  /** Needed for session windows; sets timers of the merged window. */
  onMerge?(window: TimeWindow, context: TriggerContext): void;
}

export interface TriggerContext {
  watermarkMs(): number;
  nowMs(): number;
  registerEventTime(timestampMs: number): void;
  registerProcessingTime(timestampMs: number): void;
  deleteEventTime(timestampMs: number): void;
  deleteProcessingTime(timestampMs: number): void;
  /** A number kept per key and window (a count, a sum), 0 at first. */
  readonly counter: { get(): number; set(value: number): void };
}

/** Flink's `AggregateFunction`, with the accumulator's serializer. */
export interface AggregateFunction<In, Acc, Out> {
  readonly accumulator: Serializer<Acc>;
  createAccumulator(): Acc;
  add(accumulator: Acc, value: In): Acc;
  getResult(accumulator: Acc): Out;
  /** Needed for session windows. */
  merge?(a: Acc, b: Acc): Acc;
}

/** The context of a window's result. Reused: never keep it. */
export interface WindowContext<K, U> {
  readonly key: K;
  readonly window: TimeWindow;
  readonly out: Output<U>;
  readonly side: SideOutput;
  readonly watermarkMs: () => number;
  readonly nowMs: () => number;
}

/** What a window keeps of its elements, and what it emits when its trigger fires. */
export type WindowFunction<T, K, U> =
  | {
      readonly kind: 'aggregate';
      // eslint-disable-next-line @typescript-eslint/no-explicit-any -- the accumulator's type is nobody else's.
      readonly aggregate: AggregateFunction<T, any, any>;
      /** Default: emits the result itself. */
      // eslint-disable-next-line @typescript-eslint/no-explicit-any -- as above, for the result.
      readonly emit: ((result: any, context: WindowContext<K, U>) => void) | undefined;
    }
  | {
      readonly kind: 'reduce';
      readonly element: Serializer<T>;
      readonly reduce: (a: T, b: T) => T;
      readonly emit: ((result: T, context: WindowContext<K, U>) => void) | undefined;
    }
  | {
      readonly kind: 'process';
      /** All elements are kept until the window is purged. */
      readonly element: Serializer<T>;
      readonly process: (elements: readonly T[], context: WindowContext<K, U>) => void;
    };

export interface WindowOptions<T> {
  /** Default: event-time or processing-time, as the assigner; `never` for global windows. */
  readonly trigger: Trigger<T> | undefined;
  /** Milliseconds that a window is kept after the watermark has passed its end. Default 0. */
  readonly allowedLatenessMs: number;
  /** Where elements go whose windows are all gone. Default: they are dropped and counted. */
  readonly lateTagId: string | undefined;
}

import type { TimerService } from '../contracts/functions.ts';
import type { ValueState, ValueStateDescriptor } from '../contracts/state.ts';
import type { TimeDomain, TimeWindow, TriggerResult } from '../contracts/windows.ts';
import { serializerOf } from '../serde/structural-serializer.ts';

/** A trigger at work. */
export interface RunningTrigger {
  /** @param isNew The window was empty before this element. */
  onElement(value: unknown, timestampMs: number, window: TimeWindow, isNew: boolean): TriggerResult;
  onEventTime(timestampMs: number, window: TimeWindow): TriggerResult;
  onProcessingTime(timestampMs: number, window: TimeWindow): TriggerResult;
  /** `window` is made of `merged`, which are cleared afterwards. Any of them may be current after. */
  onMerge(window: TimeWindow, merged: readonly TimeWindow[]): void;
  /** The window is gone. */
  clear(window: TimeWindow): void;
}

/** What triggers need of their operator. */
export interface TriggerHost {
  readonly uid: string;
  /** Of the current key and window. */
  readonly timers: TimerService;
  readonly declare: <T>(descriptor: ValueStateDescriptor<T>) => ValueState<T>;
  /** Makes a window of the current key current. */
  readonly select: (window: TimeWindow) => void;
  /** Whether the operator itself has a timer then, which is not the trigger's to delete. */
  readonly isCleanup: (window: TimeWindow, timestampMs: number, domain: TimeDomain) => boolean;
}

/** A number per key and window; none is 0. */
export function numberState(name: string): ValueStateDescriptor<number> {
  const serializer = serializerOf({ kind: 'float64' });
  return { kind: 'value', name, ttl: undefined, serializer, defaultValue: undefined };
}

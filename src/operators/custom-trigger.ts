/**
 * Runs a trigger that the user wrote. Timers that it sets are noted per window, except the one at
 * the window's end, so that all of them are gone when the window is, without a `clear` of the user.
 */
import type { ValueState, ValueStateDescriptor } from '../contracts/state.ts';
import type {
  CustomTrigger,
  TimeDomain,
  TimeWindow,
  TriggerContext,
  TriggerResult,
} from '../contracts/windows.ts';
import { serializerOf } from '../serde/structural-serializer.ts';
import { numberState, type RunningTrigger, type TriggerHost } from './running-trigger.ts';
import { maxTimestampOf } from './window-assigner.ts';
import { badTriggerResult, badTriggerTime } from './window-errors.ts';

/** The timers of one window. Never changed in place. */
interface NotedTimers {
  readonly eventTimes: readonly number[];
  readonly processingTimes: readonly number[];
}

const NO_TIMERS: NotedTimers = { eventTimes: [], processingTimes: [] };
const RESULTS: ReadonlySet<unknown> = new Set(['continue', 'fire', 'purge', 'fire-and-purge']);

export class CustomTriggerRunner implements RunningTrigger {
  readonly #trigger: CustomTrigger<unknown>;
  readonly #host: TriggerHost;
  readonly #counter: ValueState<number>;
  readonly #noted: ValueState<NotedTimers>;
  readonly #context: TriggerContext;
  #window: TimeWindow = { start: 0, end: 0 };

  constructor(trigger: CustomTrigger<unknown>, host: TriggerHost) {
    this.#trigger = trigger;
    this.#host = host;
    this.#counter = host.declare(numberState('trigger-counter'));
    this.#noted = host.declare(timersDescriptor());
    this.#context = this.#makeContext();
  }

  onElement(value: unknown, timestampMs: number, window: TimeWindow): TriggerResult {
    this.#window = window;
    return this.#checked(this.#trigger.onElement(value, timestampMs, window, this.#context));
  }

  onEventTime(timestampMs: number, window: TimeWindow): TriggerResult {
    this.#window = window;
    this.#forget('event-time', timestampMs);
    if (this.#trigger.onEventTime === undefined) return 'continue';
    return this.#checked(this.#trigger.onEventTime(timestampMs, window, this.#context));
  }

  onProcessingTime(timestampMs: number, window: TimeWindow): TriggerResult {
    this.#window = window;
    this.#forget('processing-time', timestampMs);
    if (this.#trigger.onProcessingTime === undefined) return 'continue';
    return this.#checked(this.#trigger.onProcessingTime(timestampMs, window, this.#context));
  }

  /** The new window's counter is the sum. */
  onMerge(window: TimeWindow, merged: readonly TimeWindow[]): void {
    let sum = 0;
    for (const each of merged) {
      this.#host.select(each);
      sum += this.#counter.value() ?? 0;
    }
    this.#host.select(window);
    this.#window = window;
    if (sum !== 0) this.#counter.update(sum);
    this.#trigger.onMerge?.(window, this.#context);
  }

  clear(window: TimeWindow): void {
    const { timers } = this.#host;
    const noted = this.#noted.value();
    if (noted !== undefined) {
      for (const timestampMs of noted.eventTimes) timers.deleteEventTime(timestampMs);
      for (const timestampMs of noted.processingTimes) timers.deleteProcessingTime(timestampMs);
      this.#noted.clear();
    }
    const end = maxTimestampOf(window);
    timers.deleteEventTime(end);
    timers.deleteProcessingTime(end);
    this.#counter.clear();
  }

  #makeContext(): TriggerContext {
    const { timers } = this.#host;
    const counter = this.#counter;
    return {
      watermarkMs: () => timers.watermarkMs(),
      nowMs: () => timers.nowMs(),
      registerEventTime: (timestampMs) => {
        this.#note('event-time', timestampMs);
        timers.eventTime(timestampMs);
      },
      registerProcessingTime: (timestampMs) => {
        this.#note('processing-time', timestampMs);
        timers.processingTime(timestampMs);
      },
      deleteEventTime: (timestampMs) => {
        this.#forget('event-time', timestampMs);
        if (this.#host.isCleanup(this.#window, timestampMs, 'event-time')) return;
        timers.deleteEventTime(timestampMs);
      },
      deleteProcessingTime: (timestampMs) => {
        this.#forget('processing-time', timestampMs);
        if (this.#host.isCleanup(this.#window, timestampMs, 'processing-time')) return;
        timers.deleteProcessingTime(timestampMs);
      },
      counter: {
        get: () => counter.value() ?? 0,
        set: (value) => {
          if (value === 0) counter.clear();
          else counter.update(value);
        },
      },
    };
  }

  #note(domain: TimeDomain, timestampMs: number): void {
    if (typeof timestampMs !== 'number' || !Number.isFinite(timestampMs)) {
      throw badTriggerTime(this.#host.uid, timestampMs);
    }
    if (timestampMs === maxTimestampOf(this.#window)) return;
    const noted = this.#noted.value() ?? NO_TIMERS;
    const times = timesOf(noted, domain);
    if (!times.includes(timestampMs)) {
      this.#noted.update(withTimes(noted, domain, [...times, timestampMs]));
    }
  }

  #forget(domain: TimeDomain, timestampMs: number): void {
    if (timestampMs === maxTimestampOf(this.#window)) return;
    const noted = this.#noted.value();
    if (noted === undefined) return;
    const times = timesOf(noted, domain).filter((time) => time !== timestampMs);
    const left = withTimes(noted, domain, times);
    if (left.eventTimes.length + left.processingTimes.length === 0) this.#noted.clear();
    else this.#noted.update(left);
  }

  #checked(result: unknown): TriggerResult {
    if (!RESULTS.has(result)) throw badTriggerResult(this.#host.uid, result);
    return result as TriggerResult;
  }
}

function timesOf(noted: NotedTimers, domain: TimeDomain): readonly number[] {
  return domain === 'event-time' ? noted.eventTimes : noted.processingTimes;
}

function withTimes(
  { eventTimes, processingTimes }: NotedTimers,
  domain: TimeDomain,
  times: readonly number[],
): NotedTimers {
  return domain === 'event-time'
    ? { eventTimes: times, processingTimes }
    : { eventTimes, processingTimes: times };
}

function timersDescriptor(): ValueStateDescriptor<NotedTimers> {
  const times = { kind: 'array', of: { kind: 'float64' } } as const;
  const serializer = serializerOf({
    kind: 'object',
    fields: [
      { name: 'eventTimes', type: times },
      { name: 'processingTimes', type: times },
    ],
  });
  return {
    kind: 'value',
    name: 'trigger-timers',
    ttl: undefined,
    serializer,
    defaultValue: undefined,
  };
}

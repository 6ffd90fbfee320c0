/**
 * When windows give their results: the shipped triggers and the user's, with Flink's semantics.
 *
 * A trigger is one object for all keys and windows: what it has to remember is keyed state. Whoever
 * calls it has made the key and the window current.
 *
 * Always holds: after `clear` a window has neither a timer of its trigger nor a number of it.
 */
import type { TimerService } from '../contracts/functions.ts';
import type { ValueState } from '../contracts/state.ts';
import type { TimeWindow, Trigger, TriggerResult } from '../contracts/windows.ts';
import { CustomTriggerRunner } from './custom-trigger.ts';
import { numberState, type RunningTrigger, type TriggerHost } from './running-trigger.ts';
import { maxTimestampOf } from './window-assigner.ts';
import { elementWithoutTimestamp } from './window-errors.ts';

/** Declares the trigger's state, so it comes before the restore. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- the graph is untyped inside.
export function runningTrigger(trigger: Trigger<any>, host: TriggerHost): RunningTrigger {
  switch (trigger.kind) {
    case 'event-time':
      return new EventTimeTrigger(host.timers);
    case 'processing-time':
      return new ProcessingTimeTrigger(host.timers);
    case 'count': {
      const counting = new CountTrigger(trigger.count, host);
      return trigger.purge ? new PurgingTrigger(counting) : counting;
    }
    case 'continuous':
      return trigger.time === 'event-time'
        ? new ContinuousEventTimeTrigger(trigger.everyMs, host)
        : new ContinuousProcessingTimeTrigger(trigger.everyMs, host);
    case 'never':
      return NEVER;
    case 'purging':
      return new PurgingTrigger(runningTrigger(trigger.trigger, host));
    case 'custom':
      return new CustomTriggerRunner(trigger, host);
  }
}

const NEVER: RunningTrigger = {
  onElement: () => 'continue',
  onEventTime: () => 'continue',
  onProcessingTime: () => 'continue',
  onMerge: () => undefined,
  clear: () => undefined,
};

class EventTimeTrigger implements RunningTrigger {
  readonly #timers: TimerService;

  constructor(timers: TimerService) {
    this.#timers = timers;
  }

  onElement(_value: unknown, _timestampMs: number, window: TimeWindow, isNew: boolean) {
    const end = maxTimestampOf(window);
    if (end <= this.#timers.watermarkMs()) return 'fire';
    // A window that is not empty and not over has its timer already.
    if (isNew) this.#timers.eventTime(end);
    return 'continue';
  }

  onEventTime(timestampMs: number, window: TimeWindow): TriggerResult {
    return timestampMs === maxTimestampOf(window) ? 'fire' : 'continue';
  }

  onProcessingTime(): TriggerResult {
    return 'continue';
  }

  onMerge(window: TimeWindow): void {
    const end = maxTimestampOf(window);
    if (end > this.#timers.watermarkMs()) this.#timers.eventTime(end);
  }

  clear(window: TimeWindow): void {
    this.#timers.deleteEventTime(maxTimestampOf(window));
  }
}

class ProcessingTimeTrigger implements RunningTrigger {
  readonly #timers: TimerService;

  constructor(timers: TimerService) {
    this.#timers = timers;
  }

  onElement(_value: unknown, _timestampMs: number, window: TimeWindow): TriggerResult {
    this.#timers.processingTime(maxTimestampOf(window));
    return 'continue';
  }

  onEventTime(): TriggerResult {
    return 'continue';
  }

  onProcessingTime(): TriggerResult {
    return 'fire';
  }

  onMerge(window: TimeWindow): void {
    const end = maxTimestampOf(window);
    if (end > this.#timers.nowMs()) this.#timers.processingTime(end);
  }

  clear(window: TimeWindow): void {
    this.#timers.deleteProcessingTime(maxTimestampOf(window));
  }
}

class CountTrigger implements RunningTrigger {
  readonly #count: number;
  readonly #host: TriggerHost;
  readonly #seen: ValueState<number>;

  constructor(count: number, host: TriggerHost) {
    this.#count = count;
    this.#host = host;
    this.#seen = host.declare(numberState('trigger-count'));
  }

  onElement(): TriggerResult {
    const seen = (this.#seen.value() ?? 0) + 1;
    if (seen < this.#count) {
      this.#seen.update(seen);
      return 'continue';
    }
    this.#seen.clear();
    return 'fire';
  }

  onEventTime(): TriggerResult {
    return 'continue';
  }

  onProcessingTime(): TriggerResult {
    return 'continue';
  }

  onMerge(window: TimeWindow, merged: readonly TimeWindow[]): void {
    let sum = 0;
    for (const each of merged) {
      this.#host.select(each);
      sum += this.#seen.value() ?? 0;
    }
    this.#host.select(window);
    if (sum > 0) this.#seen.update(sum);
  }

  clear(): void {
    this.#seen.clear();
  }
}

/** What the two continuous triggers share: the time of the next firing, which is part of the state. */
abstract class ContinuousTrigger implements RunningTrigger {
  protected readonly everyMs: number;
  protected readonly host: TriggerHost;
  protected readonly next: ValueState<number>;

  constructor(everyMs: number, host: TriggerHost) {
    this.everyMs = everyMs;
    this.host = host;
    this.next = host.declare(numberState('trigger-fire-time'));
  }

  abstract onElement(value: unknown, timestampMs: number, window: TimeWindow): TriggerResult;
  abstract onEventTime(timestampMs: number, window: TimeWindow): TriggerResult;
  abstract onProcessingTime(timestampMs: number, window: TimeWindow): TriggerResult;
  abstract clear(window: TimeWindow): void;
  protected abstract register(timestampMs: number): void;
  /** The next firing after a time: not later than the window's end. */
  protected abstract nextAfter(timestampMs: number, window: TimeWindow): number;

  onMerge(window: TimeWindow, merged: readonly TimeWindow[]): void {
    let least = Infinity;
    for (const each of merged) {
      this.host.select(each);
      least = Math.min(least, this.next.value() ?? Infinity);
    }
    this.host.select(window);
    if (least === Infinity) return;
    this.next.update(least);
    this.register(least);
  }

  protected registerAt(timestampMs: number): void {
    this.next.update(timestampMs);
    this.register(timestampMs);
  }

  /** The last whole interval before. Flink cuts towards zero, also below 1970. */
  protected intervalOf(timestampMs: number): number {
    return timestampMs - (timestampMs % this.everyMs);
  }

  protected fires(timestampMs: number, window: TimeWindow): TriggerResult {
    if (this.next.value() !== timestampMs) return 'continue';
    this.registerAt(this.nextAfter(timestampMs, window));
    return 'fire';
  }
}

class ContinuousEventTimeTrigger extends ContinuousTrigger {
  onElement(_value: unknown, timestampMs: number, window: TimeWindow): TriggerResult {
    const { timers, uid } = this.host;
    const end = maxTimestampOf(window);
    if (end <= timers.watermarkMs()) return 'fire';
    timers.eventTime(end);
    if (this.next.value() === undefined) {
      if (Number.isNaN(timestampMs)) throw elementWithoutTimestamp(uid);
      const from = this.intervalOf(Math.floor(timestampMs));
      this.registerAt(this.nextAfter(from, window));
    }
    return 'continue';
  }

  onEventTime(timestampMs: number, window: TimeWindow): TriggerResult {
    if (timestampMs === maxTimestampOf(window)) return 'fire';
    return this.fires(timestampMs, window);
  }

  onProcessingTime(): TriggerResult {
    return 'continue';
  }

  override onMerge(window: TimeWindow, merged: readonly TimeWindow[]): void {
    super.onMerge(window, merged);
    const end = maxTimestampOf(window);
    if (end > this.host.timers.watermarkMs()) this.host.timers.eventTime(end);
  }

  clear(window: TimeWindow): void {
    const next = this.next.value();
    if (next !== undefined) this.host.timers.deleteEventTime(next);
    this.next.clear();
    this.host.timers.deleteEventTime(maxTimestampOf(window));
  }

  protected register(timestampMs: number): void {
    this.host.timers.eventTime(timestampMs);
  }

  protected nextAfter(timestampMs: number, window: TimeWindow): number {
    return Math.min(timestampMs + this.everyMs, maxTimestampOf(window));
  }
}

class ContinuousProcessingTimeTrigger extends ContinuousTrigger {
  onElement(_value: unknown, _timestampMs: number, window: TimeWindow): TriggerResult {
    if (this.next.value() === undefined) {
      const from = this.intervalOf(this.host.timers.nowMs());
      this.registerAt(this.nextAfter(from, window));
    }
    return 'continue';
  }

  onEventTime(): TriggerResult {
    return 'continue';
  }

  onProcessingTime(timestampMs: number, window: TimeWindow): TriggerResult {
    return this.fires(timestampMs, window);
  }

  clear(): void {
    const next = this.next.value();
    if (next !== undefined) this.host.timers.deleteProcessingTime(next);
    this.next.clear();
  }

  protected register(timestampMs: number): void {
    this.host.timers.processingTime(timestampMs);
  }

  /** A window of event time may end before the clock's time: then its end would fire for ever. */
  protected nextAfter(timestampMs: number, window: TimeWindow): number {
    const end = maxTimestampOf(window);
    const after = timestampMs + this.everyMs;
    return end > timestampMs ? Math.min(after, end) : after;
  }
}

/** Whatever the inner trigger fires also empties the window. */
class PurgingTrigger implements RunningTrigger {
  readonly #inner: RunningTrigger;

  constructor(inner: RunningTrigger) {
    this.#inner = inner;
  }

  onElement(value: unknown, timestampMs: number, window: TimeWindow, isNew: boolean) {
    return purging(this.#inner.onElement(value, timestampMs, window, isNew));
  }

  onEventTime(timestampMs: number, window: TimeWindow): TriggerResult {
    return purging(this.#inner.onEventTime(timestampMs, window));
  }

  onProcessingTime(timestampMs: number, window: TimeWindow): TriggerResult {
    return purging(this.#inner.onProcessingTime(timestampMs, window));
  }

  onMerge(window: TimeWindow, merged: readonly TimeWindow[]): void {
    this.#inner.onMerge(window, merged);
  }

  clear(window: TimeWindow): void {
    this.#inner.clear(window);
  }
}

function purging(result: TriggerResult): TriggerResult {
  return result === 'fire' ? 'fire-and-purge' : result;
}

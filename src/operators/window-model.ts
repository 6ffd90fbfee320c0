/**
 * For tests: windows as Flink's documentation tells of them, over plain arrays, one window at a
 * time, without state, timers or keys' order.
 */
import type { Trigger, WindowAssigner } from '../contracts/windows.ts';

export interface Reading {
  readonly key: string;
  readonly id: number;
}

export interface ModelResult {
  readonly key: string;
  readonly start: number;
  readonly end: number;
  readonly ids: readonly number[];
}

export interface ModelOptions {
  readonly assigner: Exclude<WindowAssigner, { kind: 'global' }>;
  readonly trigger: Trigger;
  readonly latenessMs: number;
}

interface ModelWindow {
  readonly key: string;
  start: number;
  end: number;
  ids: number[];
  /** For the count trigger. */
  seen: number;
  /** For the continuous trigger: when it fires next. */
  nextMs: number | undefined;
  /** As in Flink, a merge sets the continuous trigger's timer anew, also the one for a past end. */
  again: boolean;
}

export class WindowModel {
  late: number[] = [];
  readonly #options: ModelOptions;
  readonly #windows: ModelWindow[] = [];
  #watermarkMs = -Infinity;

  constructor(options: ModelOptions) {
    this.#options = options;
  }

  element({ key, id }: Reading, timestampMs: number): ModelResult[] {
    const results: ModelResult[] = [];
    let isTaken = false;
    for (const [start, end] of this.#spans(timestampMs)) {
      const window = this.#window(key, start, end);
      if (window === undefined) continue;
      isTaken = true;
      window.ids.push(id);
      results.push(...this.#onElement(window, timestampMs));
    }
    const { latenessMs } = this.#options;
    if (!isTaken && timestampMs + latenessMs <= this.#watermarkMs) this.late.push(id);
    return results;
  }

  watermark(watermarkMs: number): ModelResult[] {
    const before = this.#watermarkMs;
    this.#watermarkMs = watermarkMs;
    const results: ModelResult[] = [];
    for (const window of [...this.#windows]) {
      results.push(...this.#onTime(window, before, watermarkMs));
      if (this.#isOver(window.end)) this.#windows.splice(this.#windows.indexOf(window), 1);
    }
    return results;
  }

  repeatWatermark(): ModelResult[] {
    return this.#watermarkMs === -Infinity ? [] : this.watermark(this.#watermarkMs);
  }

  #spans(timestampMs: number): [number, number][] {
    const { assigner } = this.#options;
    if (assigner.kind === 'session') return [[timestampMs, timestampMs + assigner.gapMs]];
    const { sizeMs, offsetMs } = assigner;
    const slideMs = assigner.kind === 'sliding' ? assigner.slideMs : sizeMs;
    const spans: [number, number][] = [];
    // Every window that could be meant, asked one by one.
    const near = Math.round((timestampMs - offsetMs) / slideMs) * slideMs + offsetMs;
    for (let start = near - 2 * sizeMs - slideMs; start <= near + slideMs; start++) {
      if (mod(start - offsetMs, slideMs) !== 0) continue;
      if (start <= timestampMs && timestampMs < start + sizeMs) spans.push([start, start + sizeMs]);
    }
    return spans;
  }

  #window(key: string, start: number, end: number): ModelWindow | undefined {
    const touching = this.#windows.filter((one) =>
      this.#options.assigner.kind === 'session'
        ? one.key === key && one.start <= end && start <= one.end
        : one.key === key && one.start === start,
    );
    const [first, ...rest] = touching;
    if (first === undefined) {
      if (this.#isOver(end)) return undefined;
      const made = { key, start, end, ids: [], seen: 0, nextMs: undefined, again: false };
      this.#windows.push(made);
      return made;
    }
    const before = first.end - first.start;
    first.start = Math.min(start, ...touching.map((one) => one.start));
    first.end = Math.max(end, ...touching.map((one) => one.end));
    for (const one of rest) {
      first.ids.push(...one.ids);
      first.seen += one.seen;
      first.nextMs = Math.min(first.nextMs ?? Infinity, one.nextMs ?? Infinity);
      this.#windows.splice(this.#windows.indexOf(one), 1);
    }
    const isMerged = first.end - first.start !== before;
    if (isMerged) first.again = first.nextMs === first.end - 1 && first.nextMs <= this.#watermarkMs;
    return first;
  }

  #isOver(end: number): boolean {
    return end - 1 + this.#options.latenessMs <= this.#watermarkMs;
  }

  #onElement(window: ModelWindow, timestampMs: number): ModelResult[] {
    const { trigger } = this.#options;
    const { inner, purges } = unwrapped(trigger);
    const isPast = window.end - 1 <= this.#watermarkMs;
    switch (inner.kind) {
      case 'event-time':
        return isPast ? this.#fire(window, purges) : [];
      case 'count':
        window.seen++;
        if (window.seen < inner.count) return [];
        window.seen = 0;
        return this.#fire(window, purges);
      case 'continuous':
        if (isPast) return this.#fire(window, purges);
        window.nextMs ??= this.#after(window, timestampMs - (timestampMs % inner.everyMs));
        return [];
      default:
        return [];
    }
  }

  #onTime(window: ModelWindow, before: number, watermarkMs: number): ModelResult[] {
    const { inner, purges } = unwrapped(this.#options.trigger);
    const last = window.end - 1;
    const results: ModelResult[] = window.again ? this.#fire(window, purges) : [];
    window.again = false;
    let isLastSet = false;
    if (inner.kind === 'continuous') {
      while (window.nextMs !== undefined && window.nextMs <= watermarkMs && window.nextMs < last) {
        results.push(...this.#fire(window, purges));
        window.nextMs = this.#after(window, window.nextMs);
        // As in Flink, that sets a timer for the end, also for one that is past since a merge.
        isLastSet = window.nextMs === last;
      }
    }
    const firesAtEnd = inner.kind === 'continuous' || inner.kind === 'event-time';
    if (firesAtEnd && (before < last || isLastSet) && last <= watermarkMs) {
      results.push(...this.#fire(window, purges));
    }
    return results;
  }

  #after(window: ModelWindow, timeMs: number): number {
    const { inner } = unwrapped(this.#options.trigger);
    const everyMs = inner.kind === 'continuous' ? inner.everyMs : 0;
    return Math.min(timeMs + everyMs, window.end - 1);
  }

  #fire(window: ModelWindow, purges: boolean): ModelResult[] {
    if (window.ids.length === 0) return [];
    const { key, start, end } = window;
    const ids = [...window.ids].sort((a, b) => a - b);
    if (purges) window.ids = [];
    return [{ key, start, end, ids }];
  }
}

function unwrapped(trigger: Trigger): { readonly inner: Trigger; readonly purges: boolean } {
  if (trigger.kind === 'purging') return { ...unwrapped(trigger.trigger), purges: true };
  return { inner: trigger, purges: trigger.kind === 'count' && trigger.purge };
}

function mod(a: number, b: number): number {
  return ((a % b) + b) % b;
}

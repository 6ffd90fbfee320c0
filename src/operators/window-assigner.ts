/**
 * Which windows a time belongs to. Pure, but for small caches: equal windows of consecutive elements
 * are one object, so that state sees at a glance that the namespace has not changed.
 *
 * Windows start at `offset + n * size` for all whole n, below 1970 as above. Times are whole
 * milliseconds; a fraction is cut off.
 */
import type { TimeWindow, WindowAssigner } from '../contracts/windows.ts';
import { MAX_WATERMARK_MS } from '../runtime/element.ts';

/** The one window of `globalWindow()`: all of time. */
export const GLOBAL_WINDOW: TimeWindow = Object.freeze({
  start: -MAX_WATERMARK_MS,
  end: MAX_WATERMARK_MS,
});

/** How assigners work while a job runs. */
export interface RunningAssigner {
  /** Windows are by the elements' timestamps; else by the wall clock, or by nothing. */
  readonly isEventTime: boolean;
  /** Windows that touch become one. */
  readonly merges: boolean;
  /** All windows of a time, the latest first. Belongs to the assigner: never keep or change it. */
  assign(timeMs: number): readonly TimeWindow[];
}

/** Windows kept per assigner. More: fewer new objects where elements come in no order. */
const WINDOWS_CACHED = 16;

export function runningAssigner(assigner: WindowAssigner): RunningAssigner {
  switch (assigner.kind) {
    case 'tumbling': {
      const { sizeMs, offsetMs } = assigner;
      return aligned({ sizeMs, slideMs: sizeMs, offsetMs }, assigner.time === 'event-time');
    }
    case 'sliding':
      return aligned(assigner, assigner.time === 'event-time');
    case 'session': {
      const { gapMs } = assigner;
      return {
        isEventTime: assigner.time === 'event-time',
        merges: true,
        assign: (timeMs) => {
          const start = Math.floor(timeMs);
          return [{ start, end: start + gapMs }];
        },
      };
    }
    case 'global': {
      const windows = [GLOBAL_WINDOW];
      return { isEventTime: false, merges: false, assign: () => windows };
    }
  }
}

/** The last time that belongs to a window. */
export function maxTimestampOf({ end }: TimeWindow): number {
  return end === MAX_WATERMARK_MS ? MAX_WATERMARK_MS : end - 1;
}

/** The start of the last window that has `timeMs` in it or before it. */
export function windowStart(timeMs: number, offsetMs: number, lengthMs: number): number {
  const remainder = (timeMs - offsetMs) % lengthMs;
  // Not -0, which is another key than 0.
  return (remainder < 0 ? timeMs - (remainder + lengthMs) : timeMs - remainder) + 0;
}

interface AlignedShape {
  readonly sizeMs: number;
  readonly slideMs: number;
  readonly offsetMs: number;
}

function aligned(shape: AlignedShape, isEventTime: boolean): RunningAssigner {
  return new AlignedWindows(shape, isEventTime);
}

class AlignedWindows implements RunningAssigner {
  readonly isEventTime: boolean;
  readonly merges = false;
  readonly #sizeMs: number;
  readonly #slideMs: number;
  readonly #offsetMs: number;
  readonly #starts = new Float64Array(WINDOWS_CACHED).fill(Number.NaN);
  readonly #assigned: (readonly TimeWindow[])[] = [];
  readonly #windows = new Map<number, TimeWindow>();
  readonly #windowsMax: number;
  /** All times of one slide are in the same windows. */
  readonly #isMultiple: boolean;
  #lastStart = Number.NaN;
  #lastEnd = Number.NaN;
  #last: readonly TimeWindow[] = [];

  constructor({ sizeMs, slideMs, offsetMs }: AlignedShape, isEventTime: boolean) {
    this.isEventTime = isEventTime;
    this.#sizeMs = sizeMs;
    this.#slideMs = slideMs;
    this.#offsetMs = offsetMs;
    this.#isMultiple = sizeMs % slideMs === 0;
    this.#windowsMax = WINDOWS_CACHED * Math.max(1, Math.ceil(sizeMs / slideMs));
  }

  assign(timeMs: number): readonly TimeWindow[] {
    const time = Math.floor(timeMs);
    if (time >= this.#lastStart && time < this.#lastEnd) return this.#last;
    const start = windowStart(time, this.#offsetMs, this.#slideMs);
    // Where windows have gaps between them, a time past the end of the last one is in none.
    if (time - start >= this.#sizeMs) return NO_WINDOWS;
    // The oldest window then depends on the time.
    if (!this.#isMultiple) return this.#windowsOf(time, start);
    const slot = Math.floor(start / this.#slideMs) & (WINDOWS_CACHED - 1);
    let windows = this.#assigned[slot];
    if (windows === undefined || this.#starts[slot] !== start) {
      windows = this.#windowsOf(time, start);
      this.#starts[slot] = start;
      this.#assigned[slot] = windows;
    }
    this.#last = windows;
    this.#lastStart = start;
    this.#lastEnd = start + this.#slideMs;
    return windows;
  }

  #windowsOf(time: number, last: number): readonly TimeWindow[] {
    const windows: TimeWindow[] = [];
    for (let start = last; start > time - this.#sizeMs; start -= this.#slideMs) {
      windows.push(this.#window(start));
    }
    return windows;
  }

  /** The same object for the same window, most of the time. */
  #window(start: number): TimeWindow {
    const known = this.#windows.get(start);
    if (known !== undefined) return known;
    if (this.#windows.size >= this.#windowsMax) this.#windows.clear();
    const window = { start: start + 0, end: start + this.#sizeMs };
    this.#windows.set(start, window);
    return window;
  }
}

const NO_WINDOWS: readonly TimeWindow[] = [];

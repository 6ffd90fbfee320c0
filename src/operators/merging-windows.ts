/**
 * The windows of one key that may merge (sessions), as data: Flink's `MergingWindowSet`.
 *
 * A window that grows keeps its contents where they are: in the namespace of the window it began
 * as, its state window. So an element that prolongs a session moves two timers and no contents.
 *
 * Always holds: windows are sorted, do not overlap and do not touch; no two have one state window.
 */
import type { TimeWindow } from '../contracts/windows.ts';

/** A window, and where its contents are. Never changed in place. */
export interface MergingWindow {
  readonly start: number;
  readonly end: number;
  readonly stateStart: number;
  readonly stateEnd: number;
}

/** What it takes to let a window in. */
export interface MergePlan {
  /** The set afterwards; the same array if nothing changed. */
  readonly windows: readonly MergingWindow[];
  /** The window that the new one is part of now. */
  readonly window: TimeWindow;
  readonly stateWindow: TimeWindow;
  /** Windows that are gone: their timers and trigger states go over to `window`. */
  readonly merged: readonly TimeWindow[];
  /** Where contents lie that are to be merged into those of `stateWindow`. */
  readonly mergedStates: readonly TimeWindow[];
}

const NONE: readonly TimeWindow[] = [];

/** Lets `added` in. Windows that touch it become one with it. */
export function addMergingWindow(windows: readonly MergingWindow[], added: TimeWindow): MergePlan {
  let from = 0;
  while (from < windows.length && (windows[from]?.end ?? Infinity) < added.start) from++;
  let to = from;
  while (to < windows.length && (windows[to]?.start ?? Infinity) <= added.end) to++;
  const first = windows[from];
  const last = windows[to - 1];
  if (first === undefined || last === undefined || from === to) {
    const { start, end } = added;
    const one = { start, end, stateStart: start, stateEnd: end };
    return {
      windows: windows.toSpliced(from, 0, one),
      window: added,
      stateWindow: added,
      merged: NONE,
      mergedStates: NONE,
    };
  }
  const start = Math.min(first.start, added.start);
  const end = Math.max(last.end, added.end);
  const stateWindow = stateWindowOf(first);
  const isKnown = to - from === 1 && start === first.start && end === first.end;
  if (isKnown) {
    return { windows, window: { start, end }, stateWindow, merged: NONE, mergedStates: NONE };
  }
  const gone = windows.slice(from, to);
  const { stateStart, stateEnd } = first;
  return {
    windows: windows.toSpliced(from, to - from, { start, end, stateStart, stateEnd }),
    window: { start, end },
    stateWindow,
    merged: gone.map((one) => ({ start: one.start, end: one.end })),
    mergedStates: gone.slice(1).map(stateWindowOf),
  };
}

/** Where the contents of a window are; `undefined`: there is no such window any more. */
export function stateWindowIn(
  windows: readonly MergingWindow[],
  window: TimeWindow,
): TimeWindow | undefined {
  const found = windows.find(({ start, end }) => start === window.start && end === window.end);
  return found === undefined ? undefined : stateWindowOf(found);
}

export function withoutWindow(
  windows: readonly MergingWindow[],
  window: TimeWindow,
): readonly MergingWindow[] {
  return windows.filter(({ start, end }) => start !== window.start || end !== window.end);
}

function stateWindowOf({ stateStart, stateEnd }: MergingWindow): TimeWindow {
  return { start: stateStart, end: stateEnd };
}

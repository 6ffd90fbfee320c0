/** One call in a history of one object whose states are texts. */
export interface Call {
  /** For messages. */
  readonly text: string;
  readonly calledAt: number;
  /** When the answer came; for a call without an answer, when it can have had an effect at last. */
  readonly endedAt: number;
  /** Whether it can also have had no effect at all. */
  readonly optional: boolean;
  /** The state after it, or `undefined` if its answer does not fit the state before it. */
  readonly step: (state: string) => string | undefined;
}

const CALLS_MAX = 30;

/**
 * Whether the calls of a history can be put into an order, each at a moment between its call and its
 * answer, in which every answer is right. (Wing and Gong's search, with Lowe's memory of what failed.)
 */
export function isLinearizable(history: readonly Call[], initial: string): boolean {
  if (history.length > CALLS_MAX) throw new RangeError(`a history has at most ${CALLS_MAX} calls`);
  const mandatory = history.reduce((mask, call, i) => (call.optional ? mask : mask | (1 << i)), 0);
  const failed = new Set<string>();

  const search = (done: number, state: string, latestCall: number): boolean => {
    if ((done & mandatory) === mandatory) return true;
    const key = `${done} ${latestCall} ${state}`;
    if (failed.has(key)) return false;
    const remaining = history.map((_, i) => i).filter((i) => (done & (1 << i)) === 0);
    const firstEnd = remaining
      .filter((i) => (mandatory & (1 << i)) !== 0)
      .reduce((least, i) => Math.min(least, history[i]?.endedAt ?? Infinity), Infinity);
    for (const i of remaining) {
      const call = history[i];
      if (call === undefined || call.calledAt > firstEnd || call.endedAt < latestCall) continue;
      const next = call.step(state);
      if (next === undefined) continue;
      if (search(done | (1 << i), next, Math.max(latestCall, call.calledAt))) return true;
    }
    failed.add(key);
    return false;
  };
  return search(0, initial, -Infinity);
}

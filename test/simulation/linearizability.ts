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

/**
 * Whether the calls of a history can be put into an order, each at a moment between its call and its
 * answer, in which every answer is right. (Wing and Gong's search, with Lowe's memory of what failed.)
 */
export function isLinearizable(history: readonly Call[], initial: string): boolean {
  const bits = history.map((_, i) => 1n << BigInt(i));
  const mandatory = history.reduce(
    (mask, call, i) => (call.optional ? mask : mask | (bits[i] ?? 0n)),
    0n,
  );
  const failed = new Set<string>();

  const search = (done: bigint, state: string, latestCall: number): boolean => {
    if ((done & mandatory) === mandatory) return true;
    const key = `${done} ${latestCall} ${state}`;
    if (failed.has(key)) return false;
    const remaining = history
      .map((call, i) => ({ call, bit: bits[i] ?? 0n }))
      .filter(({ bit }) => (done & bit) === 0n);
    const firstEnd = remaining
      .filter(({ call }) => !call.optional)
      .reduce((least, { call }) => Math.min(least, call.endedAt), Infinity);
    for (const { call, bit } of remaining) {
      if (call.calledAt > firstEnd || call.endedAt < latestCall) continue;
      const next = call.step(state);
      if (next === undefined) continue;
      if (search(done | bit, next, Math.max(latestCall, call.calledAt))) return true;
    }
    failed.add(key);
    return false;
  };
  return search(0n, initial, -Infinity);
}

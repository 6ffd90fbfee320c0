import type { RestartStrategySettings } from '../settings/restart-strategy.ts';

/**
 * Whether and when a failed job runs again: pure functions of the failures so far, as Flink's
 * restart strategies are, so that a history replays to the same decision.
 */
export type RestartStrategy = RestartStrategySettings;

/** When the failures of this job happened (monotonic time), oldest first, the newest included. */
export type FailureHistory = readonly number[];

export type RestartDecision =
  | { readonly kind: 'restart'; readonly delayMs: number }
  | { readonly kind: 'give-up'; readonly why: string };

/** Failures that a history needs to keep; older ones cannot change a decision. */
export const FAILURES_KEPT_MAX = 1000;

/**
 * Decides on the newest failure of `history`.
 *
 * @param chance A number in [0, 1) for the jitter.
 */
export function decideRestart(
  strategy: RestartStrategy,
  history: FailureHistory,
  chance: number,
): RestartDecision {
  switch (strategy.kind) {
    case 'none':
      return { kind: 'give-up', why: 'restart strategy is none' };
    case 'fixed-delay': {
      if (history.length > strategy.attemptsMax) {
        return {
          kind: 'give-up',
          why: `fixed-delay allows ${strategy.attemptsMax} restarts, all are used`,
        };
      }
      const immediate = strategy.firstImmediate && history.length === 1;
      return { kind: 'restart', delayMs: immediate ? 0 : strategy.delayMs };
    }
    case 'failure-rate':
      return decideFailureRate(strategy, history);
    case 'exponential-delay':
      return decideExponential(strategy, history, chance);
  }
}

type Of<Kind extends RestartStrategy['kind']> = Extract<RestartStrategy, { kind: Kind }>;

function decideFailureRate(strategy: Of<'failure-rate'>, history: FailureHistory): RestartDecision {
  const newest = history.at(-1) ?? 0;
  const recent = history.filter((atMs) => atMs > newest - strategy.intervalMs).length;
  if (recent > strategy.failuresMax) {
    return {
      kind: 'give-up',
      why: `failure-rate allows ${strategy.failuresMax} failures in ${strategy.intervalMs} ms, this is number ${recent}`,
    };
  }
  return { kind: 'restart', delayMs: strategy.delayMs };
}

function decideExponential(
  strategy: Of<'exponential-delay'>,
  history: FailureHistory,
  chance: number,
): RestartDecision {
  // Failures since the last quiet time; each of them but the first has made the delay longer.
  let since = 1;
  for (let index = history.length - 1; index > 0; index -= 1) {
    const gapMs = (history[index] ?? 0) - (history[index - 1] ?? 0);
    if (gapMs >= strategy.resetThresholdMs) break;
    since += 1;
  }
  if (since > strategy.attemptsMax) {
    return {
      kind: 'give-up',
      why: `exponential-delay allows ${strategy.attemptsMax} restarts in a row, all are used`,
    };
  }
  const plainMs = Math.min(strategy.initialMs * strategy.multiplier ** (since - 1), strategy.maxMs);
  const jitterMs = plainMs * strategy.jitter * (2 * chance - 1);
  return {
    kind: 'restart',
    delayMs: Math.round(Math.max(0, Math.min(plainMs + jitterMs, strategy.maxMs))),
  };
}

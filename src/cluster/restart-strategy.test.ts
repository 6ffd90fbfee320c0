import { expect, it } from 'vitest';
import { decideRestart, type RestartStrategy } from './restart-strategy.ts';

const fixed: RestartStrategy = {
  kind: 'fixed-delay',
  attemptsMax: 3,
  delayMs: 10_000,
  firstImmediate: true,
};

it('fixed-delay restarts at once, then after the delay, then gives up', () => {
  const delays = [1, 2, 3, 4].map((failures) =>
    decideRestart(
      fixed,
      Array.from({ length: failures }, (_, n) => n * 1000),
      0,
    ),
  );
  expect(delays).toEqual([
    { kind: 'restart', delayMs: 0 },
    { kind: 'restart', delayMs: 10_000 },
    { kind: 'restart', delayMs: 10_000 },
    { kind: 'give-up', why: 'fixed-delay allows 3 restarts, all are used' },
  ]);
});

it('fixed-delay waits before the first restart as well where it should be as in Flink', () => {
  expect(decideRestart({ ...fixed, firstImmediate: false }, [0], 0)).toEqual({
    kind: 'restart',
    delayMs: 10_000,
  });
});

it('failure-rate counts only what lies within the interval', () => {
  const rate: RestartStrategy = {
    kind: 'failure-rate',
    failuresMax: 2,
    intervalMs: 1000,
    delayMs: 5,
  };
  expect(decideRestart(rate, [0, 100], 0).kind).toBe('restart');
  expect(decideRestart(rate, [0, 100, 200], 0).kind).toBe('give-up');
  expect(decideRestart(rate, [0, 100, 1100], 0).kind).toBe('restart');
});

it('exponential-delay grows, is bounded, and starts anew after a quiet time', () => {
  const exponential: RestartStrategy = {
    kind: 'exponential-delay',
    initialMs: 100,
    maxMs: 1000,
    multiplier: 2,
    resetThresholdMs: 60_000,
    jitter: 0,
    attemptsMax: Infinity,
  };
  const delay = (history: number[]): unknown => decideRestart(exponential, history, 0.5);
  expect(delay([0])).toEqual({ kind: 'restart', delayMs: 100 });
  expect(delay([0, 10])).toEqual({ kind: 'restart', delayMs: 200 });
  expect(delay([0, 10, 20, 30, 40, 50])).toEqual({ kind: 'restart', delayMs: 1000 });
  expect(delay([0, 10, 60_010])).toEqual({ kind: 'restart', delayMs: 100 });
});

it('jitter stays within its part and the maximum', () => {
  const strategy: RestartStrategy = {
    kind: 'exponential-delay',
    initialMs: 100,
    maxMs: 100,
    multiplier: 2,
    resetThresholdMs: 1,
    jitter: 0.1,
    attemptsMax: Infinity,
  };
  expect(decideRestart(strategy, [0], 0)).toEqual({ kind: 'restart', delayMs: 90 });
  expect(decideRestart(strategy, [0], 0.999)).toEqual({ kind: 'restart', delayMs: 100 });
});

it('none gives up at once', () => {
  expect(decideRestart({ kind: 'none' }, [0], 0).kind).toBe('give-up');
});

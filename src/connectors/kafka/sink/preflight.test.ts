import { describe, expect, test } from 'vitest';
import { checkTimeout } from './preflight.ts';

const TIMES = {
  checkpointIntervalMs: 60_000,
  checkpointTimeoutMs: 600_000,
  minPauseBetweenCheckpointsMs: 0,
};

describe('the timeout of transactions', () => {
  test('is long enough', () => {
    expect(checkTimeout(900_000, TIMES)).toEqual([]);
  });

  test('is worth a warning where the slowest checkpoint and a restart take longer', () => {
    expect(checkTimeout(100_000, TIMES)).toHaveLength(1);
    expect(checkTimeout(720_000, TIMES)).toEqual([]);
    expect(checkTimeout(719_999, TIMES)).toHaveLength(1);
  });

  test('below the time between checkpoints is refused', () => {
    expect(() => checkTimeout(60_000, TIMES)).toThrow('KAF-058');
    const paused = { ...TIMES, minPauseBetweenCheckpointsMs: 200_000 };
    expect(() => checkTimeout(200_000, paused)).toThrow('KAF-058');
  });

  test('means nothing without checkpoints: refused', () => {
    expect(() => checkTimeout(900_000, { ...TIMES, checkpointIntervalMs: 0 })).toThrow('KAF-059');
  });
});

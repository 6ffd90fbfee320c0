import { describe, expect, it } from 'vitest';
import { isLinearizable, type Call } from './linearizability.ts';

describe('isLinearizable', () => {
  it('takes what is in order and refuses a stale read', () => {
    expect(isLinearizable([write('a', 1, 2), read('a', 3, 4)], '')).toBe(true);
    expect(isLinearizable([write('a', 1, 2), write('b', 3, 4), read('a', 5, 6)], '')).toBe(false);
  });

  it('lets calls that overlap go in any order', () => {
    expect(isLinearizable([write('a', 1, 9), write('b', 2, 8), read('a', 10, 11)], '')).toBe(true);
    expect(isLinearizable([write('a', 1, 9), read('', 2, 3), read('a', 4, 5)], '')).toBe(true);
    expect(isLinearizable([write('a', 1, 9), read('a', 2, 3), read('', 4, 5)], '')).toBe(false);
  });

  it('lets a call without an answer have its effect in its time, or none', () => {
    const lost = { ...write('a', 1, 5), optional: true };
    expect(isLinearizable([lost, read('a', 6, 7)], '')).toBe(true);
    expect(isLinearizable([lost, read('', 6, 7)], '')).toBe(true);
    expect(isLinearizable([lost, read('', 6, 7), read('a', 8, 9)], '')).toBe(false);
  });
});

function write(value: string, calledAt: number, endedAt: number): Call {
  return { text: `write ${value}`, calledAt, endedAt, optional: false, step: () => value };
}

function read(value: string, calledAt: number, endedAt: number): Call {
  const step = (state: string): string | undefined => (state === value ? state : undefined);
  return { text: `read ${value}`, calledAt, endedAt, optional: false, step };
}

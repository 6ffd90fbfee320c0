import { describe, expect, it } from 'vitest';
import type { Random } from '../../common/random.ts';
import { seededRandom } from './seeded-random.ts';

describe('seededRandom', () => {
  it('gives the same numbers for the same seed, for ever', () => {
    expect(take(seededRandom('golden'), 3)).toEqual(take(seededRandom('golden'), 3));
    expect(take(seededRandom(7), 5)).toEqual(take(seededRandom('7'), 5));
    expect(take(seededRandom('a'), 5)).not.toEqual(take(seededRandom('b'), 5));
  });

  it('forks by label, whatever was drawn before', () => {
    const early = seededRandom(1).fork('disk');
    const parent = seededRandom(1);
    take(parent, 100);
    expect(take(parent.fork('disk'), 5)).toEqual(take(early, 5));
    expect(take(parent.fork('net'), 5)).not.toEqual(take(parent.fork('disk'), 5));
    expect(take(parent.fork('a').fork('bc'), 5)).not.toEqual(take(parent.fork('ab').fork('c'), 5));
  });

  it('fills [0, 1) evenly, also over neighbouring seeds', () => {
    for (const numbers of [
      take(seededRandom('even'), 100_000),
      Array.from({ length: 100_000 }, (_, seed) => seededRandom(seed).next()),
    ]) {
      const buckets = new Array<number>(20).fill(0);
      for (const number of numbers) {
        expect(number >= 0 && number < 1).toBe(true);
        const bucket = Math.floor(number * 20);
        buckets[bucket] = (buckets[bucket] ?? 0) + 1;
      }
      // 5 standard deviations of a fair draw.
      for (const count of buckets) expect(Math.abs(count - 5_000)).toBeLessThan(350);
    }
  });
});

function take(random: Random, count: number): number[] {
  return Array.from({ length: count }, () => random.next());
}

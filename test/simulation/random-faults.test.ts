/*
 * Goal: whatever happens to a job, time and again, its output and state at the end are those of a job
 * to which nothing happened; and at each moment what is visible is right and stays.
 *
 * Method: a seed draws one of the small jobs and up to six lives for it, each with kills, power
 * failures, a disk that fails, is full or slow, wall clocks that jump, functions that throw, savepoints
 * and stops with a savepoint, from which the next life goes on. The
 * last life is left in peace. One seed is fixed, the other is the commit's.
 *
 * Replay: SEED=<seed> npm run simulate
 */
import { describe, expect, it } from 'vitest';
import { seedsBeside } from '../support/seed.ts';
import { randomRun } from './jobs/random-run.ts';

const RUNS = 100;
const SEEDS = seedsBeside('fixed');

describe.each(SEEDS)('random faults, SEED=%s', (seed) => {
  it(`ends well in ${RUNS} runs`, async () => {
    let lives = 0;
    for (let i = 0; i < RUNS; i += 1) {
      const run = await randomRun({ seed: `${seed}-${i}` });
      lives += run.story.filter((line) => line.startsWith('life ')).length;
    }
    expect(lives).toBeGreaterThan(RUNS);
  });
});

/*
 * Goal: whatever becomes of the JobManager that leads, a standby goes on with its jobs, and their output is
 * that of jobs to which nothing happened; what a JobManager still does that was frozen and has been replaced
 * counts for nothing.
 *
 * Method: two JobManagers with all that they run share a simulated disk. A seed freezes, blocks and kills
 * whoever leads and sets its clock; in some runs one that was replaced goes on for seconds as if
 * nothing were. Jobs are submitted meanwhile. One seed is fixed, the other is the commit's.
 *
 * Replay: SEED=<seed> npm run simulate -- --standby
 */
import { describe, expect, it } from 'vitest';
import { seedsBeside } from '../support/seed.ts';
import { standbyRun } from './jobs/standby-run.ts';

const RUNS = 40;
const SEEDS = seedsBeside('fixed');

describe.each(SEEDS)('a standby, SEED=%s', (seed) => {
  it(`goes on with the jobs in ${RUNS} runs`, async ({ annotate }) => {
    let takeovers = 0;
    for (let i = 0; i < RUNS; i += 1) {
      takeovers += (await standbyRun({ seed: `${seed}-${i}` })).takeovers;
    }
    await annotate(`${takeovers} leaderships`);
    expect(takeovers).toBeGreaterThan(RUNS * 1.5);
  });
});

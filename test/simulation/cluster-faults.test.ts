/*
 * Goal: whatever happens to the processes of a cluster and to the network between them, time and
 * again, the job's output and state at the end are those of a job to which nothing happened; at each
 * moment what is visible is right; and nobody is left behind.
 *
 * Method: as in random-faults.test.ts, with a JobManager and TaskManagers on a simulated network: they
 * and their slots are killed, frozen, blocked, cut off and slowed down, connections break, processes
 * do not start, leaders are taken for dead and come back beside the one that followed.
 *
 * Replay: SEED=<seed> npm run simulate -- --cluster
 */
import { describe, expect, it } from 'vitest';
import { seedsBeside } from '../support/seed.ts';
import { randomRun } from './jobs/random-run.ts';

const RUNS = Number(process.env.RUNS ?? 100);
const SEEDS = seedsBeside('fixed');

describe.each(SEEDS)('faults of a cluster, SEED=%s', (seed) => {
  it(`ends well in ${RUNS} runs`, async () => {
    let lives = 0;
    for (let i = 0; i < RUNS; i += 1) {
      const run = await randomRun({ seed: `${seed}-${i}`, cluster: true });
      lives += run.story.filter((line) => line.startsWith('life ')).length;
    }
    expect(lives).toBeGreaterThan(RUNS);
  }, 600_000);
});

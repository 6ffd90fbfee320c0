/*
 * Goal: whatever happens to JobManagers that share a storage, and to the way to it, no two of them lead at
 * once by their own clocks; and whatever one does that believes it leads and does not, nothing of it counts.
 *
 * Method: a seed draws two to four of them, and what befalls them: they are frozen, blocked, killed, cut off,
 * slow, and their wall clocks jump; requests and answers are lost, or come late, also after their sender
 * is dead. Who leads submits and ends jobs. The store is watched from its own side. Afterwards all is in
 * peace, and somebody leads. One seed is fixed, the other is the commit's.
 *
 * Replay: SEED=<seed> npm run simulate -- --leaders
 */
import { describe, expect, it } from 'vitest';
import { seedsBeside } from '../support/seed.ts';
import { leadershipRun } from './jobs/leadership-run.ts';

const RUNS = 75;
const SEEDS = seedsBeside('fixed');

describe.each(SEEDS)('JobManagers that compete, SEED=%s', (seed) => {
  it(`have one leader in ${RUNS} runs`, async ({ annotate }) => {
    let epochs = 0;
    let commits = 0;
    for (let i = 0; i < RUNS; i += 1) {
      const run = await leadershipRun({ seed: `${seed}-${i}` });
      epochs += run.epochs;
      commits += run.commits;
    }
    await annotate(`${epochs} leaderships, ${commits} changes`);
    expect(epochs).toBeGreaterThan(RUNS * 2);
    expect(commits).toBeGreaterThan(RUNS * 20);
  });

  it('are found to be two where the deadline is not below the duration', async () => {
    const timings = { durationMs: 1_000, renewDeadlineMs: 4_000, intervalMs: 250 };
    const outcomes = await Promise.allSettled([
      leadershipRun({ seed: `${seed}-wrong`, timings, kind: 'punctual' }),
    ]);
    expect(outcomes).toMatchObject([{ status: 'rejected' }]);
    expect(String((outcomes[0] as PromiseRejectedResult).reason)).toContain('lead at once');
  });
});

/*
 * Goal: a job that has finished leaves its output, its HEAD and the record of its name, and nothing
 * else, however its earlier processes died.
 *
 * Method: as in the tests of crash points, with checkpoints that are discarded at the end. The wall
 * clock jumps two days before the job is resumed, since files that were being written are left alone
 * for a day. If the process died after the job's end was written down, the job is run anew: that run
 * must remove what is left of the one before.
 *
 * Replay: SEED=<seed> npx vitest run --project simulation test/simulation/orphans.test.ts
 */
import { describeSweep } from './jobs/describe-sweep.ts';
import { TOPOLOGIES } from './jobs/index.ts';

const CHOSEN = ['side output to a sink', 'count by key', 'tumbling', 'asyncMap, ordered', 'CSV'];

describeSweep(
  'orphans',
  TOPOLOGIES.filter(({ name }) => CHOSEN.some((chosen) => name.startsWith(chosen))),
  { keepCheckpoints: false },
);

/*
 * Goal: wherever the process or the machine dies, the resumed job's output and state are those of
 * a job that never died: exactly once.
 *
 * Method: each small job of jobs/timed.ts runs once to count its write points, then once per write
 * point on a fresh machine. There it is killed, or power fails, by turns, before or after the write.
 * What is visible then must be a part of the model's output without duplicates. It is submitted again
 * with another parallelism, runs to its end, and output and keyed state must be the model's.
 *
 * Replay: SEED=<seed> npx vitest run --project simulation test/simulation/crash-points-timed.test.ts
 */
import { describeSweep } from './jobs/describe-sweep.ts';
import { TIMED } from './jobs/timed.ts';

describeSweep('timers and time', TIMED);

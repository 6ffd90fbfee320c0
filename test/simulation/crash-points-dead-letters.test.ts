/*
 * Goal: a record on which a function throws is in the dead letters exactly once and has left no other
 * trace, wherever the process or the machine dies.
 *
 * Method: as crash-points-keyed.test.ts, with functions that change state of each kind, emit, and
 * then throw. The models say what comes of the other records alone.
 *
 * Replay: SEED=<seed> npx vitest run --project simulation test/simulation/crash-points-dead-letters.test.ts
 *
 * Planted once, and found: without `rollBack` the state holds what failed records have changed.
 */
import { DEAD_LETTERS } from './jobs/dead-letters.ts';
import { describeSweep } from './jobs/describe-sweep.ts';

describeSweep('dead letters', DEAD_LETTERS);

/*
 * Goal: a job that is spread over TaskManagers does what it does in one process, and goes on when a
 * TaskManager dies.
 * Method: whole jobs on a simulated machine: a JobManager, TaskManagers, a network between them.
 * Replay: SEED=<seed> npx vitest run --project simulation test/simulation/cluster.test.ts
 */
import { describe, expect, it } from 'vitest';
import { SimulatedJob } from '../../src/testing/simulated-job.ts';
import { problemOfAll, problemOfState, visible } from './jobs/check.ts';
import { check, submitOptions } from './jobs/crash-sweep.ts';
import { TOPOLOGIES } from './jobs/index.ts';

const SEED = process.env.SEED ?? '1';

describe.each([
  ['one TaskManager', {}],
  ['a TaskManager for each slot', { slotsPerTaskManager: 1 }],
])(`%s, SEED=${SEED}`, (_, cluster) => {
  it.each(TOPOLOGIES)('$name', async (topology) => {
    const machine = new SimulatedJob({ seed: SEED, cluster });
    await topology.prepare?.(machine);
    await machine.submit(topology.job, submitOptions(topology, 3));
    expect(await machine.runToEnd()).toMatchObject({ status: 'FINISHED', restarts: 0 });
    check(problemOfAll(await visible(machine, topology), topology));
    check(await problemOfState(machine, topology));
    expect(machine.simulation.programs.living()).toEqual([]);
  });
});

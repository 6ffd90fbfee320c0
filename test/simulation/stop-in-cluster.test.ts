/*
 * Goal: a job that is spread over TaskManagers stops with a savepoint as one in a single process does,
 * and whatever dies meanwhile, at any moment, nothing is lost and nothing is done twice.
 *
 * Method: a job of two regions is stopped, with and without drain, and at one moment after the other
 * behind the request a slot, a TaskManager or the JobManager is killed, or the commit of its output fails.
 *
 * Replay: SEED=<seed> npx vitest run --project simulation test/simulation/stop-in-cluster.test.ts
 */
import { fail } from 'node:assert/strict';
import { describe, expect, it } from 'vitest';
import { SimulatedJob } from '../../src/testing/simulated-job.ts';
import { slotsOf } from '../../src/testing/simulation/simulated-slots.ts';
import { problemOfPart, visible } from './jobs/check.ts';
import { check, submitOptions } from './jobs/crash-sweep.ts';
import { STATELESS } from './jobs/stateless.ts';
import { goOn, requireAll, stop, stopped } from './jobs/stopping.ts';

const SEED = process.env.SEED ?? '1';
/** At which something is killed while the job is being stopped; the last is behind it. */
const MOMENTS = 20;
const TOPOLOGY =
  STATELESS.find(({ name }) => name === 'two pipelines side by side') ?? fail('it is gone');

async function running(seed: string, cluster: boolean): Promise<SimulatedJob> {
  const options = cluster ? { cluster: { slotsPerTaskManager: 1 } } : {};
  const machine = new SimulatedJob({ seed: `${SEED} ${seed}`, ...options });
  await TOPOLOGY.prepare?.(machine);
  await machine.submit(TOPOLOGY.job, submitOptions(TOPOLOGY, 3));
  await machine.runUntil(() => machine.completedCheckpoints() >= 1);
  return machine;
}

describe.each([false, true])(`with drain: %s, SEED=${SEED}`, (drain) => {
  it('goes on from the savepoint', async () => {
    const machine = await running('plain', true);
    await stopped(machine, { drain });
    expect(machine.simulation.programs.living()).toEqual([]);
    await goOn(machine, TOPOLOGY, 2);
    await requireAll(machine, TOPOLOGY);
  });

  const victims = {
    slot: (machine: SimulatedJob) => machine.simulation.programs.living().flatMap(slotsOf)[0],
    TaskManager: (machine: SimulatedJob) => machine.simulation.programs.living()[0],
    JobManager: (machine: SimulatedJob) => machine.process,
  };

  it.each(Object.entries(victims))('survives that a %s is killed at any moment', async (_, who) => {
    const seen = new Set<string>();
    const undisturbed = await running('killed', true);
    const askedMs = undisturbed.simulation.nowMs;
    await stopped(undisturbed, { drain });
    const takesMs = undisturbed.simulation.nowMs - askedMs;
    for (let moment = 0; moment < MOMENTS; moment += 1) {
      const machine = await running('killed', true);
      const { clock } = machine.simulation;
      const cancel = clock.after((takesMs * (moment + 0.5)) / (MOMENTS - 1), () =>
        who(machine)?.kill(),
      );
      const outcome = await stop(machine, { drain });
      seen.add(outcome?.kind ?? 'died');
      await machine.outcome();
      cancel();
      check(problemOfPart(await visible(machine, TOPOLOGY), TOPOLOGY));
      await goOn(machine, TOPOLOGY, 2);
      await requireAll(machine, TOPOLOGY);
    }
    // Before and behind the end of the stop.
    expect([...seen].sort()).toContain('completed');
    expect(seen.size).toBeGreaterThan(1);
  });
});

it.each([1, 40])('ends only when its output is committed, %i failures', async (times) => {
  const machine = await running(`commit ${times}`, false);
  const [path = ''] = Object.keys(TOPOLOGY.output);
  machine.simulation.disk.fail({ errno: 'EIO', times, operations: ['link', 'rename'], path });
  const outcome = await stop(machine);
  // A sink that does not commit for a quarter of an hour fails the job, which goes on from the savepoint.
  expect(outcome?.kind).toBe(times === 1 ? 'completed' : 'failed');
  await machine.outcome();
  await goOn(machine, TOPOLOGY, 2);
  await requireAll(machine, TOPOLOGY);
});

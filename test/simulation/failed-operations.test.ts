/*
 * Goal: an operation of the disk that fails once, done or not, takes nothing with it: also not when
 * power fails soon after, when what was not synced because of it is lost.
 *
 * Method: a small job runs once to count its operations on the disk, then once for each of them:
 * that one fails, power fails a while later, and the job is resumed to its end.
 *
 * Replay: SEED=<seed> npx vitest run --project simulation test/simulation/failed-operations.test.ts
 *
 * Found by it: metadata whose write had failed behind the link was read back, and HEAD moved to it,
 * though its folder was not durable: after a power failure HEAD named a file that was not there.
 */
import { expect, it } from 'vitest';
import { SimulatedJob } from '../../src/testing/simulated-job.ts';
import { seededRandom } from '../../src/testing/index.ts';
import { problemOfAll, problemOfPart, problemOfState, visible } from './jobs/check.ts';
import { machineFor, pick, submitOptions, told } from './jobs/crash-sweep.ts';
import { KEYED } from './jobs/keyed.ts';
import type { Topology } from './jobs/topology.ts';

const SEED = process.env.SEED ?? '1';
const CHOSEN = KEYED.filter(({ name }) => /running reduce|keyBy behind/.test(name));

it.each(CHOSEN)(`$name: each operation fails once, SEED=${SEED}`, async (topology) => {
  const times = await operationTimes(topology);
  expect(times.length).toBeGreaterThan(200);
  for (const [skip, atMs] of times.entries()) {
    const random = seededRandom(`${SEED} ${skip}`);
    const fault = { skip, errno: pick(random, ['EIO', 'ENOSPC']), done: random.next() < 0.5 };
    try {
      await failedOnce(topology, fault, atMs + random.next() * 60);
    } catch (error) {
      throw told(error, `SEED=${SEED} ${topology.name}: ${JSON.stringify(fault)}`);
    }
  }
});

/** When the undisturbed job comes to each of its operations; a run with a fault does the same before it. */
async function operationTimes(topology: Topology): Promise<number[]> {
  const machine = new SimulatedJob({ seed: SEED, keepLog: true });
  await machine.submit(topology.job, submitOptions(topology, 2));
  await machine.runToEnd();
  const lines = machine.simulation.log().filter((line) => line.includes(' job#1 disk '));
  return lines.map((line) => Number(line.split(' ')[0]));
}

async function failedOnce(
  topology: Topology,
  fault: { readonly skip: number; readonly errno: string; readonly done: boolean },
  powerMs: number,
): Promise<void> {
  const machine = await machineFor(topology, SEED);
  const { disk, clock } = machine.simulation;
  const heal = disk.fail(fault);
  const cancel = clock.after(powerMs, () => machine.crash());
  try {
    await machine.submit(topology.job, submitOptions(topology, 2));
    const outcome = await machine.outcome();
    if (outcome.kind === 'ended') expect(outcome.result.status).toBe('FINISHED');
  } catch (error) {
    expect(error).toMatchObject({ kind: 'unavailable' });
  }
  heal();
  cancel();
  machine.crash();
  expect(problemOfPart(await visible(machine, topology), topology)).toBeUndefined();
  const outcome = await machine.recover(topology.job, submitOptions(topology, 3));
  if (outcome?.kind === 'ended') expect(outcome.result).toMatchObject({ status: 'FINISHED' });
  expect(problemOfAll(await visible(machine, topology), topology)).toBeUndefined();
  expect(await problemOfState(machine, topology)).toBeUndefined();
}

/*
 * Goal: a job that goes on at another parallelism is the same job: state key by key, timers once,
 * watermarks and what is late, windows, splits, broadcast and list state. The same from a retained
 * checkpoint, from a savepoint, and from nothing, where asked.
 *
 * Method: every small job runs at parallelism 2, is killed after some checkpoints, and goes on at 5,
 * 3 and 1; or it is stopped with a savepoint, and goes on at 8, 3 and 2. Its output and state at the end are the model's. In between, the state of one job is held
 * against the model of exactly as many elements as it says it has seen.
 *
 * Replay: SEED=<seed> npx vitest run --project simulation test/simulation/rescale.test.ts
 */
import { fail } from 'node:assert/strict';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { defineJob, listState } from '../../src/index.ts';
import { SimulatedJob } from '../../src/testing/simulated-job.ts';
import { randomInt } from '../../src/common/random.ts';
import { problemOfAll, problemOfPart, problemOfState, visible } from './jobs/check.ts';
import { machineFor, submitOptions } from './jobs/crash-sweep.ts';
import { TOPOLOGIES } from './jobs/index.ts';
import { every, scripted } from './jobs/scripted-source.ts';
import { goOn, requireAll, startOf, stop, stopped } from './jobs/stopping.ts';
import { groupBy, items, out, type Item } from './jobs/topology.ts';

const SEED = process.env.SEED ?? '1';
const STEPS = [2, 5, 3, 1];

describe.each([1, 2, 3])(`2 → 5 → 3 → 1, SEED=${SEED}, round %i`, (round) => {
  it.each(TOPOLOGIES)('$name', async (topology) => {
    const machine = await machineFor(topology, `${SEED} ${round}`);
    for (const parallelism of STEPS) {
      if (await machine.isOver()) break;
      await machine.submit(topology.job, submitOptions(topology, parallelism));
      if (parallelism === 1) break;
      const goal = machine.completedCheckpoints() + 1 + randomInt(machine.simulation.random, 2);
      await machine.runUntil(() => machine.completedCheckpoints() >= goal);
      machine.kill();
      expect(problemOfPart(await visible(machine, topology), topology)).toBeUndefined();
    }
    const outcome = await machine.outcome();
    if (outcome.kind === 'ended') expect(outcome.result).toMatchObject({ status: 'FINISHED' });
    expect(problemOfAll(await visible(machine, topology), topology)).toBeUndefined();
    expect(await problemOfState(machine, topology)).toBeUndefined();
  });
});

describe(`2 → 8 → 3 → 2 by savepoints, SEED=${SEED}`, () => {
  it.each(TOPOLOGIES)('$name', async (topology) => {
    const machine = await machineFor(topology, `${SEED} by savepoints`);
    let url: string | undefined;
    for (const parallelism of [2, 8, 3]) {
      const from = url === undefined ? {} : { from: { kind: 'snapshot', path: url } as const };
      await machine.submit(topology.job, { ...submitOptions(topology, parallelism), ...from });
      const goal = machine.completedCheckpoints() + 1 + randomInt(machine.simulation.random, 2);
      await machine.runUntil(() => machine.completedCheckpoints() >= goal);
      const outcome = await stop(machine);
      await machine.runToEnd();
      expect(problemOfPart(await visible(machine, topology), topology)).toBeUndefined();
      // It may have come to its end before.
      if (outcome?.kind !== 'completed') break;
      ({ url } = outcome);
    }
    await goOn(machine, topology, 2);
    await requireAll(machine, topology);
  });
});

const COUNT = 80;
const INPUT = items(COUNT, 11);
const seen = listState('seen', z.number());

/** Keeps all it has seen by key; the one split is in order, so a checkpoint is a prefix of it. */
const keeper = defineJob('keeper', (env) => {
  env
    .fromSource('items', scripted(every(3, INPUT)))
    .keyBy(({ key }) => key)
    .process('keep', { seen }, (item, { state, out: output }) => {
      state.seen.add(item.n);
      output.emit(item);
    })
    .sinkTo('out', out('/out'));
});

describe(`the state of a checkpoint, SEED=${SEED}`, () => {
  it('is that of a prefix of the input at each step, key by key', async () => {
    for (let round = 1; round <= 10; round += 1) {
      const machine = new SimulatedJob({ seed: `${SEED} keeper ${round}` });
      let before = 0;
      for (const parallelism of STEPS) {
        await machine.submit(keeper, { parallelism });
        const goal = machine.completedCheckpoints() + 2;
        await machine.runUntil(() => machine.completedCheckpoints() >= goal);
        machine.kill();
        const kept = await requirePrefix(machine);
        expect(kept).toBeGreaterThan(before);
        before = kept;
      }
      await machine.recover(keeper, { parallelism: 2 });
      expect(await requirePrefix(machine)).toBe(COUNT);
      expect(numbers(await machine.jsonLines('/out'))).toEqual(INPUT.map(({ n }) => n));
    }
  });
});

describe(`savepoints at 2, 8, 3 and 2, SEED=${SEED}`, () => {
  it('hold a prefix of the input, key by key', async () => {
    const machine = new SimulatedJob({ seed: `${SEED} keeper by savepoints` });
    let before = 0;
    for (const parallelism of [2, 8, 3]) {
      await machine.submit(keeper, { parallelism, ...startOf(await machine.record()) });
      const goal = machine.completedCheckpoints() + 1;
      await machine.runUntil(() => machine.completedCheckpoints() >= goal);
      await stopped(machine);
      const kept = await requirePrefix(machine);
      expect(kept).toBeGreaterThan(before);
      expect(numbers(await machine.jsonLines('/out'))).toEqual(
        INPUT.slice(0, kept).map(({ n }) => n),
      );
      before = kept;
    }
    await machine.submit(keeper, { parallelism: 2, ...startOf(await machine.record()) });
    expect(await machine.runToEnd()).toMatchObject({ status: 'FINISHED' });
    expect(await requirePrefix(machine)).toBe(COUNT);
  });

  it('keep the number of key groups, which no operator can exceed', async () => {
    const machine = new SimulatedJob({ seed: `${SEED} key groups` });
    const settings = { 'pipeline.max-parallelism': '4' };
    await machine.submit(keeper, { parallelism: 2, settings });
    await machine.runUntil(() => machine.completedCheckpoints() >= 2);
    await stopped(machine);
    const from = startOf(await machine.record());
    const wide = { parallelism: 5, settings: { 'pipeline.max-parallelism': '100' }, ...from };
    const refused = machine.submit(keeper, wide).then(() => machine.runToEnd());
    const error = await refused.then(
      (result) => result.error,
      (thrown: unknown) => thrown,
    );
    expect(error).toMatchObject({ kind: 'invalid' });
    expect(String(error)).toMatch(/CHK-005|GRA-/);
    await machine.submit(keeper, { ...wide, parallelism: 4 });
    expect(await machine.runToEnd()).toMatchObject({ status: 'FINISHED' });
    expect((await machine.latest())?.maxParallelism).toBe(4);
    expect(numbers(await machine.jsonLines('/out'))).toEqual(INPUT.map(({ n }) => n));
  });
});

describe(`another start, SEED=${SEED}`, () => {
  it('goes on from the last checkpoint of a killed run by its path, with all of its output', async () => {
    const machine = await killedAfter(3);
    const from = { kind: 'snapshot', path: await latestPath(machine) } as const;
    await machine.submit(keeper, { parallelism: 3, from });
    expect(await machine.runToEnd()).toMatchObject({ status: 'FINISHED' });
    expect(numbers(await machine.jsonLines('/out'))).toEqual(INPUT.map(({ n }) => n));
    expect(await requirePrefix(machine)).toBe(COUNT);
  });

  // Both runs are of one lineage and began with epoch 1: their files had the same names once.
  it('goes on from the last checkpoint of a cancelled run by its path, with all of its output', async () => {
    const machine = new SimulatedJob({ seed: `${SEED} cancelled` });
    await machine.submit(keeper, { parallelism: 2 });
    await machine.runUntil(() => machine.completedCheckpoints() >= 3);
    machine.running.cancel();
    expect(await machine.runToEnd()).toMatchObject({ status: 'CANCELED' });
    const from = { kind: 'snapshot', path: await latestPath(machine) } as const;
    await machine.submit(keeper, { parallelism: 2, from });
    expect(await machine.runToEnd()).toMatchObject({ status: 'FINISHED' });
    expect(numbers(await machine.jsonLines('/out'))).toEqual(INPUT.map(({ n }) => n));
  });

  it('goes on from a savepoint, which stays', async () => {
    const machine = new SimulatedJob({ seed: `${SEED} savepoint` });
    await machine.submit(keeper, { parallelism: 2 });
    await machine.runUntil(() => machine.completedCheckpoints() >= 2);
    const { master } = machine.running;
    const taken = await machine.simulation.run(() =>
      master.request({ kind: 'savepoint', directory: undefined, notes: {} }),
    );
    if (taken.kind !== 'completed') fail(`the savepoint is ${JSON.stringify(taken)}`);
    machine.kill();
    const old = numbers(await machine.jsonLines('/out'));
    for (const parallelism of [5, 1]) {
      const fork = { parallelism, from: { kind: 'snapshot', path: taken.url } } as const;
      const before = numbers(await machine.jsonLines('/out'));
      await machine.submit(keeper, fork);
      expect(await machine.runToEnd()).toMatchObject({ status: 'FINISHED' });
      const all = numbers(await machine.jsonLines('/out'));
      const added = all.slice().filter((n) => count(all, n) > count(before, n));
      const first = Math.min(...added);
      expect([...new Set(added)]).toEqual(INPUT.slice(first).map(({ n }) => n));
      expect(all.length).toBe(before.length + COUNT - first);
      expect(await requirePrefix(machine)).toBe(COUNT);
    }
    expect(old.length).toBeGreaterThan(0);
  });

  it('starts fresh where asked', async () => {
    const machine = await killedAfter(3);
    const old = numbers(await machine.jsonLines('/out'));
    await machine.submit(keeper, { parallelism: 2, from: { kind: 'fresh' } });
    expect(await machine.runToEnd()).toMatchObject({ status: 'FINISHED' });
    const all = INPUT.map(({ n }) => n);
    expect(numbers(await machine.jsonLines('/out'))).toEqual(sorted([...old, ...all]));
    expect(await requirePrefix(machine)).toBe(COUNT);
  });
});

async function killedAfter(checkpoints: number): Promise<SimulatedJob> {
  const machine = new SimulatedJob({ seed: `${SEED} killed` });
  await machine.submit(keeper, { parallelism: 2 });
  await machine.runUntil(() => machine.completedCheckpoints() >= checkpoints);
  machine.kill();
  return machine;
}

async function latestPath(machine: SimulatedJob): Promise<string> {
  const event = machine.events.findLast(({ kind }) => kind === 'checkpoint-completed');
  const latest = await machine.latest();
  if (event?.kind !== 'checkpoint-completed') fail('there is no checkpoint');
  expect(event.checkpointId).toBe(latest?.checkpointId);
  return event.path;
}

/** Checks that the lists are those of the first elements, and says how many. */
async function requirePrefix(machine: SimulatedJob): Promise<number> {
  const rows = (await machine.state()).get('keep') ?? [];
  const lists = new Map(rows.map(({ key, value }) => [String(key), value as number[]]));
  const total = [...lists.values()].flat().length;
  const model = groupBy(INPUT.slice(0, total), ({ key }) => key);
  const wanted = [...model].map(([key, own]) => [key, own.map(({ n }) => n)] as const);
  expect(Object.fromEntries(lists)).toEqual(Object.fromEntries(wanted));
  return total;
}

function numbers(lines: readonly unknown[]): number[] {
  return sorted(lines.map((line) => (line as Item).n));
}

function sorted(values: readonly number[]): number[] {
  return values.toSorted((a, b) => a - b);
}

function count(values: readonly number[], value: number): number {
  return values.filter((each) => each === value).length;
}

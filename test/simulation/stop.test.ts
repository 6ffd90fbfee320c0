/*
 * Goal: a job that is stopped with a savepoint ends there, and whoever goes on from the savepoint goes
 * on with exactly the rest: nothing is lost, nothing is done twice. If the savepoint fails, the job
 * goes on as if nobody had asked. With drain all that waits is fired before.
 *
 * Method: every small job is stopped after some checkpoints and goes on from its savepoint at another
 * parallelism, several times; its output and state at the end are the model's. Once more with a crash at
 * each write point of a stop, with a storage that fails, with a region that fails.
 *
 * Replay: SEED=<seed> npx vitest run --project simulation test/simulation/stop.test.ts
 */
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { Clock } from '../../src/common/clock.ts';
import {
  defineJob,
  listState,
  monotonous,
  sum as sumOf,
  tumbling,
  valueState,
} from '../../src/index.ts';
import type { SimulatedWorld } from '../../src/testing/index.ts';
import { randomInt } from '../../src/common/random.ts';
import { SimulatedJob } from '../../src/testing/simulated-job.ts';
import { check, machineFor, submitOptions } from './jobs/crash-sweep.ts';
import { problemOfPart, visible } from './jobs/check.ts';
import { TOPOLOGIES } from './jobs/index.ts';
import { every, scripted } from './jobs/scripted-source.ts';
import { goOn, requireAll, startOf, stop, stopped } from './jobs/stopping.ts';
import { items, out, type Item, type Topology } from './jobs/topology.ts';

const Item_ = z.object({ key: z.string(), n: z.number(), at: z.number() });
const SEED = process.env.SEED ?? '1';
const STEPS = [2, 3, 1];

describe.each([1, 2])(`stopped at 2, 3 and 1, SEED=${SEED}, round %i`, (round) => {
  it.each(TOPOLOGIES)('$name', async (topology) => {
    const machine = await machineFor(topology, `${SEED} stop ${round}`);
    const { random } = machine.simulation;
    for (const parallelism of STEPS) {
      const record = await machine.record();
      if (record?.state === 'finished') break;
      const options = submitOptions(topology, parallelism);
      await machine.submit(topology.job, { ...options, ...startOf(record) });
      const goal = machine.completedCheckpoints() + 1 + randomInt(random, 2);
      await machine.runUntil(() => machine.completedCheckpoints() >= goal);
      const outcome = await stop(machine, { drain: false });
      await machine.runToEnd();
      check(problemOfPart(await visible(machine, topology), topology));
      // A short job may have come to its end before it was asked to stop.
      const state = outcome?.kind === 'completed' ? 'stopped' : 'finished';
      expect(await machine.record()).toMatchObject({ state });
    }
    await goOn(machine, topology, 2);
    await requireAll(machine, topology);
  });
});

const COUNT = 80;
const FEW = items(4).map((item) => ({ ...item, key: 'few', n: item.n - 4 }));
const INPUT = [...FEW, ...items(COUNT, 11)];
const seen = listState('seen', z.number());

/** Keeps all that it has seen by key. Two sources, one of which has ended long before. */
const keeper = defineJob('keeper', (env) => {
  env
    .fromSource('items', scripted(every(3, INPUT.slice(FEW.length))))
    .union(env.fromSource('few', scripted(every(1, FEW))))
    .keyBy(({ key }) => key)
    .process('keep', { seen }, (item, { state, out: output }) => {
      state.seen.add(item.n);
      output.emit(item);
    })
    .sinkTo('out', out('/out'));
});

const KEEPER: Topology = {
  name: 'keeper',
  job: () => keeper,
  output: { '/out': INPUT },
  state: [...new Set(INPUT.map(({ key }) => key))].map((key) => ({
    uid: 'keep',
    state: 'seen',
    key,
    value: INPUT.filter((item) => item.key === key).map(({ n }) => n),
  })),
};

/** Windows that nothing but the end of the input fires, and others. */
const windows = defineJob('windows', (env) => {
  env
    .fromSource(
      'items',
      scripted(every(3, items(COUNT, 11))),
      monotonous(({ at }) => at),
    )
    .keyBy(({ key }) => key)
    .window(
      'count',
      tumbling(100),
      sumOf(
        () => 1,
        (total, { window }) => ({ start: window.start, total }),
      ),
    )
    .sinkTo('out', out('/out'));
});

async function counted(machine: SimulatedJob): Promise<number> {
  const lines = (await machine.jsonLines('/out')) as { readonly total: number }[];
  return lines.reduce((all, { total }) => all + total, 0);
}

async function running(seed: string, parallelism = 3): Promise<SimulatedJob> {
  const machine = new SimulatedJob({ seed: `${SEED} ${seed}` });
  await machine.submit(keeper, submitOptions(KEEPER, parallelism));
  await machine.runUntil(() => machine.completedCheckpoints() >= 2);
  return machine;
}

async function shown(machine: SimulatedJob): Promise<number[]> {
  const lines = (await machine.jsonLines('/out')) as Item[];
  return lines.map(({ n }) => n).sort((a, b) => a - b);
}

describe(`a stop, SEED=${SEED}`, () => {
  it('leaves all output of the savepoint and none behind it', async () => {
    const machine = await running('output');
    const savepointUrl = await stopped(machine);
    const { stop: mode, kind } = (await machine.latest()) ?? {};
    expect({ mode, kind }).toEqual({ mode: 'suspend', kind: 'savepoint' });
    const before = await shown(machine);
    expect(before).toEqual(INPUT.slice(0, before.length).map(({ n }) => n));
    expect(before.length).toBeLessThan(COUNT);
    expect((await machine.record())?.savepointUrl).toBe(savepointUrl);
    await goOn(machine, KEEPER, 2);
    await requireAll(machine, KEEPER);
  });

  it('with drain takes up again where the input was ended, and not what had ended by itself', async () => {
    const machine = await running('drain');
    await stopped(machine, { drain: true });
    expect((await machine.latest())?.stop).toBe('drain');
    const before = await shown(machine);
    expect(before.length).toBeLessThan(COUNT);
    await goOn(machine, KEEPER, 2);
    await requireAll(machine, KEEPER);
  });

  it.each([false, true])('goes on if the savepoint fails, drain %s', async (drain) => {
    const machine = await running(`fails ${drain}`);
    const outcome = await stop(machine, { drain, directory: 'hdfs://nowhere/at-all' });
    expect(outcome).toMatchObject({ kind: 'failed', reason: 'trigger-failed' });
    expect(await machine.runToEnd()).toMatchObject({
      status: 'FINISHED',
      savepointUrl: undefined,
      restarts: drain ? 1 : 0,
    });
    expect(await machine.record()).toMatchObject({ state: 'finished' });
    await requireAll(machine, KEEPER);
  });

  it.each([false, true])('goes on if it fails after all stood still, drain %s', async (drain) => {
    const machine = await running(`stood still ${drain}`);
    const heal = machine.simulation.disk.fail({ path: '/_metadata', errno: 'ENOSPC', times: 1000 });
    expect(await stop(machine, { drain })).toMatchObject({
      kind: 'failed',
      reason: 'store-failed',
    });
    heal();
    expect(await machine.runToEnd()).toMatchObject({
      status: 'FINISHED',
      savepointUrl: undefined,
      restarts: drain ? 1 : 0,
    });
    await requireAll(machine, KEEPER);
  });

  it('with drain fires what waits, and begins event time anew', async () => {
    const machine = new SimulatedJob({ seed: `${SEED} windows` });
    await machine.submit(windows, { parallelism: 2 });
    await machine.runUntil(() => machine.completedCheckpoints() >= 2);
    const url = await stopped(machine, { drain: true });
    const drained = await counted(machine);
    expect(drained).toBeGreaterThan(0);
    expect(drained).toBeLessThan(COUNT);
    await machine.submit(windows, { parallelism: 3, from: { kind: 'snapshot', path: url } });
    expect(await machine.runToEnd()).toMatchObject({ status: 'FINISHED' });
    expect(await counted(machine)).toBe(COUNT);
  });

  it('refuses other requests meanwhile, and a second stop', async () => {
    const machine = await running('twice');
    const { master } = machine.running;
    const notes = {};
    const first = master.request({ kind: 'stop', drain: false, directory: undefined, notes });
    const second = master.request({ kind: 'stop', drain: true, directory: undefined, notes });
    const third = master.request({ kind: 'savepoint', directory: undefined, notes });
    for (const refused of [second, third]) {
      expect(await machine.simulation.run(refused)).toMatchObject({ reason: 'stopping' });
    }
    expect(await machine.simulation.run(first)).toMatchObject({ kind: 'completed' });
  });

  it('is what a cancel with a savepoint does first', async () => {
    const machine = await running('cancel with savepoint');
    const { master } = machine.running;
    const asked = master.cancelWithSavepoint({ directory: undefined, notes: { why: 'repair' } });
    const outcome = await machine.simulation.run(asked);
    if (outcome.kind !== 'completed') throw new TypeError(JSON.stringify(outcome));
    const savepointUrl = outcome.url;
    expect(await machine.runToEnd()).toMatchObject({ status: 'CANCELED', savepointUrl });
    expect(await machine.record()).toMatchObject({ state: 'canceled', savepointUrl });
    const from = { kind: 'snapshot', path: savepointUrl } as const;
    await machine.submit(keeper, { ...submitOptions(KEEPER, 1), from });
    expect(await machine.runToEnd()).toMatchObject({ status: 'FINISHED' });
    await requireAll(machine, KEEPER);
  });

  it('gives way to a cancel', async () => {
    const machine = await running('cancel');
    const { master } = machine.running;
    const asked = master.request({ kind: 'stop', drain: false, directory: undefined, notes: {} });
    machine.running.cancel();
    expect(await machine.simulation.run(asked)).toMatchObject({ kind: 'failed' });
    expect(await machine.runToEnd()).toMatchObject({ status: 'CANCELED' });
    expect(await machine.record()).toMatchObject({ state: 'canceled' });
  });
});

/** Two regions. A reader of one fails when it hears that the savepoint of a stop is complete. */
function twoRegions(trouble: { armed: boolean }) {
  return defineJob('two-regions', (env) => {
    for (const name of ['calm', 'troubled']) {
      const source = scripted(every(3, items(COUNT)));
      const troubled: typeof source = {
        ...source,
        reader: (context) => {
          const reader = source.reader(context);
          reader.checkpointCompleted = () => {
            if (!trouble.armed) return;
            trouble.armed = false;
            throw new TypeError('planned by the test');
          };
          return reader;
        },
      };
      env
        .fromSource(`${name}-items`, name === 'calm' ? source : troubled)
        .keyBy(({ key }) => key)
        .process(`${name}-keep`, { seen }, (item, { state, out: output }) => {
          state.seen.add(item.n);
          output.emit(item);
        })
        .sinkTo(`${name}-out`, out(`/${name}`));
    }
  });
}

// The other region once stood still for ever: its savepoint was complete, and the job went on.
it('starts all regions again when one fails behind the savepoint', async () => {
  const machine = new SimulatedJob({ seed: `${SEED} two regions` });
  const trouble = { armed: false };
  await machine.submit(twoRegions(trouble), { parallelism: 2 });
  await machine.runUntil(() => machine.completedCheckpoints() >= 2);
  trouble.armed = true;
  machine.simulation.disk.fail({ path: '/calm', times: 20, delayMs: 5 });
  expect(await stop(machine)).toMatchObject({
    kind: 'failed',
    message: expect.stringContaining('but the job failed while stopping') as string,
  });
  expect(await machine.runToEnd()).toMatchObject({ status: 'FINISHED', restarts: 1 });
  for (const folder of ['/calm', '/troubled']) {
    const lines = (await machine.jsonLines(folder)) as Item[];
    expect(lines.map(({ n }) => n).sort((a, b) => a - b)).toEqual(items(COUNT).map(({ n }) => n));
  }
});

const Counts = z.object({ elements: z.number(), timers: z.number() });
const counts = valueState('counts', Counts);

/** Counts elements and timers of processing time in state, and beside it in `all`. */
function counting(all: z.infer<typeof Counts>, { clock }: SimulatedWorld) {
  return defineJob('counting', (env) => {
    env
      .fromSource('items', scripted(every(1, items(300)), every(1, items(300))))
      .asyncMap('wait', Item_, (item) => waited(clock, item), { capacity: 8 })
      .keyBy(({ key }) => key)
      .process('count', { counts }, Item_, {
        processElement: (_, { state, timers }) => {
          const { elements, timers: fired } = state.counts.value() ?? { elements: 0, timers: 0 };
          state.counts.update({ elements: elements + 1, timers: fired });
          all.elements += 1;
          timers.processingTime(clock.wallMs() + 2);
        },
        onTimer: (_, { state }) => {
          const { elements, timers: fired } = state.counts.value() ?? { elements: 0, timers: 0 };
          state.counts.update({ elements, timers: fired + 1 });
          all.timers += 1;
        },
      })
      .sinkTo('out', out('/out'));
  });
}

function waited(clock: Clock, item: Item): Promise<Item> {
  return new Promise((resolve) => {
    clock.after(5, () => resolve(item));
  });
}

it.each([1, 3])('lets nothing happen behind the savepoint, parallelism %i', async (parallelism) => {
  for (const mode of ['EXACTLY_ONCE', 'AT_LEAST_ONCE']) {
    const all = { elements: 0, timers: 0 };
    const machine = new SimulatedJob({ seed: `${SEED} nothing ${parallelism}` });
    const settings = { 'execution.checkpointing.mode': mode };
    await machine.submit((world) => counting(all, world), { parallelism, settings });
    await machine.runUntil(() => machine.completedCheckpoints() >= 1 && all.timers > 20);
    // All tasks have their part by then. Long enough for many more elements, results and timers.
    machine.simulation.disk.fail({ path: '/_metadata', times: 3, delayMs: 30 });
    await stopped(machine);
    const kept = { elements: 0, timers: 0 };
    for (const { state, value } of (await machine.state()).get('count') ?? []) {
      if (state !== 'counts') continue;
      const { elements, timers } = value as z.infer<typeof Counts>;
      kept.elements += elements;
      kept.timers += timers;
    }
    expect(all).toEqual(kept);
  }
});

/** Stops after the second checkpoint, dies at a write point behind that, and goes on. */
async function crashedStop(drain: boolean, writePoint: number): Promise<void> {
  const machine = await running(`crash ${drain}`, 2);
  const { disk } = machine.simulation;
  void disk.crashAt(disk.writePoints() + writePoint, writePoint % 2 === 0 ? 'before' : 'after');
  await stop(machine, { drain });
  expect(await machine.outcome(), `write point ${writePoint}`).toEqual({ kind: 'died' });
  if (writePoint % 3 === 0) machine.crash();
  check(problemOfPart(await visible(machine, KEEPER), KEEPER));
  await goOn(machine, KEEPER, 1 + (writePoint % 3));
  await requireAll(machine, KEEPER);
}

it.each([false, true])(
  'survives a crash at each write point, drain %s',
  async (drain) => {
    const machine = await running(`crash ${drain}`, 2);
    const before = machine.simulation.disk.writePoints();
    expect(await stop(machine, { drain })).toMatchObject({ kind: 'completed' });
    await machine.runToEnd();
    const points = machine.simulation.disk.writePoints() - before;
    expect(points).toBeGreaterThan(10);
    for (let at = 1; at <= points; at += 1) await crashedStop(drain, at);
  },
  120_000,
);

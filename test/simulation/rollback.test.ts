/*
 * Goal: a rollback takes a job and its table back to one checkpoint, and whatever point its process dies at:
 * done again it ends the same, and nothing that starts in between loses or doubles a record.
 *
 * Method: a job with state and an Iceberg table is killed after some checkpoints. It is rolled back to one of
 * them, by a process that dies at each of its write points in turn. Then the job is started: it is refused
 * while the rollback is not done, which is then done again. At the end the table holds each record once,
 * with the count that its key has by then.
 *
 * Replay: SEED=<seed> npx vitest run --project simulation test/simulation/rollback.test.ts
 *
 * Planted once, and found: a start that does not look at the mark.
 */
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { readHead, type Head } from '../../src/checkpoint/head.ts';
import { performRollback } from '../../src/cluster/rollback/perform-rollback.ts';
import { planRollback, type RollbackPlan } from '../../src/cluster/rollback/plan-rollback.ts';
import { hadoop, icebergSink } from '../../src/connectors/iceberg/index.ts';
import { defineJob, fileSink, valueState } from '../../src/index.ts';
import { parseSettings } from '../../src/settings/parse-settings.ts';
import { FileBlobStore } from '../../src/storage/file-blob-store.ts';
import { CHECKPOINTS, SimulatedJob } from '../../src/testing/simulated-job.ts';
import type { SimulatedProcess } from '../../src/testing/index.ts';
import { rowsOf } from '../support/iceberg-rows.ts';
import { every, scripted } from './jobs/scripted-source.ts';
import { items } from './jobs/topology.ts';

const SEED = process.env.SEED ?? '1';
const INPUT = items(60);
const SETTINGS = { 'execution.checkpointing.num-retained': '100' };
/** Complete ones when the job is killed, and the one that it goes back to. */
const COMPLETED = 7;
const BACK_TO = 3;

const Row = z.object({ n: z.number(), key: z.string(), count: z.number() });
const seen = valueState('seen', z.number());

const job = defineJob('rolled', (env) => {
  env
    .fromSource('items', scripted(every(6, INPUT)))
    .keyBy(({ key }) => key)
    .process('count', { seen }, Row, ({ n }, { key, state, out }) => {
      const count = (state.seen.value() ?? 0) + 1;
      state.seen.update(count);
      out.emit({ n, key, count });
    })
    .sinkTo(
      'rows',
      icebergSink({ catalog: hadoop({ warehouse: '/lake' }), table: 'db.rows', schema: Row }),
    );
});

const EXPECTED = INPUT.map(({ n, key }, i) => ({
  n,
  key,
  count: INPUT.slice(0, i + 1).filter((other) => other.key === key).length,
}));

class Machine {
  readonly job = new SimulatedJob({ seed: SEED });
  #processes = 0;

  /** Runs in a process of its own. */
  async in<T>(work: (process: SimulatedProcess) => Promise<T>): Promise<T> {
    const { simulation } = this.job;
    const process = simulation.process(`other-${++this.#processes}`);
    return simulation.run(process.start(() => work(process)));
  }

  rows(): Promise<unknown[]> {
    return this.in((world) => rowsOf(world, '/lake', 'db.rows'));
  }

  async head(): Promise<Head | undefined> {
    const { jobId = '' } = (await this.job.record()) ?? {};
    return this.in(async (world) => {
      return (await readHead(new FileBlobStore(world.fs, CHECKPOINTS, world.random), jobId))?.head;
    });
  }
}

async function killedJob(): Promise<{ machine: Machine; beforeMs: number }> {
  const machine = new Machine();
  await machine.job.submit(job, { settings: SETTINGS });
  await machine.job.runUntil(() => machine.job.completedCheckpoints() >= COMPLETED);
  machine.job.kill();
  const head = await machine.head();
  const to = head?.checkpoints[BACK_TO - 1];
  expect(head?.checkpoints.length).toBeGreaterThanOrEqual(COMPLETED);
  return { machine, beforeMs: (to?.completedMs ?? 0) + 1 };
}

function storeOf(process: SimulatedProcess): FileBlobStore {
  return new FileBlobStore(process.fs, CHECKPOINTS, process.random.fork('store'));
}

async function rollBack(process: SimulatedProcess, beforeMs: number): Promise<RollbackPlan> {
  const store = storeOf(process);
  const flink = parseSettings({ env: {}, dynamic: {}, cores: 1 });
  const { graph } = job.build(undefined, flink);
  const openStore = () => store;
  const plan = await planRollback({ store, openStore, world: process, graph, beforeMs, leave: [] });
  await performRollback(plan, { store, world: process, owner: 'test' });
  return plan;
}

async function runToEnd(machine: Machine): Promise<void> {
  await machine.job.submit(job, { settings: SETTINGS });
  expect(await machine.job.runToEnd()).toMatchObject({ status: 'FINISHED' });
  const rows = (await machine.rows()) as typeof EXPECTED;
  expect(rows.toSorted((a, b) => a.n - b.n)).toEqual(EXPECTED);
}

describe(`a rollback, SEED=${SEED}`, () => {
  it('puts the table and the job back to one checkpoint', async () => {
    const { machine, beforeMs } = await killedJob();
    const before = await machine.rows();

    const plan = await machine.in((world) => rollBack(world, beforeMs));

    expect(plan.dropped.map(({ checkpointId }) => checkpointId)).toContain(COMPLETED);
    expect(plan.sources).toMatchObject([{ uid: 'items', kind: 'scripted', finished: false }]);
    const head = await machine.head();
    expect(head?.checkpoints.at(-1)?.checkpointId).toBe(plan.to.checkpointId);
    const rows = await machine.rows();
    expect(rows.length).toBeLessThan(before.length);
    const [split] = plan.sources[0]?.splits ?? [];
    expect(rows).toHaveLength((JSON.parse(split ?? '{}') as { next: number }).next);
    await runToEnd(machine);
  });

  it('goes back to nothing where the table had nothing', async () => {
    const { machine } = await killedJob();
    const first = (await machine.head())?.checkpoints[0];
    const plan = await machine.in((world) => rollBack(world, (first?.completedMs ?? 0) + 0.5));
    expect(plan.to.checkpointId).toBe(first?.checkpointId);
    await runToEnd(machine);
  });

  it('ends the same wherever its process dies', async () => {
    let points = 0;
    for (const moment of ['before', 'after'] as const) {
      for (let at = 1; ; at += 1) {
        const { machine, beforeMs } = await killedJob();
        const { disk } = machine.job.simulation;
        const died = disk.crashAt(disk.writePoints() + at, moment).then(() => true);
        const one = machine.job.simulation.process('rollback');
        const done = one.start(() => rollBack(one, beforeMs)).then(() => false);
        if (!(await machine.job.simulation.run(Promise.race([done, died])))) break;
        points += 1;
        if (at % 2 === 0) machine.job.crash();
        try {
          await runToEnd(machine);
        } catch (error) {
          expect(error, `${moment} write point ${at}`).toMatchObject({ code: 'CHK-030' });
          await machine.in((world) => rollBack(world, beforeMs));
          await runToEnd(machine);
        }
      }
    }
    process.stdout.write(`rollback: ${points} crash points\n`);
    expect(points).toBeGreaterThan(20);
  });

  it('is refused before a sink whose output cannot be taken back', async () => {
    const files = defineJob('filed', (env) => {
      env
        .fromSource('items', scripted(every(3, INPUT)))
        .sinkTo('out', fileSink({ path: '/out', format: 'json-lines' }));
    });
    const machine = new Machine();
    await machine.job.submit(files, { settings: SETTINGS });
    await machine.job.runUntil(() => machine.job.completedCheckpoints() >= 2);
    machine.job.kill();
    const flink = parseSettings({ env: {}, dynamic: {}, cores: 1 });
    const { graph } = files.build(undefined, flink);
    const plan = (leave: readonly string[], beforeMs = Infinity) =>
      machine.in((world) => {
        const store = storeOf(world);
        return planRollback({ store, openStore: () => store, world, graph, beforeMs, leave });
      });

    await expect(plan([])).rejects.toMatchObject({ code: 'CLI-085' });
    expect((await plan(['out'])).sinks).toMatchObject([{ uid: 'out', rollback: undefined }]);
    await expect(plan([], 0)).rejects.toMatchObject({ code: 'CLI-084' });
  });
});

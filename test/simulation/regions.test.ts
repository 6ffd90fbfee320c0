/*
 * Goal: a failure restarts what is connected with it and nothing else, and both parts stay exact;
 * with the strategy `full` everything is restarted.
 *
 * Method: a job of two pipelines that have nothing in common, of which one throws a few times. Calls
 * of the other one's function are counted: each element once means that nothing was done again.
 *
 * Replay: SEED=<seed> npx vitest run --project simulation test/simulation/regions.test.ts
 */
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { defineJob, valueState } from '../../src/index.ts';
import { SimulatedJob, type SubmitOptions } from '../../src/testing/simulated-job.ts';
import { every, scripted } from './jobs/scripted-source.ts';
import { groupBy, items, out } from './jobs/topology.ts';

const SEED = process.env.SEED ?? '1';
const CALM = items(80);
const TROUBLED = items(60);
const THROWS_AT = [10, 25, 40];

const counted = valueState('counted', z.number());
const Count = z.object({ key: z.string(), count: z.number() });

interface Calls {
  calm: number;
  troubled: number;
}

/** Counts by key. `calls` is shared by all subtasks and attempts, and no part of the state. */
function twoPipelines(calls: Calls) {
  return defineJob('two-pipelines', (env) => {
    for (const name of ['calm', 'troubled'] as const) {
      env
        .fromSource(`${name}-items`, scripted(every(4, name === 'calm' ? CALM : TROUBLED)))
        .keyBy(({ key }) => key)
        .process(`${name}-count`, { counted }, Count, ({ key }, { state, out: output }) => {
          calls[name] += 1;
          if (name === 'troubled' && THROWS_AT.includes(calls[name])) {
            throw new TypeError('planned by the test');
          }
          const count = (state.counted.value() ?? 0) + 1;
          state.counted.update(count);
          output.emit({ key, count });
        })
        .sinkTo(`${name}-out`, out(`/${name}`));
    }
  });
}

function expected(input: typeof CALM): unknown[] {
  return [...groupBy(input, ({ key }) => key)].flatMap(([key, own]) =>
    own.map((_, index) => ({ key, count: index + 1 })),
  );
}

async function run(options: SubmitOptions = {}): Promise<{ calls: Calls; machine: SimulatedJob }> {
  const calls = { calm: 0, troubled: 0 };
  const machine = new SimulatedJob({ seed: SEED });
  await machine.submit(twoPipelines(calls), { parallelism: 2, ...options });
  const result = await machine.runToEnd();
  expect(result).toMatchObject({ status: 'FINISHED', restarts: THROWS_AT.length });
  const sorted = (values: readonly unknown[]) => values.map((one) => JSON.stringify(one)).sort();
  for (const [folder, input] of [['/calm', CALM] as const, ['/troubled', TROUBLED] as const]) {
    expect(sorted(await machine.jsonLines(folder))).toEqual(sorted(expected(input)));
  }
  return { calls, machine };
}

describe(`failover, SEED=${SEED}`, () => {
  it('restarts the region of the failed task and lets the other one go on', async () => {
    const { calls } = await run();
    expect(calls.calm).toBe(CALM.length);
    expect(calls.troubled).toBeGreaterThan(TROUBLED.length);
  });

  it('restarts everything if it is told to', async () => {
    const { calls } = await run({
      settings: { 'jobmanager.execution.failover-strategy': 'full' },
    });
    expect(calls.calm).toBeGreaterThan(CALM.length);
  });

  it('goes on from a checkpoint of both when the whole process dies', async () => {
    const calls = { calm: 0, troubled: 0 };
    const machine = new SimulatedJob({ seed: SEED });
    await machine.submit(twoPipelines(calls), { parallelism: 2 });
    await machine.runUntil(() => machine.completedCheckpoints() >= 4);
    machine.crash();
    await machine.submit(twoPipelines(calls), { parallelism: 3 });
    expect(await machine.runToEnd()).toMatchObject({ status: 'FINISHED' });
    for (const [folder, input] of [['/calm', CALM] as const, ['/troubled', TROUBLED] as const]) {
      expect(await machine.jsonLines(folder)).toHaveLength(input.length);
    }
  });
});

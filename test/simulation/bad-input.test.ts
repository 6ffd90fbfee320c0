/*
 * Goal: what a user or a disk may do wrong ends in an error that says what to do, and never in output
 * that is wrong.
 *
 * Method: a job is killed behind some checkpoints. Then one thing is made wrong: a bit of a file of
 * its last checkpoint, its length, the disk, the job. It is submitted again.
 *
 * Replay: SEED=<seed> npx vitest run --project simulation test/simulation/bad-input.test.ts
 */
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { defineJob, valueState, type InferOutput, type JobDefinition } from '../../src/index.ts';
import { filesOfOperators } from '../../src/checkpoint/metadata.ts';
import {
  CHECKPOINTS,
  SimulatedJob,
  type SimulatedJobGiven,
  type SubmitOptions,
} from '../../src/testing/simulated-job.ts';
import { problemOfAll, problemOfState, visible } from './jobs/check.ts';
import { submitOptions } from './jobs/crash-sweep.ts';
import { KEYED } from './jobs/keyed.ts';
import { every, scripted } from './jobs/scripted-source.ts';
import { items, out, type Item } from './jobs/topology.ts';

const SEED = process.env.SEED ?? '1';
const INPUT = items(60);
const LONG = 'x'.repeat(3000);

/** State that is too large to lie in the metadata. */
const notes = valueState('notes', z.object({ n: z.number(), text: z.string() }));

function noting(describe: (item: Item) => void = () => undefined): JobDefinition<undefined> {
  return defineJob('noting', (env) => {
    env
      .fromSource('items', scripted(every(3, INPUT)))
      .keyBy(({ n }) => n % 30)
      .process('note', { notes }, (item, { state, out: output }) => {
        describe(item);
        state.notes.update({ n: item.n, text: LONG });
        output.emit(item);
      })
      .sinkTo('out', out('/out'));
  });
}

async function killed(job: SimulatedJobGiven, options: SubmitOptions = {}): Promise<SimulatedJob> {
  const machine = new SimulatedJob({ seed: SEED });
  await machine.submit(job, { parallelism: 2, ...options });
  await machine.runUntil(() => machine.completedCheckpoints() >= 3);
  machine.kill();
  return machine;
}

/** Why the job does not run, or ends. */
async function errorOf(
  machine: SimulatedJob,
  job: SimulatedJobGiven,
  options: SubmitOptions = {},
): Promise<unknown> {
  try {
    await machine.submit(job, options);
  } catch (error) {
    return error;
  }
  const result = await machine.runToEnd();
  expect(result.status).toBe('FAILED');
  return result.error;
}

describe(`damaged checkpoints, SEED=${SEED}`, () => {
  it('keep the job from starting, whatever bit is turned and wherever the file ends', async () => {
    const files = await filesOf(await killed(noting()));
    expect(files.length).toBeGreaterThan(4);
    let damages = 0;
    for (const { path, sizeBytes } of files) {
      const step = Math.max(1, Math.floor((sizeBytes * 8) / 24));
      for (let bit = damages % 8; bit < sizeBytes * 8; bit += step) {
        await requireRefused(`bit ${bit} of ${path}`, async (machine) => {
          machine.simulation.disk.flip(path, bit);
        });
        damages += 1;
      }
      const ends = [...new Set([undefined, 0, 1, sizeBytes >> 1, sizeBytes - 1])];
      for (const end of ends) {
        await requireRefused(`${path} ends at ${end ?? 'nothing'}`, (machine) =>
          machine.truncate(path, end),
        );
        damages += 1;
      }
    }
    expect(damages).toBeGreaterThan(100);
  });
});

/** All that a resumed job reads: the name's record, HEAD, the metadata and the files it names. */
async function filesOf(
  machine: SimulatedJob,
): Promise<readonly { path: string; sizeBytes: number }[]> {
  const latest = await machine.latest();
  if (latest === undefined) return [];
  const named = filesOfOperators(latest.operators).map((path) => `${CHECKPOINTS}/${path}`);
  const metadata = `${CHECKPOINTS}/${latest.jobId}/chk-${latest.checkpointId}/_metadata`;
  expect(named.length).toBeGreaterThan(0);
  return machine.simulation.disk
    .files(CHECKPOINTS)
    .filter(
      ({ path, sizeBytes }) =>
        sizeBytes > 0 &&
        (named.includes(path) ||
          path === metadata ||
          /\/(HEAD|by-name\/[^/]+)\/\.tidemark-body/.test(path)),
    );
}

async function requireRefused(
  what: string,
  damage: (machine: SimulatedJob) => Promise<void>,
): Promise<void> {
  const machine = await killed(noting());
  const before = await machine.jsonLines('/out');
  await damage(machine);
  const error = await errorOf(machine, noting(), { parallelism: 3 });
  expect(error, what).toMatchObject({
    kind: 'corrupt',
    code: expect.stringMatching(/^\w{3}-\d{3}$/),
  });
  expect((error as Error).message.split('\n').length, what).toBeGreaterThan(2);
  expect(await machine.jsonLines('/out'), what).toEqual(before);
}

describe(`a full disk, SEED=${SEED}`, () => {
  const [topology] = KEYED;
  if (topology === undefined) return;

  it('is borne as often as the setting says, and then nothing is lost', async () => {
    const machine = new SimulatedJob({ seed: SEED });
    await machine.submit(topology.job, tolerating(3));
    await machine.runUntil(() => machine.completedCheckpoints() >= 1);
    const full = fillFor(machine, CHECKPOINTS);
    await machine.runUntil(() => failedCheckpoints(machine) >= 3);
    full();
    expect(await machine.runToEnd()).toMatchObject({ status: 'FINISHED', restarts: 0 });
    expect(failedCheckpoints(machine)).toBeGreaterThanOrEqual(3);
    expect(problemOfAll(await visible(machine, topology), topology)).toBeUndefined();
    expect(await problemOfState(machine, topology)).toBeUndefined();
  });

  it('ends the job beyond that, with the reason; with room again it goes on', async () => {
    const machine = new SimulatedJob({ seed: SEED });
    await machine.submit(topology.job, tolerating(1));
    await machine.runUntil(() => machine.completedCheckpoints() >= 1);
    const full = fillFor(machine, CHECKPOINTS);
    const result = await machine.runToEnd();
    expect(result).toMatchObject({ status: 'FAILED' });
    expect(textOf(result.error)).toMatch(/ENOSPC|full|STO-001|no space/i);
    full();
    expect(await machine.recover(topology.job, submitOptions(topology, 3))).toMatchObject({
      result: { status: 'FINISHED' },
    });
    expect(problemOfAll(await visible(machine, topology), topology)).toBeUndefined();
    expect(await problemOfState(machine, topology)).toBeUndefined();
  });

  function tolerating(failures: number): SubmitOptions {
    const setting = 'execution.checkpointing.tolerable-failed-checkpoints';
    return { parallelism: 2, settings: { [setting]: String(failures) } };
  }
});

function fillFor(machine: SimulatedJob, path: string): () => void {
  const operations = ['create', 'write', 'makeFolder'] as const;
  return machine.simulation.disk.fail({ operations, path, errno: 'ENOSPC', times: Infinity });
}

function failedCheckpoints(machine: SimulatedJob): number {
  return machine.events.filter(({ kind }) => kind === 'checkpoint-failed').length;
}

/** With all its causes. */
function textOf(error: unknown): string {
  const texts: string[] = [];
  for (let each = error; each instanceof Error; each = each.cause) texts.push(each.message);
  return texts.join('\n');
}

describe('a function that throws', () => {
  it('is tried again as often as the settings say, then named', async () => {
    let calls = 0;
    const machine = new SimulatedJob({ seed: SEED });
    const job = noting(({ n }) => {
      if (n !== 20) return;
      calls += 1;
      throw new TypeError('no such thing');
    });
    const error = await errorOf(machine, job, { parallelism: 2 });
    expect(error).toMatchObject({ kind: 'user-code', details: { operator: 'note' } });
    expect(textOf(error)).toContain('no such thing');
    expect(calls).toBe(4);
    const seen = (await machine.jsonLines('/out')) as Item[];
    expect(seen.filter(({ n }) => n >= 20 && n % 30 === 20)).toEqual([]);
    expect(new Set(seen.map(({ n }) => n)).size).toBe(seen.length);
    expect(await machine.recover(noting(), {})).toMatchObject({ result: { status: 'FINISHED' } });
    const all = (await machine.jsonLines('/out')) as Item[];
    expect(all.map(({ n }) => n).sort((a, b) => a - b)).toEqual(INPUT.map(({ n }) => n));
  });
});

describe('a job that does not fit its state', () => {
  it('is refused when no operator takes the state, unless it may be dropped', async () => {
    const machine = await killed(noting());
    const other = defineJob('noting', (env) => {
      env.fromSource('items', scripted(every(3, INPUT))).sinkTo('out', out('/out'));
    });
    const before = await machine.jsonLines('/out');
    const error = await errorOf(machine, other);
    expect(error).toMatchObject({ code: 'CHK-004', kind: 'invalid' });
    expect(textOf(error)).toContain('"note"');
    expect(await machine.jsonLines('/out')).toEqual(before);
    await machine.submit(other, { allowNonRestoredState: true });
    expect(await machine.runToEnd()).toMatchObject({ status: 'FINISHED' });
    expect(await machine.jsonLines('/out')).toHaveLength(INPUT.length);
  });

  it('keeps what it was to restore, though nothing is retained of a job that fails', async () => {
    const options = {
      keepCheckpoints: false,
      settings: {
        'execution.checkpointing.externalized-checkpoint-retention': 'NO_EXTERNALIZED_CHECKPOINTS',
      },
    };
    const machine = await killed(noting(), options);
    const other = defineJob('noting', (env) => {
      env.fromSource('items', scripted(every(3, INPUT))).sinkTo('out', out('/out'));
    });
    expect(await errorOf(machine, other, options)).toMatchObject({ code: 'CHK-004' });
    await machine.submit(noting(), options);
    expect(await machine.runToEnd()).toMatchObject({ status: 'FINISHED' });
    expect(await machine.jsonLines('/out')).toHaveLength(INPUT.length);
  });

  it('is refused above the maximal parallelism of its state', async () => {
    const machine = await killed(noting(), { settings: { 'pipeline.max-parallelism': '4' } });
    const error = await errorOf(machine, noting(), { parallelism: 5 });
    expect(error).toMatchObject({ kind: 'invalid' });
    expect(textOf(error)).toMatch(/parallelism/);
    expect(await machine.recover(noting(), { parallelism: 4 })).toMatchObject({
      result: { status: 'FINISHED' },
    });
  });

  it('is refused with two operators of one uid, or one without', async () => {
    const machine = new SimulatedJob({ seed: SEED });
    const twice = defineJob('twice', (env) => {
      const numbers = env.fromElements('numbers', [1, 2]);
      numbers.map('same', (n) => n).sinkTo('out', out('/out'));
      numbers.map('same', (n) => -n).sinkTo('out-2', out('/out'));
    });
    expect(await errorOf(machine, twice)).toMatchObject({ kind: 'invalid' });
    const without = defineJob('without', (env) => {
      const numbers = env.fromElements('numbers', [1, 2]);
      numbers.map('', (n) => n).sinkTo('out', out('/out'));
    });
    expect(await errorOf(machine, without)).toMatchObject({ kind: 'invalid', code: 'API-001' });
    expect(machine.simulation.disk.files()).toEqual([]);
  });
});

describe('a schema that has changed', () => {
  const V1 = z.object({ n: z.int32(), text: z.string() });

  it('takes an added optional field, a removed field, and a wider number', async () => {
    const machine = await killed(versioned(V1, ({ n }) => ({ n, text: 'v1' })));
    const V2 = z.object({ n: z.number(), more: z.string().optional() });
    const next = versioned(V2, ({ n }) => ({ n: n + 0.5, more: 'v2' }));
    expect(await machine.recover(next)).toMatchObject({ result: { status: 'FINISHED' } });
    const seen = (await machine.jsonLines('/out')) as { n: number }[];
    expect(seen.map(({ n }) => n).sort((a, b) => a - b)).toEqual(INPUT.map(({ n }) => n));
  });

  it('refuses another, and names operator, state and field', async () => {
    const machine = await killed(versioned(V1, ({ n }) => ({ n, text: 'v1' })));
    const V2 = z.object({ n: z.int32(), text: z.boolean() });
    const error = await errorOf(
      machine,
      versioned(V2, ({ n }) => ({ n, text: true })),
    );
    expect(error).toMatchObject({ kind: 'invalid' });
    for (const name of ['keep', 'kept', 'text']) expect(textOf(error)).toContain(name);
  });

  /** Emits its element; what it keeps must be readable from before. */
  function versioned<S extends z.ZodType<{ n: number }>>(
    schema: S,
    make: (item: Item) => InferOutput<S>,
  ): JobDefinition<undefined> {
    const kept = valueState('kept', schema);
    return defineJob('versioned', (env) => {
      env
        .fromSource('items', scripted(every(3, INPUT)))
        .keyBy(({ key }) => key)
        .process('keep', { kept }, z.object({ n: z.number() }), (item, { state, out: output }) => {
          const before = Math.floor((state.kept.value() as { n: number } | undefined)?.n ?? -1);
          state.kept.update(make(item));
          if (before < item.n) output.emit({ n: item.n });
        })
        .sinkTo('out', out('/out'));
    });
  }
});

/*
 * Goal: the same seed runs a whole job, with its crashes, the same way, twice and in another process;
 * another seed runs it another way. One await of the real world anywhere breaks that, and is found.
 *
 * Method: runs with random faults, compared line by line; and jobs with one planted await in a
 * source, a user function, a sink, and the blob store, each of which must end in TST-001.
 *
 * Replay: SEED=<seed> npm run simulate
 */
import { execFileSync } from 'node:child_process';
import { readFile, stat } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { defineJob, type Sink, type Source } from '../../src/index.ts';
import { SimulatedJob } from '../../src/testing/simulated-job.ts';
import type { PendingFile } from '../../src/connectors/file/pending-file.ts';
import type { BlobStore } from '../../src/storage/blob-store.ts';
import { submitOptions } from './jobs/crash-sweep.ts';
import { TOPOLOGIES } from './jobs/index.ts';
import { randomRun } from './jobs/random-run.ts';
import { every, scripted } from './jobs/scripted-source.ts';
import { items, out } from './jobs/topology.ts';

describe('a seed is a run of a whole job', () => {
  it.each(TOPOLOGIES)('$name has the same trace twice', async (topology) => {
    const first: string[] = [];
    const second: string[] = [];
    await randomRun({ seed: 'twice', topology, log: (line) => first.push(line) });
    const run = await randomRun({ seed: 'twice', topology, log: (line) => second.push(line) });
    expect(second).toEqual(first);
    expect(first.length).toBeGreaterThan(500);
    const again = await randomRun({ seed: 'twice', topology });
    expect(again.machine.simulation.traceHash()).toBe(run.machine.simulation.traceHash());
  });

  it('has the same trace in another process', async () => {
    const hashes: string[] = [];
    for (const seed of SEEDS) hashes.push(await hashOf(seed));
    const module = new URL('jobs/random-run.ts', import.meta.url).href;
    const script = `
      import { randomRun } from ${JSON.stringify(module)};
      for (const seed of ${JSON.stringify(SEEDS)}) {
        console.log((await randomRun({ seed })).machine.simulation.traceHash());
      }`;
    const arguments_ = ['--input-type=module', '--eval', script];
    const output = execFileSync(process.execPath, arguments_, { encoding: 'utf8' });
    expect(output.trim().split('\n')).toEqual(hashes);
    expect(new Set(hashes).size).toBe(SEEDS.length);
  });

  it('interleaves otherwise with another seed', async () => {
    const orders = new Set<string>();
    for (const seed of SEEDS) orders.add(JSON.stringify(await orderOfUnion(seed)));
    expect(orders.size).toBeGreaterThan(2);
  });
});

const NUMBER = z.number();
const SEEDS = ['1', '2', '3', '4', '5'];

async function hashOf(seed: string): Promise<string> {
  return (await randomRun({ seed })).machine.simulation.traceHash();
}

/** Two sources without waits, as fast as they go: only the schedule decides. */
async function orderOfUnion(seed: string): Promise<unknown[]> {
  const machine = new SimulatedJob({ seed });
  const job = defineJob('order', (env) => {
    const left = env.fromSource('left', scripted(every(1, items(30))));
    const right = env.fromSource('right', scripted(every(1, items(30))));
    left
      .map('left-n', ({ n }) => n)
      .union(right.map('right-n', ({ n }) => -n))
      .sinkTo('out', out('/out'));
  });
  await machine.submit(job);
  expect(await machine.runToEnd()).toMatchObject({ status: 'FINISHED' });
  return machine.jsonLines('/out');
}

describe('one await of the real world', () => {
  const source = scripted(every(3, items(20)));

  it('is found in a source', async () => {
    await expectLeak(leakySource(source), out('/out'));
  });

  it('is found in a sink', async () => {
    await expectLeak(source, leakySink(out('/out')));
  });

  it('is found in a function that waits', async () => {
    const machine = new SimulatedJob({ seed: 'planted' });
    const job = defineJob('planted', (env) => {
      env
        .fromElements('numbers', [1, 2, 3])
        .asyncMap('ask', NUMBER, async (n) => {
          // eslint-disable-next-line no-restricted-globals -- the leak that is to be found
          await new Promise((resolve) => setImmediate(resolve));
          return n;
        })
        .sinkTo('out', out('/out'));
    });
    await expect(submitted(machine, job)).rejects.toMatchObject({ code: 'TST-001' });
  });

  it('is found in the blob store', async () => {
    const machine = new SimulatedJob({
      seed: 'planted',
      wrapStore: (store) => leakyStore(store),
    });
    const union = TOPOLOGIES.find(({ name }) => name.startsWith('union'));
    const run = async (): Promise<unknown> => {
      if (union) await machine.submit(union.job, submitOptions(union, 1));
      return machine.outcome();
    };
    await expect(run()).rejects.toMatchObject({ code: 'TST-001' });
  });
});

async function expectLeak<S, E>(
  source: Source<ReturnType<typeof items>[number], S, E>,
  sink: Sink<ReturnType<typeof items>[number], PendingFile>,
): Promise<void> {
  const machine = new SimulatedJob({ seed: 'planted' });
  const job = defineJob('planted', (env) => {
    env.fromSource('items', source).sinkTo('out', sink);
  });
  await expect(submitted(machine, job)).rejects.toMatchObject({ code: 'TST-001' });
}

async function submitted(
  machine: SimulatedJob,
  job: Parameters<SimulatedJob['submit']>[0],
): Promise<unknown> {
  await machine.submit(job);
  return machine.outcome();
}

type Call = (...given: unknown[]) => unknown;

function leakySource<T, S, E>(source: Source<T, S, E>): Source<T, S, E> {
  return {
    ...source,
    reader: (context) => {
      const reader = source.reader(context);
      const available = async (): Promise<void> => {
        await stat('/');
        await reader.available();
      };
      return new Proxy(reader, {
        get: (target, name) => {
          if (name === 'available') return available;
          const value: unknown = Reflect.get(target, name);
          return typeof value === 'function' ? (value as Call).bind(target) : value;
        },
      });
    },
  };
}

function leakySink<T, C>(sink: Sink<T, C>): Sink<T, C> {
  return {
    ...sink,
    writer: (context) => {
      const writer = sink.writer(context);
      return {
        write: async (value, timestampMs) => {
          await readFile('/dev/null');
          await writer.write(value, timestampMs);
        },
        prepareCommit: (id, why) => writer.prepareCommit(id, why),
        close: () => writer.close(),
      };
    },
  };
}

function leakyStore(store: BlobStore): BlobStore {
  return new Proxy(store, {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== 'function') return value;
      if (name !== 'create') return (value as Call).bind(target);
      return async (...given: unknown[]) => {
        await readFile('/dev/null');
        return Reflect.apply(value, target, given) as unknown;
      };
    },
  });
}

/*
 * Goal: the retention rules remove what nothing needs and nothing else; wherever that is interrupted, each snapshot is
 * there whole or not at all, and the next time ends the same.
 *
 * Method: jobs on a simulated machine leave checkpoints and savepoints of all kinds: cancelled twice under one name,
 * killed, started from another's checkpoint, stopped with a savepoint. Long after that all is pruned, once undisturbed,
 * then with a crash at each write, before, after and in the middle of it.
 *
 * Replay: SEED=<seed> npx vitest run --project simulation test/simulation/prune.test.ts
 */
import { expect, it } from 'vitest';
import { z } from 'zod';
import { applyPrune, planPrune, type PruneOptions } from '../../src/checkpoint/prune.ts';
import { readHead, readRetained } from '../../src/checkpoint/head.ts';
import { allNameRecords } from '../../src/checkpoint/name-record.ts';
import { listSnapshots } from '../../src/checkpoint/snapshot-list.ts';
import { openStore } from '../../src/cluster/open-store.ts';
import { runJob } from '../../src/cluster/run-job.ts';
import type { StartFrom } from '../../src/cluster/start-from.ts';
import { sleep } from '../../src/common/clock.ts';
import { defineJob, generate, valueState } from '../../src/index.ts';
import { defaultSettings, parseSettings } from '../../src/settings/parse-settings.ts';
import type { BlobStore } from '../../src/storage/blob-store.ts';
import { Simulation } from '../../src/testing/simulation/simulation.ts';
import {
  CrashingBlobStore,
  SimulatedCrash,
  type CrashPlan,
} from '../support/crashing-blob-store.ts';
import { out } from './jobs/topology.ts';

const SEED = process.env.SEED ?? '1';
const DAY_MS = 86_400_000;
const KEYS = 50;

const seen = valueState('seen', z.object({ count: z.number(), text: z.string() }));
const RULES = {
  savepointsKept: 2,
  preDeployMs: 30 * DAY_MS,
  monthlyMs: 0,
  checkpointsKept: 10,
  checkpointMs: 7 * DAY_MS,
};

interface Left {
  /** What must stay, by what it is. */
  readonly kept: Readonly<Record<string, string>>;
  readonly gone: readonly string[];
}

class Machine {
  readonly simulation = new Simulation({ seed: SEED });

  /** Starts a job, lets it take checkpoints, does something with it, and ends it so. */
  async run<T>(
    name: string,
    end: 'cancel' | 'kill' | 'stop',
    {
      from = { kind: 'resume' },
      checkpoints = 3,
      act = () => Promise.resolve(undefined as T),
    }: {
      readonly from?: StartFrom;
      readonly checkpoints?: number;
      readonly act?: (job: Awaited<ReturnType<typeof runJob>>) => Promise<T>;
    } = {},
  ): Promise<{
    readonly jobId: string;
    readonly did: T;
    readonly retained: readonly string[];
    readonly savepoint: string | undefined;
  }> {
    const process = this.simulation.process('job');
    const job = defineJob(name, (env) => {
      env
        .fromSource(
          'numbers',
          generate(100_000, (n) => n, { rowsPerSecond: 2_000 }),
        )
        .keyBy((n) => n % KEYS)
        .process('count', { seen }, z.number(), (_n, { state, out: output }) => {
          const count = (state.seen.value()?.count ?? 0) + 1;
          state.seen.update({ count, text: 'x'.repeat(600) });
          output.emit(count);
        })
        .sinkTo('out', out(`/out-${name}`));
    });
    const flink = parseSettings({
      env: {},
      cores: 1,
      dynamic: {
        'execution.checkpointing.interval': checkpoints === 0 ? '1 h' : '20 ms',
        'execution.checkpointing.min-pause': '0 ms',
        'execution.checkpointing.num-retained': '3',
        'execution.checkpointing.savepoint-dir': '/savepoints',
        'execution.checkpointing.externalized-checkpoint-retention': 'RETAIN_ON_CANCELLATION',
      },
    });
    const world = { clock: process.clock, random: process.random, fs: process.fs };
    const built = job.build(undefined, flink);
    const options = { job: built, world, dataFolder: '/data', from };
    const work = process.start(async () => {
      const running = await runJob({
        ...options,
        allowNonRestoredState: false,
        emit: () => undefined,
      });
      while (running.master.history.completed < checkpoints || running.master.status !== 'RUNNING')
        await sleep(process.clock, 1);
      const did = await act(running);
      if (end === 'stop') {
        await running.master.request({
          ...{ kind: 'stop', directory: '/savepoints', drain: false, notes: {} },
        });
      }
      if (end === 'cancel') running.cancel();
      const result = end === 'kill' ? undefined : await running.done;
      const savepoint = result?.savepointUrl;
      return { jobId: running.jobId, did, retained: running.retained(), savepoint };
    });
    const result = await this.simulation.run(work);
    process.kill();
    this.simulation.disk.crash();
    return result;
  }

  store(url: string): BlobStore {
    const process = this.simulation.process('prune');
    return openStore(url, process, defaultSettings());
  }

  options(plan?: CrashPlan): { readonly options: PruneOptions; readonly writes: () => number } {
    const stores = new Map<string, BlobStore>();
    // One count over both: they are one disk.
    let writes = 0;
    const open = (url: string): BlobStore => {
      const known = stores.get(url);
      if (known !== undefined) return known;
      const store = new Counted(this.store(url), () => (writes += 1), plan);
      stores.set(url, store);
      stores.set(store.url, store);
      return store;
    };
    const nowMs = this.simulation.clock.wallMs() + 400 * DAY_MS;
    const { random } = this.simulation.process('prune');
    const store = open('/data/checkpoints');
    const savepoints = [open('/savepoints'), store];
    const options = { store, savepoints, openStore: open, random, rules: RULES, nowMs };
    return { options, writes: () => writes };
  }

  paths(): readonly string[] {
    return this.simulation.disk
      .files()
      .map(({ path }) => path.replace(/\.tidemark-(body|head)-.*/, ''))
      .filter((path) => path.startsWith('/data') || path.startsWith('/savepoints'))
      .sort();
  }
}

/** Dies at one write of all stores that count together. */
class Counted extends CrashingBlobStore {
  constructor(inner: BlobStore, count: () => number, plan: CrashPlan | undefined) {
    const each: BlobStore = {
      url: inner.url,
      create: (...given) => write('create', () => inner.create(...given)),
      replaceIf: (...given) => write('replace', () => inner.replaceIf(...given)),
      read: (...given) => inner.read(...given),
      list: (prefix) => inner.list(prefix),
      delete: (paths) =>
        write(
          'delete',
          () => inner.delete(paths),
          () => inner.delete(paths.slice(0, Math.ceil(paths.length / 2))),
        ),
    };
    const write = async <T>(
      what: string,
      act: () => Promise<T>,
      half?: () => Promise<unknown>,
    ): Promise<T> => {
      if (count() !== plan?.atWrite) return act();
      if (plan.moment === 'half') await half?.();
      if (plan.moment === 'after') await act();
      throw new SimulatedCrash(`${plan.moment} ${what}`);
    };
    super(each);
  }
}

/** What the jobs leave. */
async function live(machine: Machine): Promise<Left> {
  const first = await machine.run('gone', 'cancel');
  const user = await machine.run('user', 'kill', {
    from: { kind: 'snapshot', path: first.retained.at(-1) ?? '' },
    checkpoints: 0,
  });
  expect(user.retained).toEqual([first.retained.at(-1)]);
  const second = await machine.run('gone', 'cancel', { from: { kind: 'fresh' } });
  const crashed = await machine.run('crashed', 'kill', {
    act: async ({ master }) => {
      const urls: string[] = [];
      for (const pin of [true, false, false, false]) {
        const notes = { pin, label: urls.length === 1 ? 'pre-deploy' : 'nightly' };
        const taken = await master.request({ kind: 'savepoint', directory: '/savepoints', notes });
        urls.push(taken.kind === 'completed' ? taken.url : expect.unreachable(taken.message));
      }
      return urls;
    },
  });
  const [pinned = '', old = '', third = '', fourth = ''] = crashed.did;
  const stopped = await machine.run('stopped', 'stop');
  // Its name is another's by now, and it never ended.
  const replaced = await machine.run('twice', 'kill');
  await machine.run('twice', 'kill', { from: { kind: 'fresh' } });
  return {
    kept: {
      pinned,
      third,
      fourth,
      'stopped with': stopped.savepoint ?? '',
      'base of another': first.retained.at(-1) ?? '',
      'latest by name': second.retained.at(-1) ?? '',
      'to be resumed': crashed.retained.at(-1) ?? '',
    },
    gone: [
      old,
      ...first.retained.slice(0, -1),
      ...second.retained.slice(0, -1),
      ...replaced.retained,
    ],
  };
}

/** Every snapshot that is there is whole, and those that must be are. */
async function requireWhole(machine: Machine, { kept }: Left, how: string): Promise<string[]> {
  return machine.simulation.run(
    (async () => {
      const urls: string[] = [];
      for (const folder of ['/data/checkpoints', '/savepoints']) {
        const listed = await listSnapshots(machine.store(folder), { verify: true });
        expect(listed.unreadable, how).toEqual([]);
        for (const { url, verified } of listed.snapshots) {
          expect(verified, `${how}: ${url}`).toBe(true);
          urls.push(url);
        }
      }
      for (const [what, url] of Object.entries(kept))
        expect(urls, `${how}: ${what}`).toContain(url);
      // What names refer to can be restored.
      const store = machine.store('/data/checkpoints');
      for (const { jobId, state } of await allNameRecords(store)) {
        const entry = (await readHead(store, jobId))?.head.checkpoints.at(-1);
        if (state !== 'running' || entry === undefined) continue;
        const { storeUrl } = entry.location;
        await readRetained(storeUrl === undefined ? store : machine.store(storeUrl), entry);
      }
      return urls;
    })(),
  );
}

async function prune(machine: Machine, plan?: CrashPlan): Promise<number> {
  const { options, writes } = machine.options(plan);
  const work = async (): Promise<void> => {
    await applyPrune(await planPrune(options), options, () => undefined);
  };
  await machine.simulation.run(
    work().catch((error: unknown) => {
      if (!(error instanceof SimulatedCrash)) throw error;
    }),
  );
  return writes();
}

it(`removes what nothing needs, SEED=${SEED}`, async () => {
  const machine = new Machine();
  const left = await live(machine);
  const before = await requireWhole(machine, left, 'before');
  expect(before).toEqual(expect.arrayContaining([...left.gone]));
  const { options } = machine.options();
  const { items } = await machine.simulation.run(planPrune(options));
  const going = items.filter(({ keep }) => !keep).map(({ url }) => url);
  expect([...going].sort()).toEqual([...left.gone].sort());
  await prune(machine);
  const after = await requireWhole(machine, left, 'after');
  expect([...after].sort()).toEqual(before.filter((url) => !left.gone.includes(url)).sort());
});

it('ends the same wherever it is interrupted', { timeout: 240_000 }, async ({ annotate }) => {
  const undisturbed = new Machine();
  const left = await live(undisturbed);
  const writes = await prune(undisturbed);
  expect(writes).toBeGreaterThan(8);
  const expected = undisturbed.paths();
  for (let atWrite = 1; atWrite <= writes; atWrite += 1) {
    for (const moment of ['before', 'half', 'after'] as const) {
      const how = `SEED=${SEED} ${moment} write ${atWrite}`;
      const machine = new Machine();
      await live(machine);
      await prune(machine, { atWrite, moment });
      await requireWhole(machine, left, how);
      await prune(machine);
      await requireWhole(machine, left, how);
      expect(machine.paths(), how).toEqual(expected);
    }
  }
  await annotate(`${3 * writes} crash points`);
});

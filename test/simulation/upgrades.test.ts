/*
 * Goal: an upgrade ends with one version that runs, and whichever that is, the output is that of a job which was never
 * stopped: exactly once, across the upgrade, across the way back, and wherever the service dies in between.
 *
 * Method: a dispatcher on a simulated machine runs a job and upgrades it to a version that is well, to one that fails
 * at every record, to one that fails once its first checkpoint is complete, and to ones that are refused. It runs
 * once to count its write points, then once per write point on a fresh machine, where it dies there; another dispatcher
 * follows.
 *
 * Replay: SEED=<seed> npx vitest run --project simulation test/simulation/upgrades.test.ts
 */
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { Dispatcher, type DispatcherEntry } from '../../src/cluster/dispatcher/dispatcher.ts';
import { DurableJobs } from '../../src/cluster/dispatcher/durable-jobs.ts';
import { UpgradeRecords } from '../../src/cluster/dispatcher/upgrade-records.ts';
import type { UpgradeView } from '../../src/cluster/dispatcher/cluster.ts';
import type { JobStatus } from '../../src/cluster/job-events.ts';
import { openStore } from '../../src/cluster/open-store.ts';
import { runJob } from '../../src/cluster/run-job.ts';
import { checkOnLatest } from '../../src/cluster/upgrade/check-on-latest.ts';
import { checkUpgrade } from '../../src/cluster/upgrade/check-upgrade.ts';
import { sleep } from '../../src/common/clock.ts';
import type { Sink } from '../../src/contracts/sink.ts';
import { readFinishedValues } from '../../src/connectors/file/read-finished.ts';
import { buildJobGraph } from '../../src/graph/build-job-graph.ts';
import { defineJob, generate, valueState, type JobDefinition } from '../../src/index.ts';
import { parseSettings } from '../../src/settings/parse-settings.ts';
import { seededRandom } from '../../src/testing/index.ts';
import type { SimulatedProcess } from '../../src/testing/simulation/simulated-process.ts';
import { Simulation } from '../../src/testing/simulation/simulation.ts';
import { out } from './jobs/topology.ts';

const SEED = process.env.SEED ?? '1';
const COUNT = 60;
const WITHIN_MS = 500;

const FLINK = parseSettings({
  env: {},
  cores: 1,
  dynamic: {
    'execution.checkpointing.interval': '20 ms',
    'execution.checkpointing.min-pause': '0 ms',
    'execution.checkpointing.savepoint-dir': '/savepoints',
    'restart-strategy.type': 'fixed-delay',
    'restart-strategy.fixed-delay.attempts': '3',
    'restart-strategy.fixed-delay.delay': '10 ms',
  },
});

const seen = valueState('seen', z.number());
const seenAsText = valueState('seen', z.string());
const Line = z.object({ n: z.number(), seen: z.number(), version: z.string() });

/** Versions of one job; each is called by what becomes of it. */
type Version =
  'first' | 'well' | 'broken' | 'poisoned' | 'stuck' | 'slow' | 'other-name' | 'other-schema';

function jobOf(version: Version, process: SimulatedProcess): JobDefinition<undefined> {
  return defineJob(version === 'other-name' ? version : 'upgraded', (env) => {
    const numbers = env
      .fromSource(
        'numbers',
        generate(COUNT, (n) => n, { rowsPerSecond: 200 }),
      )
      .keyBy((n) => n % 3);
    if (version === 'other-schema') {
      numbers
        .process('count', { seen: seenAsText }, Line, () => undefined)
        .sinkTo('out', out('/out'));
      return;
    }
    const lines = numbers.process('count', { seen }, Line, (n, { state, out: output }) => {
      if (version === 'broken' || (version === 'poisoned' && n === 50))
        throw new RangeError('planned by the test');
      const next = (state.seen.value() ?? 0) + 1;
      state.seen.update(next);
      output.emit({ n, seen: next, version });
    });
    lines.sinkTo('out', out('/out'));
    if (version === 'stuck') lines.sinkTo('jam', jam(process, 100_000));
    if (version === 'slow') lines.sinkTo('jam', jam(process, 30));
  });
}

/** A checkpoint gets past it only after so long. */
function jam({ clock }: SimulatedProcess, ms: number): Sink<unknown, never> {
  return {
    kind: 'jam',
    committables: undefined,
    writer: () => ({
      write: () => undefined,
      prepareCommit: async () => {
        await sleep(clock, ms);
        return [];
      },
      close: () => Promise.resolve(),
    }),
  };
}

const EXPECTED = Array.from({ length: COUNT }, (_, n) => ({ n, seen: Math.floor(n / 3) + 1 }));

function submission(version: Version) {
  return {
    module: version,
    arguments: [],
    flink: FLINK,
    from: { kind: 'resume' } as const,
    allowNonRestoredState: false,
    folder: '/',
  };
}

interface Options {
  readonly dryRun?: boolean;
  readonly withinMs?: number;
}

class Machine {
  readonly simulation: Simulation;
  readonly log: DispatcherEntry[] = [];
  isAccepted = false;
  view: UpgradeView | undefined;
  /** Of all jobs in the end. */
  statuses: readonly JobStatus[] = [];

  constructor(seed: string) {
    this.simulation = new Simulation({ seed });
  }

  service(): { readonly process: SimulatedProcess; readonly dispatcher: Dispatcher } {
    const process = this.simulation.process('service');
    const store = openStore('/ha', process, FLINK);
    const jobFor = (code: Uint8Array) => jobOf(Buffer.from(code).toString() as Version, process);
    const dispatcher = new Dispatcher({
      world: process,
      jobs: new DurableJobs(store, FLINK),
      upgrades: new UpgradeRecords(store, FLINK),
      runner: {
        bundle: ({ module }) => Promise.resolve(Buffer.from(module)),
        check: async ({ code, storeUrl, snapshot }) => {
          const built = jobFor(code).build(undefined, FLINK);
          const from = openStore(storeUrl, process, FLINK);
          const { checkpointStorage } = built.config;
          return checkOnLatest(from, snapshot, async (found) => {
            const { maxParallelism } = found.metadata;
            const graph = buildJobGraph(built.graph, { parallelism: 1, maxParallelism });
            const request = { graph, found, store: from, allowNonRestoredState: false };
            return { report: await checkUpgrade(request), snapshot: found.url, checkpointStorage };
          });
        },
        run: ({ code, submission: { flink, from, name }, emit, admit, onLed, keepCheckpoints }) =>
          runJob({
            job: jobFor(code).build(undefined, flink),
            world: process,
            dataFolder: '/data',
            from,
            name,
            allowNonRestoredState: false,
            emit,
            admit,
            onLed,
            keepCheckpoints,
            schedulingRandom: process.random.fork('scheduling'),
          }),
      },
      openStore: (url) => openStore(url, process, FLINK),
      config: FLINK,
      folder: '/service',
      log: (entry) => {
        this.log.push(entry);
      },
    });
    return { process, dispatcher };
  }

  /** Runs the first version, upgrades it, and waits until all is over. */
  async run(
    { process, dispatcher }: ReturnType<Machine['service']>,
    to: Version,
    { dryRun = false, withinMs = WITHIN_MS }: Options = {},
  ): Promise<void> {
    await process.start(async () => {
      await dispatcher.recover();
      const job = await dispatcher.submit(submission('first'));
      this.isAccepted = true;
      while (job.counts().completed < 2) await sleep(process.clock, 1);
      const upgradeId = 'a'.repeat(32);
      dispatcher.upgrades.start({
        upgradeId,
        jobId: job.jobId,
        submission: submission(to),
        savepoint: { directory: undefined, drain: false, notes: { label: 'upgrade' } },
        withinMs,
        dryRun,
      });
      while (dispatcher.isBusy) await sleep(process.clock, 1);
      this.view = dispatcher.upgrades.find(upgradeId);
      this.statuses = dispatcher.jobs().map(({ status }) => status);
    });
  }

  async followUp(): Promise<void> {
    const { process, dispatcher } = this.service();
    await this.simulation.run(
      process.start(async () => {
        await dispatcher.recover();
        while (dispatcher.isBusy) await sleep(process.clock, 1);
        this.view = dispatcher.upgrades.find('a'.repeat(32)) ?? this.view;
        await dispatcher.close();
      }),
    );
    process.kill();
  }

  async output() {
    const process = this.simulation.process('look');
    const values = await this.simulation.run(
      process.start(() => readFinishedValues(process.fs, '/out')),
    );
    return (values as z.infer<typeof Line>[]).sort((a, b) => a.n - b.n);
  }

  /** What is in the store of jobs. */
  stored(): Promise<string[]> {
    const process = this.simulation.process('look');
    return this.simulation.run(
      process.start(async () => {
        const paths: string[] = [];
        for await (const { path } of openStore('/ha', process, FLINK).list('job-store'))
          paths.push(path);
        return paths.filter((path) => !path.startsWith('job-store/upgrades/'));
      }),
    );
  }

  /** Unfinished output that nobody will ever commit or remove. */
  leftovers(): string[] {
    const paths = this.simulation.disk.files().map(({ path }) => path);
    return paths.filter((path) => path.includes('.in-progress'));
  }
}

async function requireRight(machine: Machine, how: string): Promise<readonly string[]> {
  const output = await machine.output();
  if (machine.isAccepted || output.length > 0) {
    expect(
      output.map(({ n, seen: count }) => ({ n, seen: count })),
      how,
    ).toEqual(EXPECTED);
  }
  expect(await machine.stored(), how).toEqual([]);
  const problems = machine.log.filter(({ event }) => event.kind === 'problem');
  expect(problems, how).toEqual([]);
  if (machine.view !== undefined) expect(machine.view, how).toMatchObject({ isOver: true });
  return [...new Set(output.map(({ version }) => version))];
}

async function upgraded(to: Version, options: Options = {}) {
  const machine = new Machine(SEED);
  await machine.simulation.run(machine.run(machine.service(), to, options));
  const versions = await requireRight(machine, to);
  expect(machine.leftovers(), to).toEqual([]);
  return { machine, versions, view: machine.view };
}

async function crashed(to: Version, writePoint: number): Promise<string> {
  const machine = new Machine(SEED);
  const { disk } = machine.simulation;
  const moment = seededRandom(`${SEED} ${writePoint}`).next() < 0.5 ? 'before' : 'after';
  const kind = writePoint % 2 === 0 ? 'kill' : 'power';
  const died = disk.crashAt(writePoint, moment);
  machine.run(machine.service(), to).catch(() => undefined);
  await machine.simulation.run(died);
  if (kind === 'power') disk.crash();
  await machine.followUp();
  const how = `SEED=${SEED} ${to}: ${kind} ${moment} write point ${writePoint}`;
  const versions = await requireRight(machine, how);
  if (to === 'broken') expect(versions, how).not.toContain('broken');
  return machine.view?.phase ?? 'none';
}

describe(`an upgrade, SEED=${SEED}`, () => {
  it('goes on with the new version when that is well', async () => {
    const { versions, view } = await upgraded('well');
    expect(view).toMatchObject({ phase: 'upgraded', report: { fits: true } });
    expect(view?.state).toMatchObject({ savepointUrl: expect.stringContaining('/savepoints/') });
    expect(versions).toEqual(['first', 'well']);
  });

  it.each(['broken', 'stuck'] as const)('goes back from one that is %s', async (version) => {
    const { machine, versions, view } = await upgraded(version);
    expect(view).toMatchObject({ phase: 'gone-back', isOver: true });
    // Who asks for the job by its name means the one that runs.
    expect(machine.statuses).not.toContain('SUSPENDED');
    expect(view?.state).toMatchObject({
      why: expect.stringContaining(version === 'broken' ? 'planned by the test' : 'not well'),
    });
    expect(versions).toEqual(['first']);
  });

  it.each([
    ['other-schema', 'first'],
    ['other-name', 'first'],
  ] as const)('to %s is refused before the job is touched', async (version, expected) => {
    const { machine, versions, view } = await upgraded(version);
    expect(view).toMatchObject({ phase: 'refused', state: undefined });
    expect(versions).toEqual([expected]);
    if (version === 'other-schema') {
      expect(view?.report?.problems).toMatchObject([{ code: 'STA-002' }]);
    } else expect(String(view?.error)).toContain('JOB-062');
    const savepoints = machine.simulation.disk.files().filter(({ path }) => /^.sav/.test(path));
    expect(savepoints).toEqual([]);
  });

  it('is only checked in a dry run', async () => {
    const { versions, view } = await upgraded('well', { dryRun: true });
    expect(view).toMatchObject({ phase: 'checked', report: { fits: true }, state: undefined });
    expect(versions).toEqual(['first']);
  });

  it('never goes back behind a checkpoint, however close it comes', async () => {
    const phases = new Set<string>();
    for (let withinMs = 1; withinMs <= 60; withinMs += 1) {
      const { view } = await upgraded('slow', { withinMs });
      phases.add(view?.phase ?? '');
    }
    expect([...phases].sort()).toEqual(['gone-back', 'upgraded']);
  });

  it('to one that fails later is made all the same, and that is said', async () => {
    const machine = new Machine(SEED);
    await machine.simulation.run(machine.run(machine.service(), 'poisoned'));
    expect(machine.view).toMatchObject({ phase: 'upgraded' });
    const output = await machine.output();
    expect(output.map(({ n, seen: count }) => ({ n, seen: count }))).toEqual(
      EXPECTED.slice(0, output.length),
    );
    expect(await machine.stored()).toEqual([]);
  });

  it.for(['well', 'broken'] as const)(
    'to one that is %s ends right wherever the service dies',
    { timeout: 240_000 },
    async (version, { annotate }) => {
      const { machine } = await upgraded(version);
      const writePoints = machine.simulation.disk.writePoints();
      const phases = new Map<string, number>();
      for (let at = 1; at <= writePoints; at += 1) {
        const phase = await crashed(version, at);
        phases.set(phase, (phases.get(phase) ?? 0) + 1);
      }
      expect(phases.get(version === 'well' ? 'upgraded' : 'gone-back')).toBeGreaterThan(100);
      await annotate(`${writePoints} crash points: ${JSON.stringify([...phases])}`);
    },
  );
});

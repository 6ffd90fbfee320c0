/** A job that is upgraded by simulated services, one after the other or two at once. */
import { expect } from 'vitest';
import { z } from 'zod';
import { Dispatcher, type DispatcherEntry } from '../../../src/cluster/dispatcher/dispatcher.ts';
import { INDEX_PATH } from '../../../src/cluster/dispatcher/job-index.ts';
import { DurableJobs } from '../../../src/cluster/dispatcher/durable-jobs.ts';
import type { UpgradeView } from '../../../src/cluster/dispatcher/cluster.ts';
import type { JobStatus } from '../../../src/cluster/job-events.ts';
import { openStore } from '../../../src/cluster/open-store.ts';
import { runJob } from '../../../src/cluster/run-job.ts';
import { checkOnLatest } from '../../../src/cluster/upgrade/check-on-latest.ts';
import { checkUpgrade } from '../../../src/cluster/upgrade/check-upgrade.ts';
import { sleep } from '../../../src/common/clock.ts';
import type { Sink } from '../../../src/contracts/sink.ts';
import { readFinishedValues } from '../../../src/connectors/file/read-finished.ts';
import { buildJobGraph } from '../../../src/graph/build-job-graph.ts';
import { defineJob, generate, valueState, type JobDefinition } from '../../../src/index.ts';
import { parseSettings } from '../../../src/settings/parse-settings.ts';
import type { SimulatedProcess } from '../../../src/testing/simulation/simulated-process.ts';
import { Simulation } from '../../../src/testing/simulation/simulation.ts';
import { out } from './topology.ts';

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
export type Version =
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

export const EXPECTED = Array.from({ length: COUNT }, (_, n) => ({
  n,
  seen: Math.floor(n / 3) + 1,
}));

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

export interface Options {
  readonly dryRun?: boolean;
  readonly withinMs?: number;
}

export interface Service {
  readonly process: SimulatedProcess;
  readonly dispatcher: Dispatcher;
  readonly jobs: DurableJobs;
}

export class Machine {
  readonly simulation: Simulation;
  readonly log: DispatcherEntry[] = [];
  isAccepted = false;
  view: UpgradeView | undefined;
  /** Of all jobs in the end. */
  statuses: readonly JobStatus[] = [];
  #services = 0;

  constructor(seed: string) {
    this.simulation = new Simulation({ seed });
  }

  service(): Service {
    const process = this.simulation.process('service');
    this.#services += 1;
    const epoch = this.#services;
    const leader = { leaseId: 'test', epoch };
    const store = openStore('/ha', process, FLINK);
    const jobs = new DurableJobs({ store, random: process.random, own: FLINK, leader });
    const jobFor = (code: Uint8Array) => jobOf(Buffer.from(code).toString() as Version, process);
    const dispatcher = new Dispatcher({
      world: process,
      jobs,
      leader,
      requireLeading: () => undefined,
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
        run: ({ code, submission: { flink, from, name }, emit, admit, ...job }) =>
          runJob({
            job: jobFor(code).build(undefined, flink),
            world: process,
            dataFolder: '/data',
            from,
            name,
            allowNonRestoredState: false,
            emit,
            admit,
            onLed: job.onLed,
            leader: job.leader,
            keepCheckpoints: job.keepCheckpoints,
            schedulingRandom: process.random.fork('scheduling'),
          }),
      },
      openStore: (url) => openStore(url, process, FLINK),
      config: FLINK,
      folder: '/service',
      log: (entry) => {
        // What one says that was replaced is not of interest.
        if (epoch === this.#services) this.log.push(entry);
      },
    });
    return { process, dispatcher, jobs };
  }

  /** Runs the first version, upgrades it, and waits until all is over. */
  async run(
    { process, dispatcher, jobs }: Service,
    to: Version,
    { dryRun = false, withinMs = WITHIN_MS }: Options = {},
  ): Promise<void> {
    await process.start(async () => {
      await jobs.takeOver();
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

  /** What a service does that follows one that died, or that was replaced. */
  async follow({ process, dispatcher, jobs }: Service): Promise<void> {
    await process.start(async () => {
      await jobs.takeOver();
      await dispatcher.recover();
      while (dispatcher.isBusy) await sleep(process.clock, 1);
      this.view = dispatcher.upgrades.find('a'.repeat(32)) ?? this.view;
    });
  }

  async followUp(): Promise<void> {
    const service = this.service();
    await this.simulation.run(async () => {
      await this.follow(service);
      await service.process.start(() => service.dispatcher.close());
    });
    service.process.kill();
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
        return paths.filter(
          (path) => !path.startsWith('job-store/upgrades/') && path !== INDEX_PATH,
        );
      }),
    );
  }

  /** Unfinished output that nobody will ever commit or remove. */
  leftovers(): string[] {
    const paths = this.simulation.disk.files().map(({ path }) => path);
    return paths.filter((path) => path.includes('.in-progress'));
  }
}

export async function requireRight(machine: Machine, how: string): Promise<readonly string[]> {
  const output = await machine.output();
  if (machine.isAccepted || output.length > 0) {
    expect(
      output.map(({ n, seen: count }) => ({ n, seen: count })),
      how,
    ).toEqual(EXPECTED);
  }
  expect(await machine.stored(), how).toEqual([]);
  const problems = machine.log.filter(
    // Of two leaders at once, one may lose a race for a job, and tries again.
    ({ event }) => event.kind === 'problem' && event.what !== 'a job is brought back later',
  );
  expect(problems, how).toEqual([]);
  if (machine.view !== undefined) expect(machine.view, how).toMatchObject({ isOver: true });
  return [...new Set(output.map(({ version }) => version))];
}

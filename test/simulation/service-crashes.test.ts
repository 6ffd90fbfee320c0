/*
 * Goal: wherever the service's process or its machine dies, a job that was accepted is brought back and
 * its output is that of a job that never died: exactly once. One that was not yet accepted runs as
 * well, or leaves nothing. Nothing is left of either in the store of jobs.
 *
 * Method: a dispatcher on a simulated machine runs two jobs. It runs once to count its write points,
 * then once per write point on a fresh machine. There it is killed, or power fails, by turns, before or
 * after the write; another dispatcher follows and brings the jobs back. One run suspends its jobs halfway.
 *
 * Replay: SEED=<seed> npx vitest run --project simulation test/simulation/service-crashes.test.ts
 */
import { describe, expect, it } from 'vitest';
import { Dispatcher, type DispatcherEntry } from '../../src/cluster/dispatcher/dispatcher.ts';
import { INDEX_PATH } from '../../src/cluster/dispatcher/job-index.ts';
import { DurableJobs } from '../../src/cluster/dispatcher/durable-jobs.ts';
import { sleep } from '../../src/common/clock.ts';
import { openStore } from '../../src/cluster/open-store.ts';
import { runJob } from '../../src/cluster/run-job.ts';
import { readFinishedValues } from '../../src/connectors/file/read-finished.ts';
import { seededRandom } from '../../src/testing/index.ts';
import type { SimulatedProcess } from '../../src/testing/simulation/simulated-process.ts';
import { Simulation } from '../../src/testing/simulation/simulation.ts';
import { EXPECTED, FLINK, jobOf, NAMES, POISONED, SLOW, submission } from './jobs/service-jobs.ts';

const SEED = process.env.SEED ?? '1';
interface Service {
  readonly process: SimulatedProcess;
  readonly dispatcher: Dispatcher;
  readonly jobs: DurableJobs;
}

/** A machine on which one service follows the other. */
class Machine {
  readonly simulation: Simulation;
  readonly log: DispatcherEntry[] = [];
  readonly accepted = new Set<string>();
  #services = 0;

  constructor(seed: string) {
    this.simulation = new Simulation({ seed });
  }

  /** The service, in a new process. */
  service(): Service {
    const process = this.simulation.process('service');
    this.#services += 1;
    const leader = { leaseId: 'test', epoch: this.#services };
    const store = openStore('/ha', process, FLINK);
    const jobs = new DurableJobs({ store, random: process.random, own: FLINK, leader });
    const dispatcher = new Dispatcher({
      world: process,
      jobs,
      leader,
      requireLeading: () => undefined,
      runner: {
        bundle: ({ module }) => Promise.resolve(Buffer.from(module)),
        check: () => expect.unreachable(),
        run: ({ code, submission: { flink, from }, emit, admit, onLed, leader: under }) =>
          runJob({
            job: jobOf(Buffer.from(code).toString()).build(undefined, flink),
            world: process,
            dataFolder: '/data',
            from,
            allowNonRestoredState: false,
            emit,
            admit,
            onLed,
            leader: under,
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
    return { process, dispatcher, jobs };
  }

  /** Submits both jobs and waits for their end. */
  async run({ process, dispatcher, jobs }: Service): Promise<void> {
    await process.start(async () => {
      await jobs.takeOver();
      await dispatcher.recover();
      await Promise.all(
        NAMES.map(async (name) => {
          await dispatcher.submit(submission(name));
          this.accepted.add(name);
        }),
      );
      await allEnded(process, dispatcher);
    });
  }

  /** What a service does that follows one that died. */
  async followUp(): Promise<void> {
    const { process, dispatcher, jobs } = this.service();
    await this.simulation.run(
      process.start(async () => {
        await jobs.takeOver();
        await dispatcher.recover();
        await allEnded(process, dispatcher);
        await dispatcher.close();
      }),
    );
    process.kill();
  }

  output(name: string): Promise<string[]> {
    const process = this.simulation.process('look');
    return this.simulation.run(
      process.start(async () => {
        const values = await readFinishedValues(process.fs, `/${name}`);
        return values.map((value) => JSON.stringify(value)).sort();
      }),
    );
  }

  /** What is in the store of jobs, but for its index, which stays. */
  stored(): Promise<string[]> {
    const process = this.simulation.process('look');
    return this.simulation.run(
      process.start(async () => {
        const paths: string[] = [];
        for await (const { path } of openStore('/ha', process, FLINK).list('job-store')) {
          if (path !== INDEX_PATH) paths.push(path);
        }
        return paths;
      }),
    );
  }
}

/** All jobs that the service knows are over, and nothing of them is left to do. */
async function allEnded({ clock }: SimulatedProcess, dispatcher: Dispatcher): Promise<void> {
  while (dispatcher.isBusy) await sleep(clock, 1);
}

async function requireRight(machine: Machine, how: string): Promise<void> {
  for (const name of NAMES) {
    const output = await machine.output(name);
    if (machine.accepted.has(name) || output.length > 0) {
      expect(output, `${how}: ${name}`).toEqual(EXPECTED);
    }
  }
  expect(await machine.stored(), how).toEqual([]);
  expect(
    machine.log.filter(({ event }) => event.kind === 'problem'),
    how,
  ).toEqual([]);
}

async function undisturbed(): Promise<number> {
  const machine = new Machine(SEED);
  await machine.simulation.run(machine.run(machine.service()));
  expect([...machine.accepted].sort()).toEqual([...NAMES]);
  await requireRight(machine, 'undisturbed');
  return machine.simulation.disk.writePoints();
}

async function crashed(writePoint: number): Promise<void> {
  const machine = new Machine(SEED);
  const { disk } = machine.simulation;
  const random = seededRandom(`${SEED} ${writePoint}`);
  const moment = random.next() < 0.5 ? 'before' : 'after';
  const kind = writePoint % 2 === 0 ? 'kill' : 'power';
  const died = disk.crashAt(writePoint, moment);
  machine.run(machine.service()).catch(() => undefined);
  await machine.simulation.run(died);
  if (kind === 'power') disk.crash();
  await machine.followUp();
  await requireRight(machine, `SEED=${SEED} ${kind} ${moment} write point ${writePoint}`);
}

describe(`a service, SEED=${SEED}`, () => {
  it('loses no job and runs none twice, wherever it dies', async ({ annotate }) => {
    const writePoints = await undisturbed();
    expect(writePoints).toBeGreaterThan(80);
    for (let at = 1; at <= writePoints; at += 1) await crashed(at);
    await annotate(`${writePoints} crash points`);
  });

  it('suspends its jobs, which go on under the next one', async () => {
    const machine = new Machine(SEED);
    const { process, dispatcher, jobs } = machine.service();
    const suspended = process.start(async () => {
      await jobs.takeOver();
      await Promise.all(NAMES.map((name) => dispatcher.submit(submission(name))));
      for (const name of NAMES) machine.accepted.add(name);
      const hasCheckpoints = (): boolean =>
        dispatcher.jobs().every((job) => job.counts().completed > 0);
      while (!hasCheckpoints()) await sleep(process.clock, 1);
      await dispatcher.close();
      return dispatcher.jobs().map(({ status }) => status);
    });
    expect(await machine.simulation.run(suspended)).toEqual(['SUSPENDED', 'SUSPENDED']);
    expect((await machine.stored()).length).toBeGreaterThan(0);
    process.kill();
    await machine.followUp();
    await requireRight(machine, 'suspended');
  });

  it('says where a job has failed, and lets it go', async () => {
    const machine = new Machine(SEED);
    const { process, dispatcher, jobs } = machine.service();
    const job = await machine.simulation.run(
      process.start(async () => {
        await jobs.takeOver();
        const submitted = await dispatcher.submit(submission(POISONED));
        await allEnded(process, dispatcher);
        return submitted;
      }),
    );
    expect(job).toMatchObject({ status: 'FAILED', restarts: 0, jobName: POISONED });
    expect(job.failures()).toMatchObject([{ subtask: 0, name: 'EngineError' }]);
    expect(job.failures()[0]?.vertex).toContain('count');
    expect(job.failures()[0]?.text).toContain('RangeError: planned by the test');
    const states = job.plan.vertices.map(({ id }) => job.subtasks(id)[0]?.status);
    expect([...states].sort()).toEqual(['CANCELED', 'FAILED']);
    expect(dispatcher.jobs()).toEqual([job]);
    expect(await machine.stored()).toEqual([]);
  });

  it('removes a savepoint, but not one that a running job goes on from', async () => {
    const machine = new Machine(SEED);
    const { process, dispatcher, jobs } = machine.service();
    await machine.simulation.run(
      process.start(async () => {
        await jobs.takeOver();
        const first = await dispatcher.submit(submission(SLOW));
        while (first.counts().completed === 0) await sleep(process.clock, 1);
        const taken = await first.savepoint({ directory: '/savepoints', notes: {} });
        const path = taken.kind === 'completed' ? taken.url : expect.unreachable(taken.message);
        const from = { kind: 'snapshot', path } as const;
        await dispatcher.submit({ ...submission('second'), from });
        await expect(dispatcher.disposeSavepoint(path)).rejects.toThrow('JOB-032');
        await allEnded(process, dispatcher);
        await dispatcher.disposeSavepoint(path);
        await expect(dispatcher.disposeSavepoint(path)).rejects.toThrow('JOB-037');
      }),
    );
    const left = machine.simulation.disk.files().filter(({ path }) => /^.savepoints/.test(path));
    expect(left).toEqual([]);
  });
});

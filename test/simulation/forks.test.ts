/*
 * Goal: a fork begins where the original was and writes what follows, exactly once; the original never notices: its
 * output is exact and its files are untouched, wherever the fork dies, whatever becomes of the checkpoint.
 *
 * Method: two jobs on one simulated machine, each in a process of its own. Once both run side by side, the
 * original with one retained checkpoint that is replaced each 20 ms. Then a fork of a job that stands still runs once
 * to count its write points, and once per write point, dying there; what an operator does follows.
 *
 * Replay: SEED=<seed> npx vitest run --project simulation test/simulation/forks.test.ts
 */
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { readNameRecord } from '../../src/checkpoint/name-record.ts';
import { openStore } from '../../src/cluster/open-store.ts';
import { runJob, type RunJobOptions } from '../../src/cluster/run-job.ts';
import { readFinishedValues } from '../../src/connectors/file/read-finished.ts';
import { sleep } from '../../src/common/clock.ts';
import { defineJob, generate, valueState, type JobDefinition } from '../../src/index.ts';
import { defaultSettings, parseSettings } from '../../src/settings/parse-settings.ts';
import { seededRandom } from '../../src/testing/index.ts';
import type { SimulatedProcess } from '../../src/testing/simulation/simulated-process.ts';
import { Simulation } from '../../src/testing/simulation/simulation.ts';
import { out } from './jobs/topology.ts';

const SEED = process.env.SEED ?? '1';
const COUNT = 80;
const ROWS_PER_SECOND = 400;

const seen = valueState('seen', z.number());
const Line = z.object({ n: z.number(), seen: z.number() });

interface Shape {
  readonly folder: string;
  /** Throws once, at this element. */
  readonly failsAt?: number;
}

function jobOf({ folder, failsAt }: Shape): JobDefinition<undefined> {
  let hasFailed = false;
  return defineJob('original', (env) => {
    env
      .fromSource(
        'numbers',
        generate(COUNT, (n) => n, { rowsPerSecond: ROWS_PER_SECOND }),
      )
      .keyBy((n) => n % 3)
      .process('count', { seen }, Line, (n, { state, out: output }) => {
        if (n === failsAt && !hasFailed) {
          hasFailed = true;
          throw new RangeError('planned by the test');
        }
        const next = (state.seen.value() ?? 0) + 1;
        state.seen.update(next);
        output.emit({ n, seen: next });
      })
      .sinkTo('out', out(folder));
  });
}

const EXPECTED = Array.from({ length: COUNT }, (_, n) => ({ n, seen: Math.floor(n / 3) + 1 }));

interface Given extends Shape, Pick<Partial<RunJobOptions>, 'from' | 'name'> {
  readonly interval?: string;
}

class Machine {
  readonly simulation: Simulation;
  readonly messages: string[] = [];

  constructor(seed: string) {
    this.simulation = new Simulation({ seed });
  }

  /** Resolves when the job is deployed. */
  start(process: SimulatedProcess, given: Given) {
    const { from = { kind: 'resume' }, name, interval = '20 ms' } = given;
    const flink = parseSettings({
      env: {},
      cores: 1,
      dynamic: {
        'execution.checkpointing.interval': interval,
        'execution.checkpointing.min-pause': '0 ms',
        'execution.checkpointing.num-retained': '1',
        'execution.checkpointing.externalized-checkpoint-retention': 'RETAIN_ON_CANCELLATION',
        'restart-strategy.type': 'fixed-delay',
        'restart-strategy.fixed-delay.attempts': '3',
        'restart-strategy.fixed-delay.delay': '10 ms',
      },
    });
    return process.start(() =>
      runJob({
        job: jobOf(given).build(undefined, flink),
        world: process,
        dataFolder: '/data',
        from,
        name,
        allowNonRestoredState: false,
        emit: (event) => {
          if (event.kind === 'starting') this.messages.push(...event.messages);
          if (event.kind === 'warning') this.messages.push(event.message);
        },
        schedulingRandom: process.random.fork('scheduling'),
      }),
    );
  }

  async run(process: SimulatedProcess, given: Given) {
    const running = await this.start(process, given);
    return running.done;
  }

  /** The original, gone when some of its checkpoints are complete. */
  async originalThatStandsStill(): Promise<void> {
    const process = this.simulation.process('original');
    const started = this.start(process, { folder: '/original' });
    await this.simulation.run(
      started.then(async ({ master }) => {
        while (master.history.completed < 2) await sleep(this.simulation.clock, 1);
      }),
    );
    process.kill();
    // What was not durable of it is gone before anything is compared.
    this.simulation.disk.crash();
  }

  async output(folder: string): Promise<readonly unknown[]> {
    const process = this.simulation.process('look');
    const values = await this.simulation.run(
      process.start(() => readFinishedValues(process.fs, folder)),
    );
    return (values as { n: number }[]).sort((a, b) => a.n - b.n);
  }

  /** Every file that is the original's: its path and what is in it. */
  filesOf(jobId: string): string[] {
    const isIts = (path: string): boolean =>
      path.includes(jobId) || path.startsWith('/original/') || path.endsWith('/by-name/original');
    return this.simulation.disk
      .files()
      .filter(({ path }) => isIts(path))
      .map((file) => JSON.stringify(file))
      .sort();
  }

  /** What is left in the storage of a job that has ended. */
  leftOf(jobId: string): string[] {
    return this.simulation.disk
      .files()
      .map(({ path }) => path)
      .filter((path) => path.includes(jobId) && !/\/HEAD/.test(path));
  }

  nameRecord(jobName: string) {
    const process = this.simulation.process('look');
    return this.simulation.run(
      process.start(async () => {
        const store = openStore('/data/checkpoints', process, defaultSettings());
        return (await readNameRecord(store, jobName))?.record;
      }),
    );
  }
}

/** The fork wrote all that came behind where it began, and nothing else. */
function requireTail(output: readonly unknown[], how: string): void {
  expect(output.length, how).toBeGreaterThan(0);
  expect(output.length, how).toBeLessThan(COUNT);
  expect(output, how).toEqual(EXPECTED.slice(COUNT - output.length));
}

describe(`a fork, SEED=${SEED}`, () => {
  it('and its original go on side by side, although the checkpoint is removed', async () => {
    const machine = new Machine(SEED);
    const { simulation } = machine;
    const [original, fork] = [simulation.process('original'), simulation.process('fork')];
    const first = machine.start(original, { folder: '/original' });
    const results = first.then(async ({ master, done }) => {
      while (master.history.completed < 2) await sleep(simulation.clock, 1);
      // It takes no checkpoint of its own: where it fails it has nothing to go back to but where it began.
      const given: Given = {
        folder: '/fork',
        from: { kind: 'fork', of: 'original' },
        interval: '1 h',
        failsAt: COUNT - 2,
      };
      return Promise.all([done, machine.run(fork, given)]);
    });
    const [ofOriginal, ofFork] = await simulation.run(results);
    expect(ofOriginal).toMatchObject({ status: 'FINISHED', restarts: 0 });
    expect(ofFork).toMatchObject({ status: 'FINISHED', restarts: 1 });
    expect(await machine.output('/original')).toEqual(EXPECTED);
    requireTail(await machine.output('/fork'), 'side by side');
    expect(machine.messages.join('\n')).toContain("Forking 'original-fork' from checkpoint");
    expect(machine.leftOf(ofFork.jobId)).toEqual([]);
  });

  it('of a savepoint leaves it where it is', async () => {
    const machine = new Machine(SEED);
    const { simulation } = machine;
    const original = simulation.process('original');
    const started = machine.start(original, { folder: '/original' });
    const [savepoint, result] = await simulation.run(
      started.then(async ({ master, done }) => {
        while (master.history.completed < 1) await sleep(simulation.clock, 1);
        const notes = { label: 'before' };
        const outcome = await master.request({ kind: 'savepoint', directory: '/kept', notes });
        return [outcome, await done] as const;
      }),
    );
    const url = savepoint.kind === 'completed' ? savepoint.url : expect.unreachable();
    const before = machine.filesOf(result.jobId);
    const fork = simulation.process('fork');
    const given: Given = { folder: '/fork', from: { kind: 'fork', of: url }, name: 'drill' };
    expect(await simulation.run(machine.run(fork, given))).toMatchObject({ status: 'FINISHED' });
    requireTail(await machine.output('/fork'), 'of a savepoint');
    expect(machine.filesOf(result.jobId)).toEqual(before);
    expect(simulation.disk.files().some(({ path }) => path.startsWith('/kept/'))).toBe(true);
  });

  it('dies anywhere, and the original goes on as if it had never been', async ({ annotate }) => {
    const given: Given = { folder: '/fork', from: { kind: 'fork', of: 'original' } };
    const writePoints = await undisturbed(given);
    expect(writePoints).toBeGreaterThan(40);
    for (let at = 1; at <= writePoints; at += 1) await crashed(given, at);
    await annotate(`${writePoints} crash points`);
  });

  it('is refused the place of the original', async () => {
    const machine = new Machine(SEED);
    await machine.originalThatStandsStill();
    const { jobId = '' } = (await machine.nameRecord('original')) ?? {};
    const before = machine.filesOf(jobId);
    const from = { kind: 'fork', of: 'original' } as const;
    const run = (given: Given) =>
      machine.simulation.run(machine.run(machine.simulation.process('fork'), given));
    await expect(run({ folder: '/fork', from, name: 'original' })).rejects.toThrow('JOB-060');
    await expect(run({ folder: '/fork', from: { kind: 'fork', of: 'nobody' } })).rejects.toThrow(
      'CHK-020',
    );
    const shared = await run({ folder: '/original', from });
    expect(shared).toMatchObject({ status: 'FAILED', restarts: 0 });
    expect(String(shared.error)).toContain('FIL-060');
    expect(machine.filesOf(jobId)).toEqual(before);
    // A fork that failed is over: its name is free.
    expect(await run({ folder: '/fork', from })).toMatchObject({ status: 'FINISHED' });
  });
});

async function undisturbed(given: Given): Promise<number> {
  const machine = new Machine(SEED);
  await machine.originalThatStandsStill();
  const before = machine.simulation.disk.writePoints();
  const fork = machine.simulation.process('fork');
  await machine.simulation.run(machine.run(fork, given));
  requireTail(await machine.output('/fork'), 'undisturbed');
  return machine.simulation.disk.writePoints() - before;
}

async function crashed(given: Given, writePoint: number): Promise<void> {
  const machine = new Machine(SEED);
  await machine.originalThatStandsStill();
  const { disk } = machine.simulation;
  const { jobId = '' } = (await machine.nameRecord('original')) ?? {};
  const before = machine.filesOf(jobId);
  const moment = seededRandom(`${SEED} ${writePoint}`).next() < 0.5 ? 'before' : 'after';
  const how = `SEED=${SEED} ${moment} write point ${writePoint}`;
  const died = disk.crashAt(disk.writePoints() + writePoint, moment);
  machine.run(machine.simulation.process('fork'), given).catch(() => undefined);
  await machine.simulation.run(died);
  if (writePoint % 2 === 0) disk.crash();
  expect(machine.filesOf(jobId), how).toEqual(before);

  // What an operator does: goes on with the fork if it had begun, else forks once more.
  const record = await machine.nameRecord('original-fork');
  const again: Given =
    record?.state === 'running' ? { folder: '/fork', name: 'original-fork' } : given;
  if (record === undefined || record.state === 'running') {
    const result = await machine.simulation.run(
      machine.run(machine.simulation.process('fork'), again),
    );
    expect(result, how).toMatchObject({ status: 'FINISHED' });
  }
  requireTail(await machine.output('/fork'), how);
  expect(machine.filesOf(jobId), how).toEqual(before);
  const original = machine.simulation.process('original');
  const rest = machine.run(original, { folder: '/original' });
  expect(await machine.simulation.run(rest), how).toMatchObject({ status: 'FINISHED' });
  expect(await machine.output('/original'), how).toEqual(EXPECTED);
}

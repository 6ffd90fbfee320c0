/*
 * Goal: a job of the service is rolled back by one command, with its table, and runs there again; whatever has died
 * on the way, the service or the command itself, the same command then ends the same.
 * Method: the real service and commands. A command that died after a step is played by doing the steps up to it; the
 * service is killed there, and started again.
 * Replay: npm run test:process -- rollback-service
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { tableRows } from '../../scripts/start/table-rows.ts';
import { markRollback } from '../../src/checkpoint/name-record.ts';
import { jobToRollBack } from '../../src/cli/job-to-roll-back.ts';
import { leadJob } from '../../src/cluster/rollback/perform-rollback.ts';
import { planRollback } from '../../src/cluster/rollback/plan-rollback.ts';
import { sleep, systemClock } from '../../src/common/clock.ts';
import { nodeFileSystem } from '../../src/common/node-file-system.ts';
import { systemRandom } from '../../src/common/random.ts';
import { removeFolder } from '../support/remove-folder.ts';
import {
  REPOSITORY,
  runTidemark,
  settings,
  startTidemark,
  type Run,
} from '../support/tidemark-process.ts';

const JOB = `${REPOSITORY}/test/process/jobs/lake.ts`;
const LOOK_MS = 50;
const WORLD = { clock: systemClock, random: systemRandom, fs: nodeFileSystem };

let root: string;

beforeEach(async () => {
  root = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'tidemark-rollback-service-')));
  fs.mkdirSync(`${root}/in`);
  await startService();
});

afterEach(async () => {
  await run('service', 'stop');
  removeFolder(root);
});

const env = () => ({ TIDEMARK_HOME: `${root}/home` });

function run(...args: readonly string[]): Promise<Run> {
  return runTidemark(args, { cwd: root, env: env() });
}

async function ok(ended: Promise<Run>): Promise<string> {
  const { code, stdout, stderr } = await ended;
  expect(code, stderr + stdout).toBe(0);
  return stdout;
}

async function startService(): Promise<number> {
  const given = ['service', 'start', '--json', ...settings({ 'rest.bind-port': '0' })];
  return (JSON.parse(await ok(run(...given))) as { readonly pid: number }).pid;
}

async function servicePid(): Promise<number> {
  return (JSON.parse(await ok(run('service', 'status', '--json'))) as { readonly pid: number }).pid;
}

async function killService(): Promise<void> {
  const pid = await servicePid();
  process.kill(pid, 'SIGKILL');
  while (fs.existsSync(`/proc/${pid}`) && !isZombie(pid)) await sleep(systemClock, LOOK_MS);
}

function isZombie(pid: number): boolean {
  try {
    return /^\d+ \(.*\) Z/.test(fs.readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return true;
  }
}

const engine = () =>
  settings({
    'execution.checkpointing.dir': `${root}/checkpoints`,
    'execution.checkpointing.interval': '150ms',
    'execution.checkpointing.min-pause': '0',
    // The one of the moment is to be there still when it is asked for, however long that takes.
    'execution.checkpointing.num-retained': '10000',
    'restart-strategy.type': 'none',
  });

const own = (...more: readonly string[]) => [
  '--',
  ...['--input', `${root}/in`, '--warehouse', `${root}/lake`],
  ...more,
];

function give(name: string, from: number, count: number, sign: 1 | -1 = 1): void {
  const rows = Array.from({ length: count }, (_, i) => {
    return { n: from + i, key: `k${i % 3}`, value: sign * (1 + i) };
  });
  fs.writeFileSync(`${root}/in/.${name}`, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  fs.renameSync(`${root}/in/.${name}`, `${root}/in/${name}.jsonl`);
}

async function untilRows(count: number): Promise<readonly unknown[]> {
  for (;;) {
    const rows = await tableRows(`${root}/lake`, 'db.sums');
    if (rows.length === count) return (rows as { n: number }[]).toSorted((a, b) => a.n - b.n);
    expect(rows.length).toBeLessThanOrEqual(count);
    await sleep(systemClock, LOOK_MS);
  }
}

interface Listed {
  readonly jid: string;
  readonly name: string;
  readonly state: string;
}

async function jobs(): Promise<readonly Listed[]> {
  const { jobs: listed } = JSON.parse(await ok(run('list', '-a', '--json'))) as {
    readonly jobs: readonly Listed[];
  };
  return listed;
}

/** A service that was started again has brought it back. */
async function untilRunning(): Promise<void> {
  while (!(await jobs()).some(({ state }) => state === 'RUNNING'))
    await sleep(systemClock, LOOK_MS);
}

async function completed(): Promise<number> {
  const { code, stdout } = await run('checkpoints', 'lake', '--json');
  if (code !== 0) return 0;
  return (JSON.parse(stdout) as { readonly counts: { readonly completed: number } }).counts
    .completed;
}

/** Good rows, a moment, and bad rows, all of them in the table. */
async function goneWrong(): Promise<{ readonly before: string; readonly jobId: string }> {
  give('a', 0, 20);
  const said = JSON.parse(await ok(run('run', '-d', '--json', ...engine(), JOB, ...own())));
  await untilRows(20);
  const before = await completed();
  while ((await completed()) < before + 2) await sleep(systemClock, LOOK_MS);
  await sleep(systemClock, 2);
  const moment = new Date(systemClock.wallMs()).toISOString();
  give('b', 200, 10, -1);
  await untilRows(30);
  return { before: moment, jobId: (said as { readonly jobId: string }).jobId };
}

/** As the table of a job that was never wrong. */
async function expectRight(): Promise<void> {
  give('c', 300, 7);
  const rows = (await untilRows(27)) as { readonly n: number; readonly sum: number }[];
  const sums = new Map<number, number>();
  for (const [from, count] of [
    [0, 20],
    [300, 7],
  ] as const) {
    const last = new Map<number, number>();
    for (let i = 0; i < count; i += 1) {
      const start = from === 0 ? 0 : sumOf(i % 3, 20);
      const sum = (last.get(i % 3) ?? start) + 1 + i;
      last.set(i % 3, sum);
      sums.set(from + i, sum);
    }
  }
  for (const { n, sum } of rows) expect(sum, `row ${n}`).toBe(sums.get(n));
  await untilRunning();
  const running = (await jobs()).filter(({ state }) => state === 'RUNNING');
  expect(running.map(({ name }) => name)).toEqual(['lake']);
}

function sumOf(key: number, count: number): number {
  let sum = 0;
  for (let i = 0; i < count; i += 1) if (i % 3 === key) sum += 1 + i;
  return sum;
}

const rollback = (before: string, ...more: readonly string[]) =>
  run(
    ...['rollback', JOB, '--before', before, '-d', ...more, ...engine()],
    ...own('--clean', 'true'),
  );

describe('tidemark rollback of a job of the service', () => {
  it('takes the id of the job, its beginning, or its name, and runs it there again', async () => {
    const { before, jobId } = await goneWrong();
    for (const named of ['lake', jobId, jobId.slice(0, 8)]) {
      const dry = await ok(run('rollback', named, '--before', before, '--dry-run'));
      expect(dry).toMatch(/sums +sink iceberg +snapshot \d+ → snapshot \d+ +-10 /);
    }
    expect(await run('rollback', 'lake', '--before', before)).toMatchObject({ code: 2 });
    const none = await run('rollback', 'nobody', '--before', before);
    expect(none).toMatchObject({ code: 4 });
    expect(none.stderr).toContain('CLI-052');

    const said = await ok(
      run('rollback', jobId.slice(0, 8), '--before', before, '--cancel', ...own('--clean', 'true')),
    );
    expect(said).toMatch(/The job was cancelled and is back at checkpoint \d+/);
    expect(said).toContain('Job has been submitted with JobID');
    await expectRight();
    // What the service has kept of it comes back, once.
    await killService();
    await startService();
    give('d', 400, 3);
    await untilRows(30);
    expect((await jobs()).filter(({ state }) => state === 'RUNNING')).toHaveLength(1);
  });

  it('is asked for again when the command was killed', async () => {
    const { before } = await goneWrong();
    const given = ['rollback', JOB, '--before', before, '-d', '--cancel', '--json', ...engine()];
    const killed = startTidemark([...given, ...own('--clean', 'true')], {
      cwd: root,
      env: env(),
    });
    // It has told its plan, and begins.
    await killed.until(() => killed.events.length > 0);
    await killed.kill('SIGKILL');
    await ok(rollback(before, '--cancel'));
    await expectRight();
  });

  it('is asked for again when the job did not come to run', async () => {
    const { before } = await goneWrong();
    await run('service', 'stop');
    const without = await rollback(before, '--cancel');
    expect(without).toMatchObject({ code: 3 });
    expect(without.stderr).toContain('CLI-029');
    await startService();
    await untilRunning();
    await untilRows(30);
    // A file stands where a folder would have to be made.
    fs.writeFileSync(`${root}/file`, '');
    const files = ['--files', `${root}/file/out`, '--clean', 'true'];
    const args = ['rollback', JOB, '--before', before, '-d', '--cancel', '--leave', 'files'];
    await run(...args, '-n', ...engine(), ...own(...files));
    while ((await jobs()).some(({ state }) => !/^(FAILED|CANCELED|FINISHED)$/.test(state))) {
      await sleep(systemClock, LOOK_MS);
    }
    expect(await tableRows(`${root}/lake`, 'db.sums')).toHaveLength(20);
    await ok(rollback(before, '--cancel'));
    await expectRight();
  });

  const STEPS = ['fenced', 'cancelled', 'marked', 'taken back', 'moved'] as const;

  it.each(STEPS)(
    'ends the same when the command and the service died after it was %s',
    async (step) => {
      const { before } = await goneWrong();
      const options = { D: [], config: undefined, parallelism: undefined };
      const D = engine().filter((each) => each !== '-D');
      const job = await jobToRollBack(JOB, own().slice(1), { ...options, D } as never);
      const given = { ...job, world: WORLD, beforeMs: Date.parse(before), leave: [] };
      const leader = { store: job.store, world: WORLD, owner: 'nobody:0' };
      const isAfter = (other: (typeof STEPS)[number]) =>
        STEPS.indexOf(step) >= STEPS.indexOf(other);

      let plan = await planRollback(given);
      await leadJob(plan, leader);
      if (isAfter('cancelled')) {
        await run('cancel', 'lake');
        while ((await jobs()).some(({ state }) => state === 'RUNNING' || state === 'CANCELLING')) {
          await sleep(systemClock, LOOK_MS);
        }
      }
      if (isAfter('marked')) {
        plan = await planRollback(given);
        const checkpoints = await leadJob(plan, leader);
        const { jobName, jobId } = plan.record;
        const { checkpointId, url } = plan.to;
        const names = { store: job.store, random: systemRandom };
        const atMs = systemClock.wallMs();
        const { epoch } = checkpoints;
        await markRollback(names, { jobName, jobId, epoch, atMs }, { checkpointId, url });
        if (isAfter('taken back')) for (const sink of plan.sinks) await sink.rollback?.apply();
        if (isAfter('moved')) await checkpoints.rollBack(checkpointId);
      }
      await killService();
      await startService();
      if (isAfter('marked')) {
        const refused = await run('run', '-d', ...engine(), JOB, ...own());
        expect(refused.stderr).toContain('CHK-030');
        expect((await jobs()).some(({ state }) => state === 'RUNNING')).toBe(false);
      }
      // What the service brings back at this moment may be first: then it is asked for once more.
      let again = await rollback(before, '--cancel');
      for (let tries = 1; tries < 20 && /CHK-013|CHK-003/.test(again.stderr); tries += 1) {
        again = await rollback(before, '--cancel');
      }
      expect(again.code, again.stderr).toBe(0);
      await expectRight();
    },
  );
});

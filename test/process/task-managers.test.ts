/*
 * Goal: whatever becomes of a process in which tasks run, the job goes on with nothing lost or doubled,
 * says what it was, and leaves no process behind, not even when it is killed itself.
 * Method: the real command; its TaskManagers are found in its events and killed, stopped, crashed from
 * within, or filled until Node gives up. All conditions are waited for; times are not.
 */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { sleep, systemClock } from '../../src/common/clock.ts';
import { finishedLines } from '../support/finished-lines.ts';
import { removeFolder } from '../support/remove-folder.ts';
import {
  runTidemark,
  settings,
  startTidemark,
  type NodeProcess,
} from '../support/tidemark-process.ts';

const COUNT = 4_000;
/** Who is only slow must not be taken for dead. */
const HEARTBEAT_TIMEOUT_MS = 5_000;
const QUICK_HEARTBEAT = {
  'heartbeat.timeout': String(HEARTBEAT_TIMEOUT_MS),
  'heartbeat.interval': '200ms',
};

let root: string;

beforeEach(() => {
  root = fs.mkdtempSync(path.join(os.tmpdir(), 'tidemark-task-managers-'));
});

afterEach(() => {
  removeFolder(root);
});

function engine(more: Readonly<Record<string, string>> = {}): string[] {
  return settings({
    'execution.checkpointing.dir': `${root}/checkpoints`,
    'execution.checkpointing.interval': '50ms',
    'execution.checkpointing.min-pause': '0',
    'restart-strategy.type': 'fixed-delay',
    'restart-strategy.fixed-delay.attempts': '3',
    'restart-strategy.fixed-delay.delay': '10ms',
    ...more,
  });
}

function start(parallelism: number, more: Readonly<Record<string, string>> = {}): NodeProcess {
  const args = ['run', 'test/process/jobs/trouble.ts', '--json', '-p', String(parallelism)];
  // The half of it waits until the test has done what it is about.
  const gate = ['--gate', `${root}/gate`, '--count', String(COUNT)];
  const job = ['--out', `${root}/out`, '--kind', 'none', ...gate];
  return startTidemark([...args, ...engine(more), '--', ...job]);
}

const counts = (): string[] => finishedLines(`${root}/out`);

function expected(count: number): string[] {
  return Array.from({ length: count }, (_, n) =>
    JSON.stringify({ key: n % 10, count: Math.floor(n / 10) + 1 }),
  ).sort();
}

interface Seen {
  readonly id: string;
  readonly pid: number;
}

/** TaskManagers of which the job has told this, in that order. */
function seen(job: NodeProcess, status: string, spare: boolean): Seen[] {
  return job.events
    .filter((event) => event.kind === 'task-manager')
    .filter((event) => event['status'] === status && event['spare'] === spare)
    .map((event) => ({ id: String(event['id']), pid: Number(event['pid']) }));
}

/** Lets the job go on to its end. */
function openGate(): void {
  fs.writeFileSync(`${root}/gate`, '');
}

/** The job runs again after a failure. */
async function restarted(job: NodeProcess): Promise<void> {
  await job.until(() => job.count('failure') > 0 && job.count('restarted') > 0);
}

/** The job has read something, completed a checkpoint, and so many spares stand by. */
async function running(job: NodeProcess, spares: number): Promise<Seen> {
  const holds = await job.until(
    () =>
      job.recordsRead() > 100 &&
      job.count('checkpoint-completed') > 0 &&
      seen(job, 'registered', true).length >= spares,
  );
  const [first] = seen(job, 'started', false);
  if (!holds || first === undefined) expect.fail((await job.ended).stderr);
  return first;
}

function isAlive(pid: number): boolean {
  try {
    // A process that has ended and waits for its parent to look is dead.
    return !execFileSync('ps', ['-o', 'stat=', '-p', String(pid)], { encoding: 'utf8' })
      .trim()
      .startsWith('Z');
  } catch {
    return false;
  }
}

async function untilGone(pids: readonly number[]): Promise<void> {
  while (pids.some(isAlive)) await sleep(systemClock, 10);
}

function allPids(job: NodeProcess): number[] {
  return [...seen(job, 'started', false), ...seen(job, 'started', true)].map(({ pid }) => pid);
}

describe.each([
  ['one TaskManager', {}],
  ['a TaskManager for each slot', { 'taskmanager.numberOfTaskSlots': '1' }],
])('%s', (_, slots) => {
  it('is killed: a spare takes over', async () => {
    const job = start(2, slots);
    const first = await running(job, 1);
    const [spare] = seen(job, 'registered', true);
    process.kill(first.pid, 'SIGKILL');
    await restarted(job);
    openGate();
    const { code, stdout, stderr } = await job.ended;
    expect(code, stderr).toBe(0);
    expect(counts()).toEqual(expected(COUNT));
    expect(stdout).toMatch(/JOB-012.*signal=`SIGKILL`/);
    expect(stdout).toMatch(/JOB-012.*count/);
    expect(seen(job, 'lost', false)).toEqual([first]);
    // What it took over runs where it stood by: no process was started for it.
    const made = seen(job, 'started', false).length;
    expect(made).toBe(Object.keys(slots).length === 0 ? 1 : 2);
    expect(spare).toBeDefined();
    await untilGone(allPids(job));
  });

  it('is killed and none stands by: another one is started', async () => {
    const job = start(2, { ...slots, 'slotmanager.redundant-taskmanager-num': '0' });
    const first = await running(job, 0);
    process.kill(first.pid, 'SIGKILL');
    await restarted(job);
    openGate();
    const { code, stderr } = await job.ended;
    expect(code, stderr).toBe(0);
    expect(counts()).toEqual(expected(COUNT));
    expect(seen(job, 'started', true)).toEqual([]);
    await untilGone(allPids(job));
  });
});

it('one that is frozen is killed, for certain, before another one takes over', async () => {
  const job = start(2, QUICK_HEARTBEAT);
  const first = await running(job, 1);
  process.kill(first.pid, 'SIGSTOP');
  const isLost = await job.until(() => seen(job, 'lost', false).length > 0);
  expect(isLost && !isAlive(first.pid)).toBe(true);
  await restarted(job);
  openGate();
  const { code, stdout, stderr } = await job.ended;
  expect(code, stderr).toBe(0);
  expect(stdout).toContain('JOB-013');
  expect(counts()).toEqual(expected(COUNT));
});

it('a JobManager that was frozen itself kills nobody for it', async () => {
  const job = start(2, QUICK_HEARTBEAT);
  await running(job, 0);
  process.kill(job.pid, 'SIGSTOP');
  await sleep(systemClock, 1.5 * HEARTBEAT_TIMEOUT_MS);
  process.kill(job.pid, 'SIGCONT');
  openGate();
  const { code, stdout, stderr } = await job.ended;
  expect(code, stderr).toBe(0);
  expect(stdout).not.toContain('JOB-01');
  expect(counts()).toEqual(expected(COUNT));
});

describe.each([
  ['crash', ['JOB-012', 'SIGSEGV', 'count']],
  // The thread cannot be ended, so its process is.
  ['block', ['JOB-010', 'count']],
  // Mostly the thread is ended, but V8 may end the whole process instead.
  ['hoard', ['JOB-0(07|12)', 'count']],
])('a function that makes its slot %s', (kind, what) => {
  const job = (attempts: number, ...more: readonly string[]) => {
    // Memory that is nearly full makes a thread slow, too.
    const stuckTimeout = kind === 'block' ? '2s' : '60s';
    const settingsOf = engine({
      'tidemark.task.stuck-timeout': stuckTimeout,
      'restart-strategy.fixed-delay.attempts': String(attempts),
    });
    const args = ['run', 'test/process/jobs/trouble.ts', '-p', '2', ...settingsOf];
    const env = { NODE_OPTIONS: '--max-old-space-size=128' };
    return runTidemark([...args, '--', '--out', `${root}/out`, '--kind', kind, ...more], { env });
  };

  it('once: the job goes on', async () => {
    const { code, stdout, stderr } = await job(3, '--once', `${root}/done`);
    expect(code, stderr).toBe(0);
    for (const pattern of what) expect(stdout).toMatch(new RegExp(pattern));
    expect(counts()).toEqual(expected(2_000));
  });

  it('each time: the job fails with the reason', async () => {
    const { code, stderr } = await job(1);
    expect(code).toBe(1);
    for (const pattern of what) expect(stderr).toMatch(new RegExp(pattern));
  });
});

describe('no process is left', () => {
  it.each(['SIGKILL', 'SIGINT'] as const)('when the JobManager gets %s', async (signal) => {
    const job = start(2, { 'taskmanager.numberOfTaskSlots': '1' });
    await running(job, 1);
    const pids = allPids(job);
    expect(pids).toHaveLength(3);
    await job.kill(signal);
    await untilGone(pids);
  });

  it('when it is killed while its TaskManagers start', async () => {
    const job = start(2);
    await job.until(() => seen(job, 'started', false).length > 0);
    const pids = allPids(job);
    await job.kill('SIGKILL');
    await untilGone(pids);
  });
});

it('all that user code prints comes out, in spite of the end', async () => {
  const { code, stdout } = await runTidemark([
    ...['run', 'test/process/jobs/printing.ts', '-p', '1'],
    ...engine(),
  ]);
  expect(code).toBe(0);
  const numbers = stdout.split('\n').filter((line) => /^(out> )?\d+$/.test(line));
  expect(numbers).toHaveLength(20_000);
});

it('one that cannot be started: the job says so, tries again as its strategy says, and ends', async () => {
  const broken = `${root}/broken.cjs`;
  fs.writeFileSync(broken, "if (process.argv[1]?.includes('task-manager-main')) process.exit(7);");
  const job = startTidemark(
    [
      ...['run', 'test/process/jobs/trouble.ts', '--json', '-p', '2'],
      ...engine({ 'restart-strategy.fixed-delay.attempts': '1' }),
      ...['--', '--out', `${root}/out`, '--kind', 'none'],
    ],
    { env: { NODE_OPTIONS: `--require=${broken}` } },
  );
  const { code, stdout } = await job.ended;
  expect(code).toBe(1);
  expect(stdout).toMatch(/JOB-014.*exitCode=`7`/);
  // One beforehand, and one for each attempt.
  expect(seen(job, 'started', false).length).toBeLessThanOrEqual(3);
});

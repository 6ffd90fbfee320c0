/*
 * Goal: the service runs many jobs, each to an output in which nothing is lost or doubled, whatever
 * becomes of its process and of the files that the jobs were submitted from; and it leaves nothing behind.
 * Method: the real service from dist/ and the real commands; it is killed, stopped, and started again,
 * also on another data folder. All conditions are waited for; times are not.
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { sleep, systemClock } from '../../src/common/clock.ts';
import { startOf } from '../../src/service/process-identity.ts';
import type { AskedJob } from '../support/controlled-service.ts';
import { filesBelow, finishedLines } from '../support/finished-lines.ts';
import { removeFolder } from '../support/remove-folder.ts';
import { NodeProcess, REPOSITORY, runTidemark } from '../support/tidemark-process.ts';

const COUNT = 2_000;
/** Whatever else runs on this machine. */
const ANY_PORT = { FLINK_REST_PORT: '0' };

interface Job {
  readonly jobId: string;
  readonly jobName: string;
  readonly status: string;
  /** Once all that is to be told of it is known. */
  readonly endMs?: number;
  readonly counts: { readonly completed: number };
  readonly failures: readonly { readonly name: string; readonly vertex?: string }[];
  readonly vertices: readonly {
    readonly subtasks: readonly {
      readonly status: string;
      readonly recordsIn: number;
      readonly taskManager?: string;
    }[];
  }[];
}

let root: string;
let services: Service[];

beforeEach(() => {
  root = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'tidemark-service-')));
  services = [];
});

afterEach(async () => {
  for (const service of services) await service.process.kill('SIGKILL');
  await runTidemark(['service', 'stop', '--data', data('a')]);
  removeFolder(root);
});

function data(name: string): string {
  return path.join(root, `data-${name}`);
}

/** The service with a way to ask it. */
class Service {
  readonly process: NodeProcess;
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
    const program = `${REPOSITORY}/test/support/controlled-service.ts`;
    const env = { FLINK_HA_STORAGE_DIR: path.join(root, 'ha') };
    this.process = new NodeProcess([program, folder], { cwd: root, env });
    services.push(this);
  }

  async running(): Promise<this> {
    const isRunning = await this.process.until(() => this.process.count('running') > 0);
    if (!isRunning) expect.fail((await this.process.ended).stderr);
    return this;
  }

  async ask<Answer>(what: string, body?: unknown): Promise<Answer> {
    const token = fs.readFileSync(path.join(this.#folder, 'token'), 'utf8');
    const address = this.process.events.find(({ kind }) => kind === 'running')?.['address'];
    const response = await fetch(`${String(address)}/${what}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}` },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const answer = (await response.json()) as Answer;
    if (!response.ok) throw new TypeError(String(answer));
    return answer;
  }

  submit(name: string, more: Partial<AskedJob> = {}): Promise<Job> {
    return this.ask<Job>('submit', { ...asked(name), ...more });
  }

  async job(name: string): Promise<Job | undefined> {
    return (await this.ask<Job[]>('jobs')).find(({ jobName }) => jobName === name);
  }

  /** Resolves when it holds of the job. */
  async until(name: string, holds: (job: Job) => boolean): Promise<Job> {
    for (;;) {
      const job = await this.job(name);
      if (job !== undefined && holds(job)) return job;
      await sleep(systemClock, 10);
    }
  }
}

/** A job of this name, in a folder of its own; the half of it waits for the gate. */
function asked(name: string): AskedJob {
  const folder = path.join(root, name);
  const file = path.join(folder, 'job.ts');
  if (!fs.existsSync(file)) {
    fs.mkdirSync(folder);
    fs.symlinkSync(`${REPOSITORY}/node_modules`, path.join(folder, 'node_modules'));
    const text = fs.readFileSync(`${REPOSITORY}/test/process/jobs/trouble.ts`, 'utf8');
    fs.writeFileSync(file, text.replace("defineJob('trouble'", `defineJob('${name}'`));
  }
  return {
    module: pathToFileURL(file).href,
    // Relative to the job's folder, in all its threads and processes.
    arguments: ['--out', 'out', '--kind', 'none', '--gate', 'gate', '--count', String(COUNT)],
    folder,
    settings: [
      'execution.checkpointing.dir=checkpoints',
      'execution.checkpointing.interval=50ms',
      'execution.checkpointing.min-pause=0',
      'parallelism.default=1',
    ],
  };
}

/** Records and code; the index stays. */
function left(store: string): number {
  return ['jobs', 'bundles'].flatMap((name) => filesBelow(path.join(store, name))).length;
}

function openGate(name: string): void {
  fs.writeFileSync(path.join(root, name, 'gate'), '');
}

function counts(name: string): string[] {
  return finishedLines(path.join(root, name, 'out'));
}

const EXPECTED = Array.from({ length: COUNT }, (_, n) =>
  JSON.stringify({ key: n % 10, count: Math.floor(n / 10) + 1 }),
).sort();

const halfway = ({ counts: { completed } }: Job): boolean => completed >= 1;

async function untilGone(pids: readonly number[]): Promise<void> {
  while (pids.some((pid) => startOf(pid) !== undefined)) await sleep(systemClock, 10);
}

async function pidsOf(service: Service): Promise<number[]> {
  const all = await service.ask<{ readonly pid: number }[]>('task-managers');
  return [service.process.pid, ...all.map(({ pid }) => pid)];
}

describe('the service', () => {
  it('runs jobs side by side, shows what they do, and refuses what cannot run', async () => {
    const service = await new Service(data('a')).running();
    await Promise.all([service.submit('first'), service.submit('second')]);
    await service.until('first', halfway);
    await service.until('second', halfway);
    await expect(service.submit('first')).rejects.toThrow('JOB-031');
    const bad = asked('third');
    await expect(service.submit('third', { arguments: ['--out', 'out'] })).rejects.toThrow('SET-');
    fs.writeFileSync(new URL(bad.module), "import './nothing.ts';");
    await expect(service.submit('third')).rejects.toThrow(/JOB-034.*nothing/s);
    expect(await service.job('third')).toBeUndefined();
    openGate('first');
    const first = await service.until('first', ({ endMs }) => endMs !== undefined);
    expect(first.status).toBe('FINISHED');
    expect(counts('first')).toEqual(EXPECTED);
    const subtasks = first.vertices.flatMap((vertex) => vertex.subtasks);
    expect(subtasks.map(({ status }) => status)).toEqual(subtasks.map(() => 'FINISHED'));
    expect(subtasks.map(({ recordsIn }) => recordsIn)).toContain(COUNT);
    const second = await service.job('second');
    await service.ask(`cancel/${second?.jobId ?? ''}`);
    await service.until('second', ({ status }) => status === 'CANCELED');
    // Neither of them is to come back.
    const store = path.join(root, 'ha', 'default', 'job-store');
    while (left(store) > 0) await sleep(systemClock, 10);
  });

  it('brings all jobs back after kill -9, without their files and on another data folder', async () => {
    const killed = await new Service(data('a')).running();
    const before = [await killed.submit('first'), await killed.submit('second')];
    await killed.until('first', halfway);
    await killed.until('second', halfway);
    const pids = await pidsOf(killed);
    await killed.process.kill('SIGKILL');
    await untilGone(pids);
    for (const name of ['first', 'second']) {
      fs.writeFileSync(path.join(root, name, 'job.ts'), 'not what was submitted');
      openGate(name);
    }
    const next = await new Service(data('b')).running();
    for (const { jobName, jobId } of before) {
      const job = await next.until(jobName, ({ status }) => status === 'FINISHED');
      expect(job.jobId).toBe(jobId);
      expect(counts(jobName)).toEqual(EXPECTED);
    }
    await next.process.kill('SIGTERM');
    // What has ended does not come back.
    const last = await new Service(data('a')).running();
    expect(await last.ask('jobs')).toEqual([]);
  });

  it('suspends its jobs when it is stopped, and goes on with them in the background', async () => {
    const service = await new Service(data('a')).running();
    await service.submit('first');
    await service.until('first', halfway);
    const pids = await pidsOf(service);
    const { code } = await service.process.kill('SIGTERM');
    expect(code).toBe(0);
    expect(pids.filter((pid) => startOf(pid) !== undefined)).toEqual([]);
    openGate('first');
    const env = { FLINK_HA_STORAGE_DIR: path.join(root, 'ha'), ...ANY_PORT };
    const started = await runTidemark(['service', 'start', '--data', data('a')], { env });
    expect(started.stderr).toBe('');
    while (counts('first').length < COUNT) await sleep(systemClock, 20);
    expect(counts('first')).toEqual(EXPECTED);
    const stopped = await runTidemark(['service', 'stop', '--data', data('a')]);
    expect(stopped.code, stopped.stderr).toBe(0);
  });

  it('starts once, says so, and is gone when it is stopped', async () => {
    const run = (command: string) =>
      runTidemark(['service', command, '--data', data('a'), '--json'], { env: ANY_PORT });
    expect((await run('status')).code).toBe(3);
    expect((await run('stop')).code).toBe(3);
    const started = await run('start');
    expect(started.code, started.stderr).toBe(0);
    const { pid } = JSON.parse(started.stdout) as { readonly pid: number };
    const again = await run('start');
    expect(again.code).toBe(2);
    expect(again.stderr).toContain('CLI-011');
    expect(JSON.parse((await run('status')).stdout)).toMatchObject({ pid, state: 'running' });
    expect(fs.statSync(path.join(data('a'), 'token')).mode & 0o077).toBe(0);
    expect((await run('stop')).code).toBe(0);
    await untilGone([pid]);
    expect((await run('status')).code).toBe(3);
    expect(fs.readdirSync(data('a')).filter((name) => /^(service|token)/.test(name))).toEqual([]);
  });
});

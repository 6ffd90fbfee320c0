/*
 * Goal: a job with its checkpoints on S3 loses and doubles nothing, whatever becomes of the server, of the way
 * to it, and of the job itself; what it bears and what fails it is what the settings say, with the reason.
 * Method: the real command from dist/ and a real server; the server is killed and comes back, a proxy in front
 * of it refuses everything for a while, the job is killed. In the end the finished files have each count of each
 * key once. All conditions are waited for; times are not.
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { makeBucket, s3Settings, startS3, type S3Service } from '../../scripts/services/s3.ts';
import { SERVICE_SETUP_MS } from '../../scripts/services/service.ts';
import { listSnapshots } from '../../src/checkpoint/snapshot-list.ts';
import { openStore } from '../../src/cluster/open-store.ts';
import { defaultWorld } from '../../src/cluster/run-job.ts';
import { sleep, systemClock } from '../../src/common/clock.ts';
import { startOf } from '../../src/service/process-identity.ts';
import { FinishedLines } from '../support/finished-lines.ts';
import { killIfThere } from '../support/kill-if-there.ts';
import { killAgainAndAgain } from '../support/kill-loop.ts';
import { removeFolder } from '../support/remove-folder.ts';
import { seed } from '../support/seed.ts';
import { childrenOf } from '../support/service-cluster.ts';
import { S3Proxy } from '../support/s3-proxy.ts';
import { s3SettingsFor } from '../support/s3-settings.ts';
import {
  settings,
  startTidemark,
  type NodeProcess,
  type Run,
} from '../support/tidemark-process.ts';

const BUCKET = 'jobs';
const JOB = 'test/integration/jobs/padded-counts.ts';
const COUNT = 60_000;
/** Minutes of it. */
const SLOW = 200;
const FAST = 100_000;
const KEYS = 100;
const TEST_MS = 600_000;
const EXPECTED = Array.from({ length: COUNT }, (_, n) =>
  JSON.stringify({ count: Math.floor(n / KEYS) + 1, key: n % KEYS }),
);

let folder: string;
let root: string;
let server: S3Service;
let proxy: S3Proxy;
let address: string;
let prefix = 0;
let running: NodeProcess[];
let seen: FinishedLines;

beforeAll(async () => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'tidemark-s3-'));
  server = await startS3({ folder });
  await makeBucket(server, BUCKET);
}, SERVICE_SETUP_MS);

afterAll(async () => {
  await server.stop();
  removeFolder(folder);
});

beforeEach(async () => {
  root = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'tidemark-s3-jobs-')));
  prefix += 1;
  running = [];
  seen = new FinishedLines(`${root}/out`, EXPECTED);
  proxy = new S3Proxy(server.endpoint);
  address = await proxy.start();
});

afterEach(async () => {
  for (const job of running) await job.kill('SIGKILL');
  await proxy.stop();
  removeFolder(root);
});

const url = (name: string): string => `s3://${BUCKET}/${prefix}/${name}`;

function engine(endpoint: string, more: Readonly<Record<string, string>> = {}): string[] {
  return settings({
    ...s3Settings(server),
    's3.endpoint': endpoint,
    'execution.checkpointing.dir': url('checkpoints'),
    'execution.checkpointing.interval': '100ms',
    'execution.checkpointing.min-pause': '0',
    'restart-strategy.type': 'none',
    // Who stands still for some seconds on a busy machine is not dead.
    'heartbeat.timeout': '60s',
    ...more,
  });
}

function start(args: readonly string[], parallelism = 2, rate = SLOW): NodeProcess {
  const job = startTidemark([
    ...['run', JOB, '--json', '-p', String(parallelism)],
    ...args,
    ...['--', '--out', `${root}/out`, '--count', String(COUNT), '--rate', String(rate)],
  ]);
  running.push(job);
  return job;
}

/** @param from Counted by the number that there were. */
async function until(job: NodeProcess, kind: string, count: number): Promise<void> {
  const target = job.count(kind) + count;
  const has = await job.until(() => job.count(kind) >= target);
  if (!has) {
    const { stdout, stderr } = await job.ended;
    expect.fail(`no ${kind}: ${stderr}${stdout.slice(-5_000)}`);
  }
}

/** Kills the job and lets another one do the rest, from the last checkpoint. */
async function expectExact(job: NodeProcess): Promise<Run> {
  await job.kill('SIGKILL');
  expect(seen.look()).toEqual([]);
  const ended = await start(engine(server.endpoint), 2, FAST).ended;
  expect(ended.code, ended.stderr + ended.stdout.slice(-5_000)).toBe(0);
  expect(seen.look()).toEqual([]);
  expect(seen.missing()).toEqual([]);
  return ended;
}

/** Of all objects of the job, as they are. */
async function allKeys(): Promise<string[]> {
  const store = openStore(url('checkpoints'), defaultWorld, s3SettingsFor(server.endpoint));
  const keys: string[] = [];
  for await (const { path: key, modifiedMs } of store.list('')) keys.push(`${key} ${modifiedMs}`);
  return keys;
}

async function gone(pids: readonly number[]): Promise<void> {
  while (pids.some((pid) => startOf(pid) !== undefined)) await sleep(systemClock, 5);
}

/** All that the storage shows is whole. */
async function expectSound(): Promise<number> {
  const store = openStore(url('checkpoints'), defaultWorld, s3SettingsFor(server.endpoint));
  const { snapshots, unreadable } = await listSnapshots(store, { verify: true });
  expect(unreadable).toEqual([]);
  expect(snapshots.filter(({ verified, complete }) => verified !== true || !complete)).toEqual([]);
  return snapshots.length;
}

it(
  'a server that is killed and comes back costs the job nothing',
  async () => {
    const job = start(engine(server.endpoint));
    for (let kill = 0; kill < 3; kill += 1) {
      await until(job, 'checkpoint-completed', 2);
      await server.kill();
      // Something must have met the dead server: what it tried before it came back.
      await until(job, 'progress', 2);
      server = await startS3({ folder, port: server.port });
    }
    await until(job, 'checkpoint-completed', 2);
    await expectExact(job);
    expect(job.count('failure')).toBe(0);
  },
  TEST_MS,
);

describe('a server that refuses everything for a while', () => {
  const short = { 'tidemark.s3.retry-timeout': '100ms' };
  const busy = () => ({ kind: 'answer', status: 503, code: 'SlowDown' }) as const;

  it(
    'is waited for as long as tidemark.s3.retry-timeout says',
    async () => {
      const job = start(engine(address));
      await until(job, 'checkpoint-completed', 2);
      let refused = 0;
      proxy.rule = () => {
        refused += 1;
        return busy();
      };
      await job.until(() => refused >= 10);
      proxy.rule = () => ({ kind: 'pass' });
      await until(job, 'checkpoint-completed', 2);
      expect(job.count('checkpoint-failed')).toBe(0);
      await expectExact(job);
    },
    TEST_MS,
  );

  it(
    'costs checkpoints, and not the job, while the tolerable failures last',
    async () => {
      const tolerable = { 'execution.checkpointing.tolerable-failed-checkpoints': '1000' };
      const job = start(engine(address, { ...short, ...tolerable }));
      await until(job, 'checkpoint-completed', 2);
      proxy.rule = busy;
      await until(job, 'checkpoint-failed', 3);
      proxy.rule = () => ({ kind: 'pass' });
      await until(job, 'checkpoint-completed', 2);
      await expectExact(job);
      expect(job.count('failure')).toBe(0);
    },
    TEST_MS,
  );

  it(
    'fails the job behind the last tolerable one, with the reason; later it goes on from there',
    async () => {
      const tolerable = { 'execution.checkpointing.tolerable-failed-checkpoints': '2' };
      const job = start(engine(address, { ...short, ...tolerable }));
      await until(job, 'checkpoint-completed', 2);
      // Not in the middle of one, which would be in doubt: from the next file of a task on.
      let isAway = false;
      proxy.rule = ({ method, url: asked }) => {
        isAway ||= method === 'PUT' && !/HEAD|_metadata|_in_progress/.test(asked);
        return isAway ? busy() : { kind: 'pass' };
      };
      const { code, stdout } = await job.ended;
      expect(code, stdout).toBe(1);
      const result = job.events.find(({ kind }) => kind === 'result');
      expect(result?.['error']).toContain('CHK-009');
      expect(result?.['error']).toMatch(/STO-00[16]: .*SlowDown/);
      expect(result?.['error']).toContain('consecutive=`3`, tolerable=`2`');
      expect(await expectSound()).toBeGreaterThan(0);
      proxy.rule = () => ({ kind: 'pass' });
      const again = start(engine(address));
      await until(again, 'starting', 1);
      const [starting] = again.events.filter(({ kind }) => kind === 'starting');
      expect(starting?.['restoredCheckpoint']).toBeGreaterThan(0);
      await until(again, 'checkpoint-completed', 1);
      await expectExact(again);
    },
    TEST_MS,
  );
});

describe('a restore from a server that is away', () => {
  const busy = () => ({ kind: 'answer', status: 503, code: 'SlowDown' }) as const;
  const pass = () => ({ kind: 'pass' }) as const;

  it(
    'waits for it, fails with the reason where that takes too long, and works when it is back',
    async () => {
      const first = start(engine(address));
      await until(first, 'checkpoint-completed', 2);
      const tasks = childrenOf(first.pid);
      await first.kill('SIGKILL');
      // Its tasks may write for a moment longer, and what they have sent may be on its way.
      await gone(tasks);
      await proxy.settled();
      const keys = await allKeys();
      proxy.rule = busy;
      const short = { 'tidemark.s3.retry-timeout': '300ms' };
      const { code, stdout, stderr } = await start(engine(address, short)).ended;
      // Refused: nothing of it has begun.
      expect(code, stdout).toBe(2);
      expect(stdout + stderr).toMatch(/STO-00[16]: .*SlowDown/);
      expect(await allKeys()).toEqual(keys);

      let refused = 0;
      proxy.rule = () => {
        refused += 1;
        return busy();
      };
      const again = start(engine(address));
      await again.until(() => refused >= 5);
      proxy.rule = pass;
      await until(again, 'checkpoint-completed', 1);
      const [starting] = again.events.filter(({ kind }) => kind === 'starting');
      expect(starting?.['restoredCheckpoint']).toBeGreaterThan(0);
      await expectExact(again);
    },
    TEST_MS,
  );

  it(
    'in the middle of a job is tried by its restart strategy until it is back',
    async () => {
      const restarts = {
        'tidemark.s3.retry-timeout': '100ms',
        'execution.checkpointing.tolerable-failed-checkpoints': '1000',
        'restart-strategy.type': 'fixed-delay',
        'restart-strategy.fixed-delay.attempts': '1000',
        'restart-strategy.fixed-delay.delay': '100ms',
      };
      const job = start(engine(address, restarts));
      await until(job, 'checkpoint-completed', 2);
      proxy.rule = busy;
      await until(job, 'checkpoint-failed', 1);
      const failures = job.count('failure');
      childrenOf(job.pid).forEach(killIfThere);
      // The kill, and restores that were refused.
      await job.until(() => job.count('failure') >= failures + 3);
      proxy.rule = pass;
      await until(job, 'checkpoint-completed', 2);
      await expectExact(job);
    },
    TEST_MS,
  );
});

it(
  'a server that takes requests and never answers ends nothing for ever',
  async () => {
    const timeouts = {
      's3.connection.request.timeout': '2s',
      'tidemark.s3.retry-timeout': '4s',
      'execution.checkpointing.timeout': '20s',
      'execution.checkpointing.tolerable-failed-checkpoints': '0',
      'restart-strategy.type': 'fixed-delay',
      'restart-strategy.fixed-delay.attempts': '2',
      'restart-strategy.fixed-delay.delay': '50ms',
    };
    const job = start(engine(address, timeouts));
    await until(job, 'checkpoint-completed', 2);
    proxy.rule = () => ({ kind: 'hang' });
    const { code, stdout } = await job.ended;
    // It failed, was restored in vain, and wrote down its end in vain.
    expect(code, stdout).toBe(1);
    expect(job.count('failure'), stdout).toBe(3);
    expect(stdout).toMatch(/STO-00[16]|CHK-0(07|09|12)/);
    proxy.rule = () => ({ kind: 'pass' });
    await expectExact(job);
  },
  TEST_MS,
);

it(
  'a job that is killed again and again goes on from its checkpoints',
  async () => {
    const restored = await killAgainAndAgain({
      seed,
      kills: 8,
      recordsMax: 150,
      checkpointsMax: 3,
      parallelismMax: 2,
      out: `${root}/out`,
      start: (parallelism) => start(engine(server.endpoint), parallelism),
      look: (what) => expect(seen.look(), what).toEqual([]),
    });
    expect(restored.size).toBeGreaterThan(1);
    await expectSound();
    const last = start(engine(server.endpoint));
    await until(last, 'starting', 1);
    await expectExact(last);
  },
  TEST_MS,
);

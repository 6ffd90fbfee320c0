/*
 * Goal: what people ask of a service while its S3 server is away (a savepoint, a stop, a submission, a start) fails in the time of
 * the settings with the reason, leaves nothing half visible and no job harmed, and works when the server is back. What
 * can wait, waits. A server that is slow, and no more than that, costs nothing.
 * Method: a real service from dist/ with everything in a bucket of a real server, behind a proxy that refuses. What is there is
 * looked at past the proxy. Checkpoints in such a time are in s3-jobs.test.ts, leaders in s3-standby and s3-lease.
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { makeBucket, s3Variables, startS3, type S3Service } from '../../scripts/services/s3.ts';
import { SERVICE_SETUP_MS } from '../../scripts/services/service.ts';
import { listSnapshots } from '../../src/checkpoint/snapshot-list.ts';
import { openStore } from '../../src/cluster/open-store.ts';
import { defaultWorld } from '../../src/cluster/run-job.ts';
import { sleep, systemClock } from '../../src/common/clock.ts';
import { logged, ServiceCluster } from '../support/service-cluster.ts';
import { S3Proxy, type Fault, type SeenRequest } from '../support/s3-proxy.ts';
import { s3SettingsFor } from '../support/s3-settings.ts';
import { moreCheckpoints, OutputWatch, RATE, submitted } from '../support/takeover.ts';
import type { NodeProcess, Run } from '../support/tidemark-process.ts';

const BUCKET = 'outages';
const TEST_MS = 600_000;
const BUSY: Fault = { kind: 'answer', status: 503, code: 'SlowDown' };
const PASS: Fault = { kind: 'pass' };
const REASON = /STO-00[16]: .*SlowDown/;

let folder: string;
let server: S3Service;
let proxy: S3Proxy;
let cluster: ServiceCluster;
let service: NodeProcess;
let url = '';
let clusters = 0;

beforeAll(async () => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'tidemark-s3-'));
  server = await startS3({ folder });
  await makeBucket(server, BUCKET);
}, SERVICE_SETUP_MS);

afterAll(async () => {
  await server.stop();
  fs.rmSync(folder, { recursive: true });
});

beforeEach(async () => {
  proxy = new S3Proxy(server.endpoint);
  const endpoint = await proxy.start();
  clusters += 1;
  url = `s3://${BUCKET}/${clusters}`;
  const env = {
    ...s3Variables(server),
    S3_ENDPOINT: endpoint,
    S3_RETRY_TIMEOUT_MS: '500',
    FLINK_TOLERABLE_FAILED_CHECKPOINTS: '1000',
    FLINK_SAVEPOINT_DIRECTORY: `${url}/savepoints`,
  };
  cluster = new ServiceCluster({ rate: RATE, storage: { url, env } });
  service = cluster.start('a');
  await logged(service, 'service-running');
}, TEST_MS);

afterEach(async () => {
  await cluster.close();
  await proxy.stop();
});

const run = (...args: string[]): Promise<Run> => cluster.run('a', ...args);

async function expectOk(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await run(...args);
  expect(code, `${args.join(' ')}\n${stderr}${stdout}`).toBe(0);
  return stdout;
}

async function expectRefused(...args: string[]): Promise<void> {
  const { code, stdout, stderr } = await run(...args);
  expect(code, stdout).not.toBe(0);
  expect(stderr).toMatch(REASON);
}

async function stateOfJob(): Promise<string | undefined> {
  interface Jobs {
    readonly jobs: readonly { readonly name: string; readonly state: string }[];
  }
  const { jobs } = JSON.parse(await expectOk('list', '-a', '--json')) as Jobs;
  return jobs.find(({ name }) => name === 'steady')?.state;
}

/** Savepoints that a look shows, each of them whole. */
async function savepoints(): Promise<number> {
  const store = openStore(`${url}/savepoints`, defaultWorld, s3SettingsFor(server.endpoint));
  const { snapshots, unreadable } = await listSnapshots(store, { verify: true });
  expect(unreadable).toEqual([]);
  expect(snapshots.filter(({ verified, complete }) => verified !== true || !complete)).toEqual([]);
  return snapshots.length;
}

/** Keys under a folder, whole or not. */
async function keys(under: string): Promise<string[]> {
  const store = openStore(`${url}/${under}`, defaultWorld, s3SettingsFor(server.endpoint));
  const found: string[] = [];
  for await (const entry of store.list('')) found.push(entry.path);
  return found;
}

const isIn = (part: string) => (request: SeenRequest) => request.url.includes(part);

describe('a savepoint', () => {
  it.each([
    ['is refused from its first file on', isIn('/savepoints/')],
    ['is refused at its last file', isIn('_metadata')],
  ])(
    '%s: it fails with the reason, the job goes on, and the next one is whole',
    async (_, isAway) => {
      await submitted(cluster, 'a');
      const watch = new OutputWatch(cluster);
      await moreCheckpoints(service);
      proxy.rule = (request) =>
        request.method === 'PUT' && isAway(request) && request.url.includes('/savepoints/')
          ? BUSY
          : PASS;
      await expectRefused('savepoint', 'steady');
      expect(await savepoints()).toBe(0);
      await expectRefused('stop', 'steady');
      expect(await savepoints()).toBe(0);
      expect(await stateOfJob()).toBe('RUNNING');
      await moreCheckpoints(service);
      proxy.rule = () => PASS;
      await expectOk('savepoint', 'steady');
      expect(await savepoints()).toBe(1);
      await watch.expectWhole('a');
    },
    TEST_MS,
  );
});

describe('the store of jobs', () => {
  it(
    'refuses a submission with the reason, keeps nothing of it, and takes the next one',
    async () => {
      proxy.rule = (request) =>
        request.method === 'PUT' && request.url.includes('/job-store/') ? BUSY : PASS;
      const { code, stderr } = await cluster.submit('a');
      expect(code).not.toBe(0);
      expect(stderr).toMatch(REASON);
      expect(await stateOfJob()).toBeUndefined();
      proxy.rule = () => PASS;
      await submitted(cluster, 'a');
      const watch = new OutputWatch(cluster);
      await moreCheckpoints(service);
      await watch.expectWhole('a');
      await expectOk('service', 'status');
      expect(service.count('failure')).toBe(0);
    },
    TEST_MS,
  );

  it(
    'is waited for by a service that starts, which then brings its jobs back',
    async () => {
      await submitted(cluster, 'a');
      const watch = new OutputWatch(cluster);
      await moreCheckpoints(service);
      await service.kill('SIGKILL');
      proxy.rule = (request) => (request.url.includes('/job-store/') ? BUSY : PASS);
      service = cluster.start('a');
      await logged(service, 'problem');
      expect(service.count('service-running')).toBe(0);
      proxy.rule = () => PASS;
      await logged(service, 'service-running');
      await moreCheckpoints(service);
      await watch.expectWhole('a');
    },
    TEST_MS,
  );
});

it(
  'a server that is slow, each answer after a second, costs time and nothing else',
  async () => {
    await submitted(cluster, 'a');
    const watch = new OutputWatch(cluster);
    await moreCheckpoints(service);
    proxy.before = () => sleep(systemClock, 1_000);
    await moreCheckpoints(service, 1);
    await expectOk('savepoint', 'steady');
    proxy.before = () => Promise.resolve();
    // A stop takes the place of a checkpoint that is under way, which then counts as failed.
    expect([service.count('failure'), service.count('checkpoint-failed')]).toEqual([0, 0]);
    await watch.expectWhole('a');
    expect(await savepoints()).toBe(1);
    expect((await keys('savepoints')).some((key) => key.includes('in_progress'))).toBe(false);
  },
  TEST_MS,
);

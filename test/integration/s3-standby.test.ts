/*
 * Goal: with the lease, the store of jobs and the checkpoints on S3, a standby goes on with the jobs of a leader that dies, that
 * stands still, or that the server does not answer any more; what an old leader still does counts for nothing; and after
 * everything was killed, the server too, everything comes back. Output is seen once and stays.
 * Method: the stories of test/process/standby.test.ts, and some of their own, with real services from dist/ on a real server;
 * a proxy in front of it for one of the services. All conditions are waited for; times are printed only.
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { makeBucket, s3Variables, startS3, type S3Service } from '../../scripts/services/s3.ts';
import { SERVICE_SETUP_MS } from '../../scripts/services/service.ts';
import { readHead } from '../../src/checkpoint/head.ts';
import { readLease } from '../../src/cluster/leadership/lease.ts';
import { openStore } from '../../src/cluster/open-store.ts';
import { defaultWorld } from '../../src/cluster/run-job.ts';
import type { BlobStore } from '../../src/storage/blob-store.ts';
import { logged, ServiceCluster, type ServiceClusterOptions } from '../support/service-cluster.ts';
import { S3Proxy, type Fault } from '../support/s3-proxy.ts';
import { s3SettingsFor } from '../support/s3-settings.ts';
import {
  freezeLeader,
  killLeaders,
  moreCheckpoints,
  OutputWatch,
  RATE,
  submitted,
  until,
} from '../support/takeover.ts';
import type { NodeProcess } from '../support/tidemark-process.ts';

const BUCKET = 'standby';
const TEST_MS = 600_000;
const BUSY: Fault = { kind: 'answer', status: 503, code: 'SlowDown' };
/** With the pauses between them they take about a second. */
const REFUSED = 4;

let folder: string;
let server: S3Service;
let proxy: S3Proxy;
let address: string;
let cluster: ServiceCluster;
let base = '';
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
  address = await proxy.start();
});

afterEach(async () => {
  await cluster.close();
  await proxy.stop();
});

function newCluster(options: Omit<ServiceClusterOptions, 'storage'>): ServiceCluster {
  clusters += 1;
  base = `s3://${BUCKET}/${clusters}`;
  return new ServiceCluster({ ...options, storage: { url: base, env: s3Variables(server) } });
}

function storeAt(url: string): BlobStore {
  return openStore(url, defaultWorld, s3SettingsFor(server.endpoint));
}

/** Epochs of the leader: of the lease, and of the one whose checkpoints count. */
async function epochs(): Promise<{ readonly lease: number; readonly heads: number[] }> {
  const lease = await readLease(storeAt(`${base}/ha/default`));
  const checkpoints = storeAt(`${base}/checkpoints`);
  const heads: number[] = [];
  for await (const entry of checkpoints.list('')) {
    if (!/^[0-9a-f]{32}\/HEAD$/.test(entry.path)) continue;
    const found = await readHead(checkpoints, entry.path.slice(0, 32));
    heads.push(found?.head.leader?.epoch ?? NaN);
  }
  return { lease: lease?.lease.epoch ?? NaN, heads };
}

describe('a standby', () => {
  it(
    'goes on with the job when the leader is killed, again and again',
    async ({ annotate }) => {
      cluster = newCluster({ rate: RATE });
      const times = await killLeaders(cluster);
      expect(await epochs()).toEqual({ lease: 4, heads: [4] });
      await annotate(`from kill -9 to the next element: ${times.join(', ')} ms`);
    },
    TEST_MS,
  );

  it.each([
    ['alone', false],
    ['with its TaskManagers, which go on first', true],
  ])(
    'takes over from a leader that is frozen %s, and that one steps down when it goes on',
    async (_, withTasks) => {
      cluster = newCluster({ rate: RATE, leaseMs: 15_000 });
      await freezeLeader(cluster, withTasks);
      expect(await epochs()).toEqual({ lease: 2, heads: [2] });
    },
    TEST_MS,
  );

  it(
    'takes over from a leader that the server refuses for too long, which ends by itself',
    async () => {
      cluster = newCluster({ rate: RATE, leaseMs: 15_000 });
      const old = cluster.start('a', { 's3.endpoint': address });
      await logged(old, 'service-running');
      const standby = cluster.start('b');
      await logged(standby, 'service-stands-by');
      await submitted(cluster, 'a');
      const watch = new OutputWatch(cluster);
      await moreCheckpoints(old);
      // For a moment first, which it bears.
      let refused = 0;
      proxy.rule = () => {
        refused += 1;
        return refused <= REFUSED ? BUSY : { kind: 'pass' };
      };
      await old.until(() => refused > REFUSED);
      await moreCheckpoints(old);
      expect(standby.count('service-leads')).toBe(0);
      proxy.rule = () => BUSY;
      const { code, stderr } = await old.ended;
      expect(code, stderr).toBe(75);
      expect(stderr).toContain('JOB-052');
      await logged(standby, 'service-leads');
      // As the standby of the other.
      proxy.rule = () => ({ kind: 'pass' });
      const again = cluster.start('a', { 's3.endpoint': address });
      expect((await logged(again, 'service-stands-by'))['epoch']).toBe(2);
      await moreCheckpoints(standby);
      await watch.expectWhole('b');
      expect(standby.count('failure')).toBe(0);
      expect(await epochs()).toEqual({ lease: 2, heads: [2] });
      await again.kill('SIGTERM');
      await standby.kill('SIGTERM');
    },
    TEST_MS,
  );
});

it(
  'after everything was killed, the server too, the job comes back',
  async () => {
    cluster = newCluster({ rate: RATE });
    const services = [cluster.start('a')];
    await logged(services[0] as NodeProcess, 'service-running');
    services.push(cluster.start('b'));
    await logged(services[1] as NodeProcess, 'service-stands-by');
    await submitted(cluster, 'a');
    const watch = new OutputWatch(cluster);
    for (let round = 1; round <= 2; round += 1) {
      const leader = await leaderOf(services);
      await moreCheckpoints(leader);
      await server.kill();
      for (const service of services.splice(0)) await service.kill('SIGKILL');
      server = await startS3({ folder, port: server.port });
      services.push(cluster.start('a'), cluster.start('b'));
    }
    const leader = await leaderOf(services);
    await moreCheckpoints(leader);
    await watch.expectWhole('a');
    expect(leader.count('failure')).toBe(0);
    expect(await epochs()).toEqual({ lease: 3, heads: [3] });
  },
  TEST_MS,
);

/** The one of them that comes to lead. */
async function leaderOf(services: readonly NodeProcess[]): Promise<NodeProcess> {
  return until(() => services.find((service) => service.count('service-running') > 0));
}

/*
 * Goal: what this release has written about leaders and their jobs, every later one reads.
 * Method: golden files are read and written again.
 */
import fs from 'node:fs';
import { expect, it } from 'vitest';
import {
  encodeJobIndex,
  INDEX_PATH,
  readJobIndex,
  type JobIndex,
} from '../../src/cluster/dispatcher/job-index.ts';
import {
  encodeLease,
  LEASE_PATH,
  readLease,
  type Lease,
} from '../../src/cluster/leadership/lease.ts';
import { systemClock } from '../../src/common/clock.ts';
import { MemoryBlobStore } from '../../src/storage/memory-blob-store.ts';

const LEASE: Lease = {
  leaseId: '0123456789abcdef',
  epoch: 3,
  nonce: 'fedcba9876543210',
  state: 'held',
  durationMs: 3_000,
  holder: {
    owner: 'host:4711',
    pid: 4711,
    processStart: 'boot/123456',
    pidSpace: 'boot/pid:[4026531836]',
    folder: '/var/lib/tidemark/a',
    version: '0.1.0',
    address: 'http://127.0.0.1:8081',
  },
  atMs: 1_796_062_800_000,
};

const INDEX: JobIndex = {
  leader: { leaseId: '0123456789abcdef', epoch: 3 },
  nonce: '00112233445566aa',
  jobs: [
    {
      submissionId: 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa',
      files: '2-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa',
      started: { jobId: 'b'.repeat(32), jobName: 'orders', storageUrl: 'file:///srv/checkpoints' },
    },
    {
      submissionId: 'cccccccccccccccccccccccccccccccc',
      files: '3-cccccccccccccccccccccccccccccccc',
    },
  ],
  upgrades: [
    {
      upgradeId: 'dddddddddddddddddddddddddddddddd',
      files: '2-eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee',
      state: { kind: 'starting', savepointUrl: 'file:///srv/savepoints/savepoint-bbbbbb-1' },
    },
  ],
};

function golden(name: string): Buffer {
  return fs.readFileSync(new URL(name, import.meta.url));
}

it('the lease, format 1', async () => {
  const bytes = golden('lease-1');
  expect(Buffer.from(encodeLease(LEASE)).equals(bytes)).toBe(true);
  const store = new MemoryBlobStore(systemClock);
  await store.replaceIf(LEASE_PATH, bytes, undefined);
  expect((await readLease(store))?.lease).toEqual(LEASE);
});

it('the index of jobs, format 1', async () => {
  const bytes = golden('job-index-1');
  expect(Buffer.from(encodeJobIndex(INDEX)).equals(bytes)).toBe(true);
  const store = new MemoryBlobStore(systemClock);
  await store.replaceIf(INDEX_PATH, bytes, undefined);
  expect((await readJobIndex(store))?.index).toEqual(INDEX);
});

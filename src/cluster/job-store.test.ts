import { expect, it } from 'vitest';
import { acquireLeadership } from '../checkpoint/checkpoint-store.ts';
import { readNameRecord } from '../checkpoint/name-record.ts';
import { systemClock } from '../common/clock.ts';
import { nodeFileSystem } from '../common/node-file-system.ts';
import { systemRandom as random } from '../common/random.ts';
import { MemoryBlobStore } from '../storage/memory-blob-store.ts';
import { JobStore, openJob } from './job-store.ts';

async function opened() {
  const store = new MemoryBlobStore(systemClock);
  const options = {
    store,
    openStore: () => store,
    jobName: 'a',
    world: { clock: systemClock, random, fs: nodeFileSystem },
    from: { kind: 'resume' },
    savepointDirectory: undefined,
    owner: 'test',
    discards: () => true,
  } as const;
  const job = await openJob(options);
  const { jobId, epoch } = job.checkpoints;
  const { lineage } = job;
  const identity = { jobId, jobName: 'a', lineage, epoch, planHash: '', maxParallelism: 1 };
  return {
    store,
    jobId,
    lineage,
    job: new JobStore({ ...options, ...job, identity, vertices: [] }),
  };
}

const END = { ended: 'failed', savepointUrl: undefined, hasRun: true } as const;
const SCOPE = { pendingIds: new Set<number>(), nextId: 1, files: new Set<string>() };

it('writes down how a job has ended', async () => {
  const { store, job } = await opened();
  await job.end(END, SCOPE);
  expect((await readNameRecord(store, 'a'))?.record.state).toBe('failed');
});

// A leader that was replaced ended the job while its successor had HEAD, and had died before it had the
// name: the next one took the job for over.
it('does not end a job that another one leads, though that one has not taken the name yet', async () => {
  const { store, jobId, lineage, job } = await opened();
  await acquireLeadership({ store, jobId, lineage, owner: 'next', random });
  await expect(job.end(END, SCOPE)).rejects.toThrow('CHK-003');
  expect((await readNameRecord(store, 'a'))?.record.state).toBe('running');
});

import { expect, it } from 'vitest';
import { acquireLeadership } from '../checkpoint/checkpoint-store.ts';
import { readNameRecord } from '../checkpoint/name-record.ts';
import { systemClock } from '../common/clock.ts';
import { nodeFileSystem } from '../common/node-file-system.ts';
import { systemRandom as random } from '../common/random.ts';
import { MemoryBlobStore } from '../storage/memory-blob-store.ts';
import { JobStore, openJob } from './job-store.ts';

function optionsOf(store: MemoryBlobStore) {
  return {
    store,
    openStore: () => store,
    jobName: 'a',
    world: { clock: systemClock, random, fs: nodeFileSystem },
    from: { kind: 'resume' },
    savepointDirectory: undefined,
    owner: 'test',
    discards: () => true,
  } as const;
}

async function opened() {
  const store = new MemoryBlobStore(systemClock);
  const options = optionsOf(store);
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

// The leader before finished a job just when the next one had looked whether it was over, and it ran again.
it('goes on with the run that is meant, or with none', async () => {
  const { store, jobId, job } = await opened();
  const from = { kind: 'resume', jobId } as const;
  const next = await openJob({ ...optionsOf(store), from });
  expect(next.checkpoints).toMatchObject({ jobId, epoch: 2 });
  await expect(
    openJob({ ...optionsOf(store), from: { kind: 'resume', jobId: 'other' } }),
  ).rejects.toThrow('JOB-055');
  await expect(job.end(END, SCOPE)).rejects.toThrow('CHK-003');
  await new JobStore({
    ...optionsOf(store),
    ...next,
    identity: { ...job.identity, epoch: 2 },
    vertices: [],
  }).end(END, SCOPE);
  await expect(openJob({ ...optionsOf(store), from })).rejects.toThrow('JOB-055');
});

import { expect, it } from 'vitest';
import {
  JOB_ID,
  leadershipOptions,
  sweepAll,
  takeCheckpoint,
} from '../../test/support/checkpoint-life.ts';
import { acquireLeadership } from '../checkpoint/checkpoint-store.ts';
import { MemoryBlobStore } from '../storage/memory-blob-store.ts';
import { latestOfJob } from './stored-snapshot.ts';

/** A store that does something right before a blob is read for the first time. */
class EventfulStore extends MemoryBlobStore {
  readonly before = new Map<string, () => Promise<void>>();

  override async read(...args: Parameters<MemoryBlobStore['read']>) {
    const act = this.before.get(args[0]);
    this.before.delete(args[0]);
    await act?.();
    return super.read(...args);
  }
}

async function jobWithCheckpoint() {
  const store = new EventfulStore({ wallMs: () => 0 });
  const leader = await acquireLeadership(leadershipOptions(store, 1));
  const first = leader.firstId;
  const { runs } = await takeCheckpoint(leader, first, []);
  const look = () => latestOfJob(JOB_ID, store, () => store);
  return { store, leader, first, runs, look };
}

const folderOf = (checkpointId: number): string => `${JOB_ID}/chk-${checkpointId}`;

it('goes on to the next checkpoint of a job that has just removed this one', async () => {
  const { store, leader, first, runs, look } = await jobWithCheckpoint();
  expect((await look())?.found.folder).toBe(folderOf(first));
  store.before.set(`${folderOf(first)}/_metadata`, async () => {
    await takeCheckpoint(leader, first + 1, runs);
    await sweepAll(leader, first + 2);
  });
  expect((await look())?.found.folder).toBe(folderOf(first + 1));
});

it('says of a checkpoint that is missing, and is still the latest, that it is', async () => {
  const { store, first, look } = await jobWithCheckpoint();
  await store.delete([`${folderOf(first)}/_metadata`]);
  await expect(look()).rejects.toMatchObject({ code: 'CHK-006' });
});

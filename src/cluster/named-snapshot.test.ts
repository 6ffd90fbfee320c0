import { expect, it } from 'vitest';
import {
  leadershipOptions,
  metadataOf,
  takeCheckpoint,
} from '../../test/support/checkpoint-life.ts';
import { acquireLeadership } from '../checkpoint/checkpoint-store.ts';
import { claimName, endName } from '../checkpoint/name-record.ts';
import { systemRandom } from '../common/random.ts';
import { MemoryBlobStore } from '../storage/memory-blob-store.ts';
import { findNamed } from './named-snapshot.ts';

it('takes for the latest what the job was stopped with, wherever that is, while it is there', async () => {
  const store = new MemoryBlobStore({ wallMs: () => 0 }, 'own');
  const elsewhere = new MemoryBlobStore({ wallMs: () => 0 }, 'elsewhere');
  const leader = await acquireLeadership(leadershipOptions(store, 1));
  const { jobId, epoch, firstId } = leader;
  await takeCheckpoint(leader, firstId, []);
  const folder = 'savepoint-02423c-0a1b2c3d4e5f';
  const location = { storeUrl: elsewhere.url, folder };
  const savepoint = metadataOf(leader, firstId + 1, 'savepoint', [], undefined);
  await leader.storeMetadata(elsewhere, location, { ...savepoint, completedMs: 3 });
  const names = { store, random: systemRandom };
  const name = { jobName: 'wordcount', jobId, lineage: 'l1', epoch, atMs: 0 };
  await claimName(names, name, undefined);
  await endName(names, {
    ...name,
    state: 'stopped',
    savepointUrl: `${elsewhere.url}/${folder}`,
  });
  const options = {
    store,
    openStore: (url: string) => (url === store.url ? store : elsewhere),
    jobName: 'wordcount',
    savepointDirectory: undefined,
  };
  expect((await findNamed(options, 'latest')).location).toEqual(location);
  await elsewhere.delete([`${folder}/_metadata`]);
  const retained = { storeUrl: undefined, folder: `${jobId}/chk-${firstId}` };
  expect((await findNamed(options, 'latest')).location).toEqual(retained);
});

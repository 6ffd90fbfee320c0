/*
 * Goal: a job that is seen to be over keeps nobody from taking its name.
 * Method: the real Dispatcher over a folder, with the tasks of its jobs in this thread.
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { COUNTING_SETTINGS, countingJob } from '../../../test/support/counting-job.ts';
import { LocalCluster } from '../../../test/support/local-cluster.ts';
import { nextTurn, systemClock } from '../../common/clock.ts';

let folder: string;
let cluster: LocalCluster;

beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'tidemark-dispatcher-'));
  cluster = new LocalCluster(folder);
});

afterEach(async () => {
  await cluster.close();
  fs.rmSync(folder, { recursive: true });
});

const run = () => cluster.run(countingJob('counting'), COUNTING_SETTINGS);

// Once it was refused as long as the end of the first was being written down, by which time `list` showed it no more.
it('runs a job under the name of one whose end is not written down yet', async () => {
  const first = await run();
  await expect(run()).rejects.toMatchObject({ code: 'JOB-031' });
  first.cancel();
  while (first.status !== 'CANCELED') await nextTurn(systemClock);
  expect((await run()).status).toBe('RUNNING');
  expect(first.result?.status).toBe('CANCELED');
});

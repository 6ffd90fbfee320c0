import { expect, it } from 'vitest';
import { MemoryBlobStore } from '../storage/memory-blob-store.ts';
import { countingRandom } from '../../test/support/checkpoint-life.ts';
import type { Head } from './head.ts';
import { claimName, endName, readNameRecord, type NameRecord } from './name-record.ts';
import { resumeDecision, type ResumeInput } from './resume-decision.ts';

const RECORD: NameRecord = {
  jobName: 'wordcount',
  jobId: 'aa',
  lineage: 'l1',
  epoch: 3,
  state: 'running',
  atMs: 1,
  nonce: 'n',
};
const HEAD: Head = {
  jobId: 'aa',
  lineage: 'l1',
  epoch: 3,
  nonce: 'n',
  owner: 'o',
  idsThrough: 11,
  checkpoints: [
    {
      checkpointId: 7,
      kind: 'checkpoint',
      location: { storeUrl: undefined, folder: 'aa/chk-7' },
      url: 's3://b/aa/chk-7',
      metadataBytes: 1,
      metadataCrc32: 1,
      completedMs: 1,
    },
  ],
};
const INPUT: ResumeInput = {
  jobName: 'wordcount',
  storeUrl: 's3://b',
  record: RECORD,
  head: HEAD,
  options: { fresh: false, from: undefined },
};
const FROM = { url: 's3://b/savepoint-aa-1', lineage: 'l1', checkpointId: 5 };

// Complete by type: every way a job can have ended is decided here.
const KINDS: Record<NameRecord['state'], 'resume' | 'fresh'> = {
  running: 'resume',
  failed: 'resume',
  finished: 'fresh',
  canceled: 'fresh',
  stopped: 'fresh',
};

for (const state of Object.keys(KINDS) as NameRecord['state'][]) {
  it(`${state} → ${KINDS[state]}`, () => {
    const input = { ...INPUT, record: { ...RECORD, state } };
    const { kind, messages } = resumeDecision(input);
    expect(kind).toBe(KINDS[state]);
    if (kind === 'resume') expect(messages).toContain('Restoring job from latest checkpoint');
    else expect(messages.join('\n')).toContain('-s s3://b/aa/chk-7');
    const fresh = resumeDecision({ ...input, options: { fresh: true, from: undefined } });
    expect(fresh.kind).toBe('fresh');
    const named = resumeDecision({ ...input, options: { fresh: true, from: FROM } });
    expect(named).toMatchObject({
      kind: 'restore',
      from: FROM,
      lineage: state === 'running' ? undefined : 'l1',
    });
  });
}

it('says why it starts from the beginning', () => {
  expect(resumeDecision({ ...INPUT, record: undefined, head: undefined }).messages).toEqual([
    "No earlier run of 'wordcount' found in s3://b/by-name: starting fresh.",
  ]);
  expect(resumeDecision({ ...INPUT, head: { ...HEAD, checkpoints: [] } })).toMatchObject({
    kind: 'resume',
    latest: undefined,
    messages: [
      "The last run of 'wordcount' (job aa) did not end.",
      'It has no complete checkpoint: starting from the beginning.',
    ],
  });
});

it('points to the savepoint that the job was stopped with', () => {
  const savepointUrl = 's3://b/savepoint-aa-9';
  const record = { ...RECORD, state: 'stopped', savepointUrl } as const;
  const head = { ...HEAD, checkpoints: [] };
  expect(resumeDecision({ ...INPUT, record, head }).messages).toEqual([
    "The last run of 'wordcount' was stopped with a savepoint: starting fresh.",
    `Left aside: savepoint ${savepointUrl}. To restore it: -s ${savepointUrl}`,
  ]);
});

it('lets only the epoch that leads say how the job ended', async () => {
  const store = new MemoryBlobStore({ wallMs: () => 0 });
  const options = { store, random: countingRandom(1) };
  const { state: _state, nonce: _nonce, ...claim } = RECORD;
  const nonce = async () => (await readNameRecord(store, 'wordcount'))?.record.nonce;
  await claimName(options, claim, undefined);
  const first = await nonce();
  await claimName(options, { ...claim, epoch: 4 }, first);
  await endName(options, { ...claim, state: 'canceled' });
  // A process that decided before the second one came, and was frozen since.
  for (const decidedOn of [first, undefined]) {
    await expect(claimName(options, claim, decidedOn)).rejects.toMatchObject({ code: 'CHK-013' });
  }
  expect((await readNameRecord(store, 'wordcount'))?.record).toMatchObject({
    state: 'running',
    epoch: 4,
  });
  await endName(options, { ...claim, epoch: 4, state: 'finished', atMs: 9 });
  expect((await readNameRecord(store, 'wordcount'))?.record).toMatchObject({
    state: 'finished',
    atMs: 9,
  });
});

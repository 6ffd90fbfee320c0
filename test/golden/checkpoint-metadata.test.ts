import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { decodeHead, encodeHead, type Head } from '../../src/checkpoint/head.ts';
import { decodeMetadata, encodeMetadata } from '../../src/checkpoint/metadata.ts';
import { FULL_METADATA, FULL_SAVEPOINT } from '../support/full-metadata.ts';

// Goal: what a release has written, every later one reads, and the format does not change unseen.
// Method: compare with files that are never edited. A new format gets new files beside these.

const HEAD: Head = {
  jobId: FULL_METADATA.jobId,
  lineage: '7f3a',
  epoch: 3,
  nonce: '0123456789abcdef',
  owner: 'host-1/4711',
  idsThrough: 11,
  checkpoints: [
    {
      checkpointId: 7,
      kind: 'checkpoint',
      location: { storeUrl: undefined, folder: 'job/chk-7' },
      url: 'file:///data/job/chk-7',
      metadataBytes: 3000,
      metadataCrc32: 305419896,
      completedMs: 1_795_250_857_161,
    },
  ],
  ended: 'canceled',
};

const golden = (name: string) => readFile(new URL(name, import.meta.url));

it('metadata of a checkpoint, format 1', async () => {
  const bytes = await golden('checkpoint-metadata-1');
  expect(decodeMetadata(bytes, 'job/chk-7')).toEqual(FULL_METADATA);
  expect(Buffer.from(encodeMetadata(FULL_METADATA, 'job/chk-7')).equals(bytes)).toBe(true);
});

it('metadata of a savepoint, format 1', async () => {
  const bytes = await golden('savepoint-metadata-1');
  expect(decodeMetadata(bytes, 'job/chk-7')).toEqual(FULL_SAVEPOINT);
  expect(Buffer.from(encodeMetadata(FULL_SAVEPOINT, 'job/chk-7')).equals(bytes)).toBe(true);
});

it('HEAD, format 1', async () => {
  const bytes = await golden('head-1');
  expect(JSON.stringify(decodeHead(bytes, 'HEAD'))).toContain(JSON.stringify(HEAD).slice(1));
  expect(Buffer.from(encodeHead(HEAD)).equals(bytes)).toBe(true);
});

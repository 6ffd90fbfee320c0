/*
 * Goal: the S3 store keeps all promises of BlobStore on a real server.
 * Method: the suite of the contract, each test in a folder of its own of one bucket; clients share nothing but
 * the server. Then what only S3 has: parts, pages, batches, and errors of the set-up.
 */
import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import {
  CreateMultipartUploadCommand,
  GetObjectCommand,
  ListMultipartUploadsCommand,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeBucket, startS3, type S3Service } from '../../scripts/services/s3.ts';
import { SERVICE_SETUP_MS } from '../../scripts/services/service.ts';
import { systemClock } from '../../src/common/clock.ts';
import { systemRandom } from '../../src/common/random.ts';
import { S3BlobStore } from '../../src/storage/s3/s3-blob-store.ts';
import { S3Connection } from '../../src/storage/s3/s3-client.ts';
import type { S3Settings } from '../../src/storage/s3/s3-settings.ts';
import { blobStoreConformance } from '../conformance/blob-store.ts';
import { s3SettingsFor } from '../support/s3-settings.ts';

const BUCKET = 'blobs';
const world = { clock: systemClock, random: systemRandom };
let folder = '';
let server: S3Service;
let stores = 0;

beforeAll(async () => {
  folder = await fs.mkdtemp(path.join(os.tmpdir(), 'tidemark-s3-'));
  server = await startS3({ folder });
  await makeBucket(server, BUCKET);
}, SERVICE_SETUP_MS);

afterAll(async () => {
  await server.stop();
  await fs.rm(folder, { recursive: true });
});

function openAt(url: string, changed: Partial<S3Settings> = {}): S3BlobStore {
  return new S3BlobStore(new S3Connection(s3SettingsFor(server.endpoint, changed), world), url);
}

function freshUrl(): string {
  stores += 1;
  return `s3://${BUCKET}/store ${stores}/größe`;
}

blobStoreConformance('S3', {
  tellsCreated: true,
  run: async (test) => {
    const url = freshUrl();
    await test({ open: () => openAt(url) });
  },
});

describe('objects', () => {
  it('of create are the bytes and nothing else, those of replaceIf end with their number', async () => {
    const store = openAt(`s3a://${BUCKET}/plain/`);
    expect(store.url).toBe(`s3://${BUCKET}/plain`);
    await store.create('data', Buffer.from('the bytes'));
    await store.replaceIf('head', Buffer.from('a version'), undefined);
    expect(await objectAt('plain/data')).toBe('the bytes');
    expect(await objectAt('plain/head')).toMatch(
      /^a version +\ntidemark-replaceable-1 [0-9a-f]{32} 000000000009\n$/,
    );
  });

  it('of other programs and folder marks of consoles do not disturb', async () => {
    const store = openAt(`s3://${BUCKET}/foreign`);
    await putObject('foreign/folder/', '');
    await putObject('foreign/other', 'by hand');
    await putObject('foreign/full', 'x'.repeat(256));
    expect(await listed(store)).toEqual(['full 256', 'other 7']);
    expect(Buffer.from((await store.read('full'))?.bytes ?? '').toString()).toBe('x'.repeat(256));
    expect(await store.create('other', Buffer.from('x'))).toBe('taken');
  });

  it('that lost their metadata on the way of a copy are read as what they were', async () => {
    const store = openAt(`s3://${BUCKET}/copied`);
    await store.replaceIf('before', Buffer.from('a version'), undefined);
    await putObject('copied/after', await objectAt('copied/before'));
    const found = await store.read('after');
    expect(Buffer.from(found?.bytes ?? '').toString()).toBe('a version');
    expect(await listed(store)).toEqual(['after 9', 'before 9']);
    expect(await store.replaceIf('after', Buffer.from('next'), found?.etag)).not.toBe('changed');
  });
});

describe('large blobs', () => {
  const MIB = 2 ** 20;
  const large = Buffer.alloc(23 * MIB + 7);
  for (let at = 0; at < large.length; at += 4)
    large.writeUInt32LE((at * 2654435761) % 2 ** 32, at > large.length - 4 ? large.length - 4 : at);
  const parts = [
    large.subarray(0, 3 * MIB),
    large.subarray(3 * MIB, 20 * MIB),
    large.subarray(20 * MIB),
  ];

  it('go up and come down in parts', async () => {
    const store = openAt(freshUrl(), { s3PartSizeBytes: 5 * MIB });
    const etag = await store.create('large', parts);
    const found = await store.read('large');
    expect(Buffer.compare(found?.bytes ?? Buffer.of(), large)).toBe(0);
    expect(found?.etag).toBe(etag);
    const range = { offset: 4 * MIB + 1, length: 11 * MIB };
    const part = await store.read('large', range);
    const expected = large.subarray(range.offset, range.offset + range.length);
    expect(Buffer.compare(part?.bytes ?? Buffer.of(), expected)).toBe(0);
    expect(await store.create('large', parts)).toBe('taken');
    expect(await uploads()).toEqual([]);
  });

  it('race for a name: one of them gets it, and nothing is left of the others', async () => {
    const url = freshUrl();
    const results = await Promise.all(
      [1, 2, 3].map(() => openAt(url, { s3PartSizeBytes: 5 * MIB }).create('race', parts)),
    );
    expect(results.filter((result) => result === 'taken')).toHaveLength(2);
    expect(await uploads()).toEqual([]);
  });

  it('take away what dead processes have left, a day later, also those of a process that goes on', async () => {
    const url = freshUrl();
    const folder = url.slice(`s3://${BUCKET}/`.length);
    const dies = async (key: string): Promise<void> => {
      await client().send(new CreateMultipartUploadCommand({ Bucket: BUCKET, Key: key }));
    };
    await dies(`${folder}/dead`);
    await dies('not/ours');
    let passedMs = 0;
    const clock = {
      ...systemClock,
      wallMs: () => systemClock.wallMs() + passedMs,
      monotonicMs: () => systemClock.monotonicMs() + passedMs,
    };
    const settings = s3SettingsFor(server.endpoint, { s3PartSizeBytes: 5 * MIB });
    const store = new S3BlobStore(new S3Connection(settings, { ...world, clock }), url);
    await store.create('one', parts);
    expect(await uploads()).toEqual(['not/ours', `${folder}/dead`]);
    passedMs = 25 * 60 * 60 * 1000;
    // By this clock the upload beside the sweep is a day old as well, and is left alone.
    await store.create('two', parts);
    await expect.poll(uploads, { timeout: 120_000 }).toEqual(['not/ours']);
    // An upload of today stays; tomorrow it goes. What is another's always stays.
    await dies(`${folder}/dead-too`);
    await store.create('three', parts);
    passedMs *= 2;
    expect(await uploads()).toEqual(['not/ours', `${folder}/dead-too`]);
    await store.create('four', parts);
    await expect.poll(uploads, { timeout: 120_000 }).toEqual(['not/ours']);
  });
});

describe('many blobs', () => {
  it('are listed over pages, in order, and deleted in batches', async () => {
    const store = openAt(freshUrl());
    const paths = Array.from({ length: 2_345 }, (_, i) => `many/${(i * 7919) % 2_345}`);
    let next = 0;
    const writer = async (): Promise<void> => {
      for (let path = paths[next++]; path !== undefined; path = paths[next++]) {
        await store.create(path, Buffer.from(path));
      }
    };
    await Promise.all(Array.from({ length: 16 }, writer));
    const found = await listed(store);
    expect(found).toHaveLength(paths.length);
    expect(found).toEqual(
      [...found].sort((a, b) =>
        Buffer.compare(Buffer.from(a.split(' ')[0] ?? ''), Buffer.from(b.split(' ')[0] ?? '')),
      ),
    );
    await store.delete([...paths, 'many/none']);
    expect(await listed(store)).toEqual([]);
  });
});

describe('a set-up that is wrong is told what it is', () => {
  const quick = { s3RetryTimeoutMs: 300 };
  const cases: readonly [string, string, Partial<S3Settings>, string][] = [
    ['an unknown key', `s3://${BUCKET}/x`, { s3AccessKey: 'who' }, 'STO-020'],
    ['a wrong secret', `s3://${BUCKET}/x`, { s3SecretKey: 'what' }, 'STO-020'],
    ['no bucket', 's3://nowhere/x', {}, 'STO-021'],
    ['another region', `s3://${BUCKET}/x`, { s3Region: 'eu-west-1' }, 'STO-022'],
    ['nobody listens', `s3://${BUCKET}/x`, { s3Endpoint: 'http://127.0.0.1:1' }, 'STO-001'],
    ['TLS where there is none', `s3://${BUCKET}/x`, { s3Endpoint: 'https://127.0.0.1' }, 'STO-001'],
  ];
  for (const [title, url, changed, code] of cases) {
    it(title, async () => {
      const port = title.startsWith('TLS') ? `:${server.port}` : '';
      const endpoint = changed.s3Endpoint && { s3Endpoint: `${changed.s3Endpoint}${port}` };
      const store = openAt(url, { ...quick, ...changed, ...endpoint });
      await expect(store.read('a')).rejects.toMatchObject({ code });
      await expect(listed(store)).rejects.toMatchObject({ code });
      await expect(store.create('a', Buffer.from('x'))).rejects.toMatchObject({
        code: title.startsWith('TLS') ? expect.stringMatching(/STO-00[16]/) : 'STO-006',
      });
      await expect(store.replaceIf('a', Buffer.from('x'), undefined)).rejects.toMatchObject({
        kind: 'unavailable',
      });
    });
  }

  it('the region that is right', async () => {
    const store = openAt(`s3://${BUCKET}/x`, { s3Region: 'eu-west-1' });
    await expect(store.read('a')).rejects.toThrow(/s3.endpoint.region=us-east-1/);
  });

  it('a file of certificates that is none', async () => {
    const store = openAt(`s3://${BUCKET}/x`, { s3CaFile: path.join(folder, 'none.pem') });
    await expect(store.read('a')).rejects.toMatchObject({ code: 'STO-025', kind: 'invalid' });
  });

  it('a folder where a blob is', async () => {
    const store = openAt(freshUrl());
    await store.create('a', Buffer.from('x'));
    await expect(store.create('a/b', Buffer.from('x'))).rejects.toMatchObject({ code: 'STO-003' });
  });
});

it('all that was reported is there after the server was killed', async () => {
  const url = freshUrl();
  const store = openAt(url);
  await store.create('one', Buffer.from('1'));
  const first = await store.replaceIf('head', Buffer.from('old'), undefined);
  if (first === 'changed') expect.fail('it was free');
  const second = await store.replaceIf('head', Buffer.from('new'), first);
  await server.kill();
  server = await startS3({ folder, port: server.port });
  expect((await store.read('head'))?.etag).toBe(second);
  expect(await listed(store)).toEqual(['head 3', 'one 1']);
});

function client(): S3Client {
  return new S3Client({
    endpoint: server.endpoint,
    region: server.region,
    forcePathStyle: true,
    credentials: { accessKeyId: server.accessKey, secretAccessKey: server.secretKey },
  });
}

async function objectAt(key: string): Promise<string> {
  const { Body } = await client().send(new GetObjectCommand({ Bucket: BUCKET, Key: key }));
  return (await Body?.transformToString()) ?? '';
}

async function putObject(key: string, body: string): Promise<void> {
  await client().send(new PutObjectCommand({ Bucket: BUCKET, Key: key, Body: Buffer.from(body) }));
}

async function uploads(): Promise<string[]> {
  const { Uploads = [] } = await client().send(new ListMultipartUploadsCommand({ Bucket: BUCKET }));
  return Uploads.map(({ Key = '' }) => Key).sort();
}

async function listed(store: S3BlobStore): Promise<string[]> {
  const entries: string[] = [];
  for await (const { path: name, sizeBytes } of store.list(''))
    entries.push(`${name} ${sizeBytes}`);
  return entries;
}

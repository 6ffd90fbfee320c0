/*
 * Goal: whatever happens to a request, the S3 store says of a write what is true: done, refused by another, or
 * unknown. `STO-006`, "it took no effect and never will", stands only where that is certain.
 * Method: a proxy in front of the real server loses answers, repeats, holds, breaks and refuses. What the store
 * said is compared with what a client without the proxy sees.
 */
import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { makeBucket, startS3, type S3Service } from '../../scripts/services/s3.ts';
import { SERVICE_SETUP_MS } from '../../scripts/services/service.ts';
import { systemClock } from '../../src/common/clock.ts';
import { systemRandom } from '../../src/common/random.ts';
import type { BlobStore, Etag } from '../../src/storage/blob-store.ts';
import { S3BlobStore } from '../../src/storage/s3/s3-blob-store.ts';
import { S3Connection } from '../../src/storage/s3/s3-client.ts';
import type { S3Settings } from '../../src/storage/s3/s3-settings.ts';
import { S3Proxy, type Fault, type SeenRequest } from '../support/s3-proxy.ts';
import { s3SettingsFor } from '../support/s3-settings.ts';

const BUCKET = 'faults';
const MIB = 2 ** 20;
/** No request is to be repeated because the machine is slow. */
const PATIENT = { s3RequestTimeoutMs: 120_000 };
let folder = '';
let server: S3Service;
let proxy: S3Proxy;
let address = '';
let stores = 0;
/** Through the proxy. */
let store: BlobStore;
/** What is really there. */
let truth: BlobStore;

beforeAll(async () => {
  folder = await fs.mkdtemp(path.join(os.tmpdir(), 'tidemark-s3-'));
  server = await startS3({ folder });
  await makeBucket(server, BUCKET);
}, SERVICE_SETUP_MS);

afterAll(async () => {
  await server.stop();
  await fs.rm(folder, { recursive: true });
});

beforeEach(async () => {
  proxy = new S3Proxy(server.endpoint);
  address = await proxy.start();
  stores += 1;
  store = open(address, {});
  truth = open(server.endpoint, {});
});

afterEach(() => proxy.stop());

function open(endpoint: string, changed: Partial<S3Settings>): S3BlobStore {
  // So quick that a test need not wait long for no answer, and so patient that a slow one is an answer.
  const quick = { s3RequestTimeoutMs: 1_500, s3RetryTimeoutMs: 60_000, s3PartSizeBytes: 5 * MIB };
  const settings = s3SettingsFor(endpoint, { ...quick, ...changed });
  const connection = new S3Connection(settings, { clock: systemClock, random: systemRandom });
  return new S3BlobStore(connection, `s3://${BUCKET}/${stores}`);
}

const isPut = ({ method }: SeenRequest): boolean => method === 'PUT';
const isGet = ({ method }: SeenRequest): boolean => method === 'GET';
const isComplete = ({ method, url }: SeenRequest): boolean =>
  method === 'POST' && url.includes('uploadId=');
const lose: Fault = { kind: 'lose-answer' };
const hang: Fault = { kind: 'hang' };
const busy: Fault = { kind: 'answer', status: 503, code: 'SlowDown' };

/** After each of them a try may have taken effect; the next one goes through. */
const DOUBTFUL: readonly (readonly [string, Fault])[] = [
  ['the answer is lost', lose],
  ['the answer is a 504 of a load balancer', { kind: 'garble-answer', status: 504 }],
  ['the answer is a page with 200', { kind: 'garble-answer', status: 200 }],
  ['the connection breaks', { kind: 'reset' }],
  ['nobody answers', hang],
  ['503 SlowDown', busy],
  ['500 InternalError', { kind: 'answer', status: 500, code: 'InternalError' }],
  ['400 RequestTimeout', { kind: 'answer', status: 400, code: 'RequestTimeout' }],
  [
    '409 ConditionalRequestConflict',
    { kind: 'answer', status: 409, code: 'ConditionalRequestConflict' },
  ],
  ['a load balancer sends it twice', { kind: 'repeat' }],
];

describe('create', () => {
  for (const [title, fault] of DOUBTFUL) {
    it(`succeeds when ${title}`, async () => {
      proxy.plan(isPut, fault);
      const etag = await store.create('a', bytes('one'));
      expect((await truth.read('a'))?.etag).toBe(etag);
      expect(await text(truth, 'a')).toBe('one');
    });

    it(`of a large blob succeeds when ${title}`, async () => {
      const large = Buffer.alloc(11 * MIB, 7);
      proxy.plan(isComplete, fault);
      const etag = await store.create('a', large);
      const found = await truth.read('a');
      expect(found?.etag).toBe(etag);
      expect(Buffer.compare(found?.bytes ?? Buffer.of(), large)).toBe(0);
    });
  }

  it('of a taken name says so, also behind a 503', async () => {
    await truth.create('a', bytes('other'));
    expect(await store.create('a', bytes('one'))).toBe('taken');
    proxy.plan(isPut, { kind: 'answer', status: 409, code: 'ConditionalRequestConflict' });
    expect(await store.create('a', bytes('one'))).toBe('taken');
    expect(await text(truth, 'a')).toBe('other');
  });

  it('is in doubt if its answer was lost and another blob is there by now', async () => {
    const afterFirst = async (): Promise<void> => {
      await truth.delete(['a']);
      await truth.create('a', bytes('other'));
    };
    meanwhile(lose, afterFirst);
    await expect(store.create('a', bytes('one'))).rejects.toMatchObject({ code: 'STO-001' });
    expect(await text(truth, 'a')).toBe('other');
  });

  it('retries a part that fails', async () => {
    proxy.plan(({ url }) => url.includes('partNumber=2'), lose, busy, { kind: 'reset' });
    const large = Buffer.alloc(11 * MIB, 3);
    await store.create('a', large);
    expect((await truth.read('a'))?.bytes.length).toBe(large.length);
  });
});

describe('replaceIf', () => {
  for (const [title, fault] of DOUBTFUL) {
    it(`succeeds when ${title}`, async () => {
      const first = await made('one');
      proxy.plan(isPut, fault);
      const second = await store.replaceIf('head', bytes('two'), first);
      expect((await truth.read('head'))?.etag).toBe(second);
      expect(await text(truth, 'head')).toBe('two');
    });

    it(`makes a first version when ${title}`, async () => {
      proxy.plan(isPut, fault);
      const etag = await store.replaceIf('head', bytes('one'), undefined);
      expect((await truth.read('head'))?.etag).toBe(etag);
    });
  }

  it('is in doubt if its answer was lost and another version came after', async () => {
    const first = await made('one');
    meanwhile(lose, async () => {
      const ours = await truth.read('head');
      await truth.replaceIf('head', bytes('three'), ours?.etag);
    });
    await expect(store.replaceIf('head', bytes('two'), first)).rejects.toMatchObject({
      code: 'STO-001',
    });
    expect(await text(truth, 'head')).toBe('three');
  });

  it('is in doubt if its answer was lost and the blob was deleted after', async () => {
    const first = await made('one');
    meanwhile(lose, () => truth.delete(['head']));
    await expect(store.replaceIf('head', bytes('two'), first)).rejects.toMatchObject({
      code: 'STO-001',
    });
  });

  it('does not take an equal content for its own version', async () => {
    const first = await made('one');
    await truth.replaceIf('head', bytes('two'), first);
    expect(await store.replaceIf('head', bytes('two'), first)).toBe('changed');
  });

  it('that arrives late, after the version has gone on, does nothing', async () => {
    const first = await made('one');
    proxy.plan(isPut, { kind: 'hold' });
    const second = await store.replaceIf('head', bytes('two'), first);
    if (second === 'changed') expect.fail('nobody else writes');
    const third = await store.replaceIf('head', bytes('one'), second);
    await proxy.release();
    expect((await truth.read('head'))?.etag).toBe(third);
  });
});

describe('STO-006', () => {
  it('stands where the server was never asked', async () => {
    await proxy.stop();
    const short = open(address, { s3RetryTimeoutMs: 300 });
    await expect(short.create('a', bytes('x'))).rejects.toMatchObject({ code: 'STO-006' });
    proxy = new S3Proxy(server.endpoint);
  });

  it('stands where the server refused', async () => {
    proxy.rule = () => ({ kind: 'answer', status: 403, code: 'AccessDenied' });
    await expect(store.create('a', bytes('x'))).rejects.toMatchObject({
      code: 'STO-006',
      details: { problem: 'AccessDenied', status: 403 },
    });
  });

  it('stands for parts that nobody can see', async () => {
    const short = open(address, { ...PATIENT, s3RetryTimeoutMs: 300 });
    proxy.rule = ({ url }) => (url.includes('partNumber') ? busy : { kind: 'pass' });
    const large = Buffer.alloc(6 * MIB);
    await expect(short.create('a', large)).rejects.toMatchObject({ code: 'STO-006' });
    expect(await truth.read('a')).toBeUndefined();
  });

  for (const fault of [lose, hang, busy, { kind: 'reset' }, { kind: 'hold' }] as const) {
    it(`does not stand behind ${fault.kind}`, async () => {
      const isAnswered = fault.kind !== 'hang' && fault.kind !== 'hold';
      const short = open(address, { ...(isAnswered && PATIENT), s3RetryTimeoutMs: 500 });
      const first = await made('one');
      proxy.rule = (request) => (isPut(request) ? fault : { kind: 'pass' });
      await expect(short.replaceIf('head', bytes('two'), first)).rejects.toMatchObject({
        code: 'STO-001',
      });
      await expect(short.create('a', bytes('x'))).rejects.toMatchObject({ code: 'STO-001' });
    });
  }

  it('does not stand where one try had no answer and the next was refused', async () => {
    proxy.plan(isPut, lose, { kind: 'answer', status: 403, code: 'AccessDenied' });
    await expect(store.create('a', bytes('x'))).rejects.toMatchObject({ code: 'STO-001' });
    expect(await text(truth, 'a')).toBe('x');
  });

  it('does not stand where it cannot be looked who was first', async () => {
    const first = await made('one');
    proxy.rule = (request) =>
      isPut(request) ? { kind: 'repeat' } : { kind: 'answer', status: 403, code: 'AccessDenied' };
    await expect(store.replaceIf('head', bytes('two'), first)).rejects.toMatchObject({
      code: 'STO-001',
    });
    expect(await text(truth, 'head')).toBe('two');
  });
});

describe('reads', () => {
  for (const [title, fault] of [
    ...DOUBTFUL.filter(([each]) => !each.includes('Conflict')),
    ['its body stops half way', { kind: 'stall-body' }],
  ] as readonly (readonly [string, Fault])[]) {
    it(`succeed when ${title}`, async () => {
      const large = Buffer.alloc(6 * MIB, 5);
      await truth.create('a', large);
      proxy.plan(isGet, fault, fault);
      const found = await store.read('a');
      expect(Buffer.compare(found?.bytes ?? Buffer.of(), large)).toBe(0);
    });
  }

  it('never mix two versions', async () => {
    const [one, two] = [Buffer.alloc(12 * MIB, 1), Buffer.alloc(12 * MIB, 2)];
    await truth.create('a', one);
    let gets = 0;
    let swapped: Promise<unknown> | undefined;
    proxy.before = async (request) => {
      if (isGet(request)) gets += 1;
      // Behind the first part.
      if (gets > 1) await (swapped ??= truth.delete(['a']).then(() => truth.create('a', two)));
    };
    const found = await store.read('a');
    expect(Buffer.compare(found?.bytes ?? Buffer.of(), two)).toBe(0);
  });

  it('end in the time that the settings give, whatever the server does', async () => {
    const short = open(address, { s3RequestTimeoutMs: 200, s3RetryTimeoutMs: 600 });
    proxy.rule = () => hang;
    const startMs = systemClock.monotonicMs();
    await expect(short.read('a')).rejects.toMatchObject({ code: 'STO-001', kind: 'unavailable' });
    await expect(list(short)).rejects.toMatchObject({ code: 'STO-001' });
    await expect(short.delete(['a'])).rejects.toMatchObject({ code: 'STO-001' });
    // Three operations, each of the time of the retries and of one try. With the defaults one alone would take longer.
    expect(systemClock.monotonicMs() - startMs).toBeLessThan(60_000);
  });
});

describe('delete', () => {
  it('looks at each name of the answer', async () => {
    await truth.create('a', bytes('x'));
    await truth.create('b', bytes('x'));
    proxy.plan(({ url }) => url.includes('delete'), partly(`${stores}/a`, 'InternalError'));
    await store.delete(['a', 'b']);
    // The server never saw the first request: what that answer passed over was taken for deleted.
    expect(await list(truth)).toEqual(['b']);
    proxy.rule = ({ url }) =>
      url.includes('delete') ? partly(`${stores}/a`, 'AccessDenied') : { kind: 'pass' };
    await expect(store.delete(['a', 'b'])).rejects.toMatchObject({ code: 'STO-001' });
  });
});

describe('many names', () => {
  it('are deleted a thousand at a time, as many as a request may have', async () => {
    const names = Array.from({ length: 1_001 }, (_, index) => `many/${index}`);
    await truth.create('many/1000', bytes('x'));
    await open(address, PATIENT).delete(names);
    expect(proxy.seen.filter(({ url }) => url.includes('delete'))).toHaveLength(2);
    expect(await list(truth)).toEqual([]);
  });

  it('are read from a listing that encodes them, as not every server does', async () => {
    const listed = ['größe+und mehr', 'a%20b', '\u0001'];
    const contents = listed.map((name) => {
      const key = encodeURIComponent(`${stores}/${name}`).replaceAll('%20', '+');
      return `<Contents><Key>${key}</Key><Size>1</Size></Contents>`;
    });
    const body = `<ListBucketResult><EncodingType>url</EncodingType>${contents.join('')}</ListBucketResult>`;
    proxy.plan(({ url }) => url.includes('list-type'), { kind: 'say', status: 200, body });
    expect(await list(open(address, PATIENT))).toEqual(listed);
    expect(proxy.seen.at(-1)?.url).toContain('encoding-type=url');
  });
});

describe('a server that knows no conditions', () => {
  for (const header of ['if-match', 'if-none-match'] as const) {
    it(`is refused before it can do harm: ${header}`, async () => {
      proxy.rule = () => ({ kind: 'ignore', header });
      await expect(store.replaceIf('head', bytes('one'), undefined)).rejects.toMatchObject({
        code: 'STO-024',
        kind: 'invalid',
      });
    });
  }

  it('is looked for once', async () => {
    const patient = open(address, PATIENT);
    const first = await patient.replaceIf('head', bytes('one'), undefined);
    if (first === 'changed') expect.fail('it was free');
    expect(proxy.seen.filter(isPut)).toHaveLength(3);
    await patient.replaceIf('head', bytes('two'), first);
    expect(proxy.seen.filter(isPut)).toHaveLength(4);
  });
});

/** The first write of an object meets the fault; then the others act; then everything passes. */
function meanwhile(fault: Fault, others: () => Promise<unknown>): void {
  let puts = 0;
  let acted: Promise<unknown> | undefined;
  proxy.rule = (request) => {
    if (!isPut(request)) return { kind: 'pass' };
    puts += 1;
    return puts === 1 ? fault : { kind: 'pass' };
  };
  proxy.before = async (request) => {
    if (isPut(request) && puts === 1) await (acted ??= others());
  };
}

/** An answer to a delete that failed for one name. */
function partly(key: string, code: string): Fault {
  const body = `<DeleteResult><Error><Key>${key}</Key><Code>${code}</Code><Message>planned</Message></Error></DeleteResult>`;
  return { kind: 'say', status: 200, body };
}

async function made(content: string): Promise<Etag> {
  const etag = await truth.replaceIf('head', bytes(content), undefined);
  if (etag === 'changed') expect.fail('it was free');
  return etag;
}

function bytes(content: string): Uint8Array {
  return Buffer.from(content);
}

async function text(from: BlobStore, name: string): Promise<string> {
  return Buffer.from((await from.read(name))?.bytes ?? 'nothing').toString();
}

async function list(from: BlobStore): Promise<string[]> {
  const paths: string[] = [];
  for await (const entry of from.list('')) paths.push(entry.path);
  return paths;
}

/*
 * Goal: tables in a bucket are as right as those in a folder: each checkpoint is there once, whoever races and
 * whatever answers are lost, and others read them.
 * Method: the sink against a real S3 server, with a proxy in front of it that loses answers. What a REST catalog
 * would say of a table in a bucket is said by a few lines here: the writer's files are looked at, no commit.
 */
import fs from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { GetObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { makeBucket, startS3, type S3Service } from '../../scripts/services/s3.ts';
import { SERVICE_SETUP_MS } from '../../scripts/services/service.ts';
import { systemClock } from '../../src/common/clock.ts';
import { nodeFileSystem } from '../../src/common/node-file-system.ts';
import { systemRandom } from '../../src/common/random.ts';
import {
  hadoop,
  icebergSchema,
  icebergSink,
  rest,
  t,
  type IcebergCatalog,
  type PendingManifest,
} from '../../src/connectors/iceberg/index.ts';
import { printJson } from '../../src/connectors/iceberg/lossless-json.ts';
import { listSnapshots, removeOrphans } from '../../src/connectors/iceberg/table-operations.ts';
import { tableName } from '../../src/connectors/iceberg/table-name.ts';
import type { Stamped } from '../../src/contracts/sink.ts';
import { defaultSettings } from '../../src/settings/parse-settings.ts';
import { withCurrent } from '../../src/settings/process-settings.ts';
import { ICEBERG_PACKAGES, pythonWith, run } from '../support/python.ts';
import { S3Proxy, type SeenRequest } from '../support/s3-proxy.ts';

const world = { fs: nodeFileSystem, clock: systemClock, random: systemRandom };
const TABLE = 'db.readings';
const BUCKET = 'lake';

let python: string;
let root: string;
let server: S3Service;
let proxy: S3Proxy;
let proxied: string;

beforeAll(async () => {
  python = pythonWith(ICEBERG_PACKAGES);
  root = fs.mkdtempSync(path.join(os.tmpdir(), 'tidemark-iceberg-s3-'));
  server = await startS3({ folder: root });
  await makeBucket(server, BUCKET);
  proxy = new S3Proxy(server.endpoint);
  proxied = await proxy.start();
}, SERVICE_SETUP_MS);

afterAll(async () => {
  vi.unstubAllEnvs();
  await proxy.stop();
  await server.stop();
  fs.rmSync(root, { recursive: true });
});

const schema = icebergSchema({ id: t.long() });

const accessAt = (endpoint: string) => ({
  endpoint,
  accessKey: server.accessKey,
  secretKey: server.secretKey,
  pathStyleAccess: true,
});

function lake(folder: string, { endpoint = server.endpoint, scheme = 's3' } = {}): IcebergCatalog {
  return hadoop({ warehouse: `${scheme}://${BUCKET}/${folder}`, s3: accessAt(endpoint) });
}

interface Writing {
  readonly catalog: IcebergCatalog;
  readonly uid?: string;
}

const sinkOf = ({ catalog }: Writing) =>
  icebergSink({ catalog, table: TABLE, schema, toRow: (id: number) => ({ id }) });

async function written(
  writing: Writing,
  checkpointId: number,
  ids: readonly number[],
): Promise<Stamped<PendingManifest>[]> {
  const { uid = 'readings' } = writing;
  const writerId = `cafe-${checkpointId}-${ids[0] ?? 0}`;
  const context = { world, uid, subtask: 0, parallelism: 1, writerId };
  const writer = sinkOf(writing).writer(context);
  await writer.open?.();
  for (const id of ids) await writer.write(id, undefined);
  const pending = await writer.prepareCommit(checkpointId, 'checkpoint');
  await writer.close();
  return pending.map((committable) => ({ checkpointId, subtask: 0, committable }));
}

async function commit(writing: Writing, pending: readonly Stamped<PendingManifest>[]) {
  const { uid = 'readings' } = writing;
  const context = { world, uid, lineage: 'cafe', isLeftover: () => false };
  return sinkOf(writing).committer?.(context).commit(pending);
}

interface ReadByOthers {
  readonly rows: readonly { readonly id: number }[];
  readonly duckdb: readonly { readonly id: number }[];
  readonly snapshots: readonly unknown[];
}

async function readByOthers(folder: string): Promise<ReadByOthers> {
  vi.stubEnv('TEST_S3_ENDPOINT', server.endpoint);
  vi.stubEnv('TEST_S3_ACCESS_KEY', server.accessKey);
  vi.stubEnv('TEST_S3_SECRET_KEY', server.secretKey);
  const location = `s3://${BUCKET}/${folder}/db/readings`;
  const hint = await textOf(`${folder}/db/readings/metadata/version-hint.text`);
  const metadata = `${location}/metadata/v${hint}.metadata.json`;
  const args = ['test/reference/iceberg_rows.py', 'read', 'hadoop', location, metadata];
  return JSON.parse(run(python, args)) as ReadByOthers;
}

/** As any other program reads it. */
async function textOf(key: string): Promise<string> {
  const client = new S3Client({
    endpoint: server.endpoint,
    region: server.region,
    forcePathStyle: true,
    credentials: { accessKeyId: server.accessKey, secretAccessKey: server.secretKey },
  });
  const { Body } = await client.send(new GetObjectCommand({ Bucket: BUCKET, Key: key }));
  return (await Body?.transformToString()) ?? '';
}

const idsOf = (rows: readonly { readonly id: number }[]) =>
  rows.map(({ id }) => id).sort((a, b) => a - b);

const range = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, index) => from + index);

const isPutOf = (name: RegExp) => (request: SeenRequest) =>
  request.method === 'PUT' && name.test(request.url);

describe('a bucket as a catalog', () => {
  it('holds each checkpoint once, and PyIceberg and DuckDB read it', async () => {
    const writing = { catalog: lake('once') };
    for (const checkpoint of [1, 2]) {
      const ids = range(10 * checkpoint, 10 * checkpoint + 10);
      const pending = await written(writing, checkpoint, ids);
      expect(await commit(writing, pending)).toEqual(['done']);
      expect(await commit(writing, pending)).toEqual(['already']);
    }
    const { rows, duckdb, snapshots } = await readByOthers('once');
    expect(idsOf(rows)).toEqual(range(10, 30));
    expect(idsOf(duckdb)).toEqual(range(10, 30));
    expect(snapshots).toHaveLength(2);
  });

  it('takes the commits of 8 that race, each once', async () => {
    const writers = range(0, 8).map((n) => ({ catalog: lake('race'), uid: `writer-${n}` }));
    const pending: Stamped<PendingManifest>[][] = [];
    for (const [n, writing] of writers.entries()) pending.push(await written(writing, 1, [n]));
    const outcomes = await Promise.all(
      writers.map((writing, n) => commit(writing, pending[n] ?? [])),
    );
    expect(outcomes).toEqual(writers.map(() => ['done']));
    const { rows, snapshots } = await readByOthers('race');
    expect(idsOf(rows)).toEqual(range(0, 8));
    expect(snapshots).toHaveLength(8);
  });

  it.each([
    ['of a version', /v2\.metadata\.json/],
    ['of a data file', /\.parquet/],
    ['of a manifest', /-m0\.avro/],
    ['of the hint', /version-hint\.text/],
  ])('knows its own success when the answer %s is lost', async (what, name) => {
    const writing = { catalog: lake(`lost-${what.replaceAll(' ', '-')}`, { endpoint: proxied }) };
    proxy.seen.length = 0;
    proxy.plan(isPutOf(name), { kind: 'lose-answer' }, { kind: 'pass' });
    expect(await commit(writing, await written(writing, 1, [1, 2]))).toEqual(['done']);
    proxy.rule = () => ({ kind: 'pass' });
    expect(proxy.seen.filter(isPutOf(name)).length).toBeGreaterThan(1);
    expect(proxy.seen.some(isPutOf(/v3\.metadata\.json/))).toBe(false);
    expect(await listSnapshots({ catalog: writing.catalog, table: TABLE }, world)).toHaveLength(1);
  });

  it('finds the newest version behind an old hint', async () => {
    const writing = { catalog: lake('hint', { endpoint: proxied }) };
    await commit(writing, await written(writing, 1, [1]));
    proxy.rule = (request) =>
      isPutOf(/version-hint/)(request)
        ? { kind: 'answer', status: 403, code: 'AccessDenied' }
        : { kind: 'pass' };
    await commit(writing, await written(writing, 2, [2]));
    proxy.rule = () => ({ kind: 'pass' });
    expect(await textOf('hint/db/readings/metadata/version-hint.text')).toBe('2');
    expect(await listSnapshots({ catalog: writing.catalog, table: TABLE }, world)).toHaveLength(2);
  });

  it('refuses a store that does not keep conditions', async () => {
    const other = new S3Proxy(server.endpoint);
    const endpoint = await other.start();
    try {
      other.rule = () => ({ kind: 'ignore', header: 'if-none-match' });
      const writing = { catalog: lake('careless', { endpoint }) };
      await expect(written(writing, 1, [1])).rejects.toMatchObject({ code: 'STO-024' });
    } finally {
      await other.stop();
    }
  });

  it.each([
    ['s3a', 's3'],
    ['s3', 's3a'],
  ])('keeps what a table of %s needs when orphans are removed by %s', async (scheme, other) => {
    const folder = `orphans-${scheme}`;
    const writing = { catalog: lake(folder, { scheme }) };
    await commit(writing, await written(writing, 1, [1]));
    await written(writing, 2, [2]);
    const metadata = await textOf(`${folder}/db/readings/metadata/v2.metadata.json`);
    expect(metadata).toContain(`"${scheme}://${BUCKET}/${folder}/db/readings"`);
    const reference = { catalog: lake(folder, { scheme: other }), table: TABLE };
    const gone = await removeOrphans(reference, world, { olderThanMs: -60_000 });
    expect(gone.map((location) => path.extname(location)).sort()).toEqual(['.avro', '.parquet']);
    expect(idsOf((await readByOthers(folder)).rows)).toEqual([1]);
  });

  it('is reached as the settings of the job say', async () => {
    const flink = {
      ...defaultSettings(),
      s3Endpoint: server.endpoint,
      s3AccessKey: server.accessKey,
      s3SecretKey: server.secretKey,
      s3PathStyleAccess: true,
    };
    const catalog = withCurrent(flink, () => hadoop({ warehouse: `s3://${BUCKET}/settings` }));
    expect(await commit({ catalog }, await written({ catalog }, 1, [1]))).toEqual(['done']);
    expect(JSON.stringify(catalog)).not.toContain(server.secretKey);
  });
});

describe('a REST catalog', () => {
  it('may have its tables in a bucket', async () => {
    const writing = { catalog: lake('served') };
    await commit(writing, await written(writing, 1, [1]));
    const loaded = await writing.catalog.connect(world).load(tableName(TABLE));
    const body = printJson({
      'metadata-location': loaded?.version ?? '',
      metadata: { ...loaded?.metadata },
    });
    const service = http.createServer(({ url = '' }, response) => {
      response.setHeader('content-type', 'application/json');
      response.end(url.startsWith('/v1/config') ? '{"defaults":{},"overrides":{}}' : body);
    });
    await new Promise<void>((resolve) => service.listen(0, '127.0.0.1', resolve));
    try {
      const { port } = service.address() as AddressInfo;
      const catalog = rest({ uri: `http://127.0.0.1:${port}`, s3: accessAt(server.endpoint) });
      const [pending] = await written({ catalog }, 2, [2]);
      const manifest = pending?.committable.location ?? '';
      expect(manifest).toContain(`s3://${BUCKET}/served/db/readings/metadata/`);
      expect(await textOf(manifest.slice(`s3://${BUCKET}/`.length))).toMatch(/^Obj/);
    } finally {
      service.closeAllConnections();
      await new Promise((resolve) => service.close(resolve));
    }
  });
});

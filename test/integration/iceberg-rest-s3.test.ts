/*
 * Goal: tables of a REST catalog that lie in a bucket are as right as those on a disk, with keys that the
 * catalog hands out and changes.
 * Method: Apache Iceberg's REST catalog over a real S3 server, which is told nothing to the sink but through
 * the catalog. Keys are accounts of that server: one that is removed is refused. A proxy loses answers of the
 * catalog, and lets others be first.
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  readWithJava,
  startIcebergRest,
  toldOf,
  type IcebergRest,
} from '../../scripts/services/iceberg-rest.ts';
import {
  addAccount,
  makeBucket,
  removeAccount,
  startS3,
  type S3Service,
} from '../../scripts/services/s3.ts';
import { SERVICE_SETUP_MS } from '../../scripts/services/service.ts';
import { systemClock } from '../../src/common/clock.ts';
import { nodeFileSystem } from '../../src/common/node-file-system.ts';
import { systemRandom } from '../../src/common/random.ts';
import {
  icebergSchema,
  icebergSink,
  rest,
  t,
  type IcebergCatalog,
  type PendingManifest,
} from '../../src/connectors/iceberg/index.ts';
import { listSnapshots, removeOrphans } from '../../src/connectors/iceberg/table-operations.ts';
import type { Stamped } from '../../src/contracts/sink.ts';
import { startCatalogProxy, type CatalogFault } from '../support/catalog-proxy.ts';
import { ICEBERG_PACKAGES, pythonWith, run } from '../support/python.ts';

const world = { fs: nodeFileSystem, clock: systemClock, random: systemRandom };
const BUCKET = 'lake';

let python: string;
let root: string;
let server: S3Service;
let catalog: IcebergRest;

beforeAll(async () => {
  python = pythonWith(ICEBERG_PACKAGES);
  root = fs.mkdtempSync(path.join(os.tmpdir(), 'tidemark-iceberg-rest-s3-'));
  server = await startS3({ folder: path.join(root, 's3'), accounts: true });
  await makeBucket(server, BUCKET);
  const lake = { server, bucket: BUCKET };
  catalog = await startIcebergRest({ folder: path.join(root, 'rest'), lake });
}, SERVICE_SETUP_MS);

afterAll(async () => {
  await catalog.stop();
  await server.stop();
  fs.rmSync(root, { recursive: true });
});

beforeEach(() => {
  catalog.tell({ table: toldOf(server) });
});

const schema = icebergSchema({ id: t.long(), text: t.string().optional() });

interface Table {
  readonly catalog: IcebergCatalog;
  readonly table: string;
}

const sinkOf = ({ catalog: of, table }: Table) =>
  icebergSink({
    ...{ catalog: of, table, schema },
    toRow: (id: number) => ({ id, text: `row ${id}` }),
  });

async function opened(table: Table, checkpointId: number) {
  const context = { world, uid: 'ids', subtask: 0, parallelism: 1 };
  const writer = sinkOf(table).writer({ ...context, writerId: `cafe-${checkpointId}` });
  await writer.open?.();
  return writer;
}

async function written(
  table: Table,
  checkpointId: number,
  ids: readonly number[],
): Promise<Stamped<PendingManifest>[]> {
  const writer = await opened(table, checkpointId);
  for (const id of ids) await writer.write(id, undefined);
  const pending = await writer.prepareCommit(checkpointId, 'checkpoint');
  await writer.close();
  return pending.map((committable) => ({ checkpointId, subtask: 0, committable }));
}

async function commit(table: Table, pending: readonly Stamped<PendingManifest>[]) {
  const context = { world, uid: 'ids', lineage: 'cafe', isLeftover: () => false };
  return sinkOf(table).committer?.(context).commit(pending);
}

interface ReadByOthers {
  readonly rows: readonly { readonly id: number; readonly text: string }[];
  readonly duckdb: readonly { readonly id: number; readonly text: string }[];
  readonly snapshots: readonly { readonly summary: Record<string, string> }[];
}

function python_(command: string, table: string, ...args: readonly string[]): string {
  const script = 'test/reference/iceberg_rows.py';
  return run(python, [script, command, 'rest', catalog.uri, table, ...args]);
}

const idsOf = (rows: readonly { readonly id: number }[]) =>
  rows.map(({ id }) => id).sort((a, b) => a - b);

const range = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, index) => from + index);

/** All three see these ids, and so many snapshots. */
function expectRows(table: string, ids: readonly number[], snapshots: number): void {
  const read = JSON.parse(python_('read', table)) as ReadByOthers;
  expect(idsOf(read.rows)).toEqual(ids);
  expect(idsOf(read.duckdb)).toEqual(ids);
  expect(read.snapshots).toHaveLength(snapshots);
  const lines = readWithJava(['rest', catalog.uri, table]);
  expect(lines.find(([what]) => what === 'rows')).toEqual(['rows', String(ids.length)]);
}

describe('a catalog that says how its bucket is reached', () => {
  it('with a table: three others read what the sink has written', async () => {
    const table = { catalog: rest({ uri: catalog.uri }), table: 'db.told' };
    for (const n of [1, 2]) {
      const pending = await written(table, n, range(10 * n, 10 * n + 10));
      expect(pending[0]?.committable.location).toMatch(`s3://${BUCKET}/`);
      expect(await commit(table, pending)).toEqual(['done']);
      expect(await commit(table, pending)).toEqual(['already']);
    }
    expectRows(table.table, range(10, 30), 2);
    expect(await removeOrphans(table, world, { olderThanMs: -60_000 })).toEqual([]);
  });

  it('to all, and the keys with a table', async () => {
    const { accessKey, secretKey } = server;
    catalog.tell({
      config: toldOf(server, { accessKey: 'nobody', secretKey: 'nothing' }),
      table: { 's3.access-key-id': accessKey, 's3.secret-access-key': secretKey },
    });
    const table = { catalog: rest({ uri: catalog.uri }), table: 'db.told_to_all' };
    expect(await commit(table, await written(table, 1, [1, 2]))).toEqual(['done']);
    // DuckDB wants to be told all of it with the table.
    const lines = readWithJava(['rest', catalog.uri, table.table]);
    expect(lines).toContainEqual(['rows', '2']);
  });

  it('in credentials for a place', async () => {
    const name = 'db.credentials';
    const table = { catalog: rest({ uri: catalog.uri }), table: name };
    catalog.tell({ credential: toldOf(server) });
    expect(await commit(table, await written(table, 1, [1]))).toEqual(['done']);
    expect(await listSnapshots(table, world)).toHaveLength(1);
  });

  it('is not asked for keys by who has some', async () => {
    const wrong = { accessKey: 'nobody', secretKey: 'nothing' };
    catalog.tell({ table: toldOf(server, wrong), config: { 's3.endpoint': server.endpoint } });
    const { accessKey, secretKey } = server;
    const s3 = { accessKey, secretKey, pathStyleAccess: true };
    const table = { catalog: rest({ uri: catalog.uri, s3 }), table: 'db.own' };
    expect(await commit(table, await written(table, 1, [1]))).toEqual(['done']);
    const without = { catalog: rest({ uri: catalog.uri }), table: 'db.own' };
    await expect(written(without, 2, [2])).rejects.toMatchObject({ code: 'STO-006' });
  });

  it('and would only sign requests is refused', async () => {
    const { 's3.access-key-id': _k, 's3.secret-access-key': _s, ...told } = toldOf(server);
    catalog.tell({ table: { ...told, 's3.remote-signing-enabled': 'true' } });
    const table = { catalog: rest({ uri: catalog.uri }), table: 'db.signed' };
    await expect(written(table, 1, [1])).rejects.toMatchObject({ code: 'ICE-016' });
  });
});

describe('keys that are taken back', () => {
  const first = { accessKey: 'first', secretKey: 'first-secret' };
  const second = { accessKey: 'second', secretKey: 'second-secret' };

  it('are replaced while a writer has its file open, and a committer its table', async () => {
    addAccount(server, first);
    catalog.tell({ table: toldOf(server, first) });
    const table = { catalog: rest({ uri: catalog.uri }), table: 'db.rotated' };
    await commit(table, await written(table, 1, [1]));
    const writer = await opened(table, 2);
    const context = { world, uid: 'ids', lineage: 'cafe', isLeftover: () => false };
    const committer = sinkOf(table).committer?.(context);
    await writer.write(2, undefined);
    await committer?.abortLeftovers?.();

    addAccount(server, second);
    removeAccount(server, first.accessKey);
    catalog.tell({ table: toldOf(server, second) });
    const [committable] = await writer.prepareCommit(2, 'checkpoint');
    if (committable === undefined) expect.unreachable();
    expect(await committer?.commit([{ checkpointId: 2, subtask: 0, committable }])).toEqual([
      'done',
    ]);
    catalog.tell({ table: toldOf(server) });
    expectRows('db.rotated', [1, 2], 2);
  });
});

describe('a commit', () => {
  it('is there once, whatever gets lost on the way', async () => {
    const proxy = await startCatalogProxy(catalog.uri);
    try {
      const table = { catalog: rest({ uri: proxy.uri }), table: 'db.lossy' };
      // Where no answer comes; who is slow is not to be taken for that.
      const impatient = { ...table, catalog: rest({ uri: proxy.uri, timeoutMs: 5_000 }) };
      await commit(table, await written(table, 1, [1]));
      const faults: CatalogFault[][] = [
        ['answer'],
        ['504 behind'],
        ['hang'],
        ['request', '503 before', 'answer'],
      ];
      for (const [index, planned] of faults.entries()) {
        const pending = await written(table, index + 2, [index + 2]);
        proxy.plan(...planned);
        const asked = planned.includes('hang') ? impatient : table;
        expect(await commit(asked, pending)).toEqual([expect.stringMatching(/^(done|already)$/)]);
        expect(proxy.left()).toBe(0);
      }
      expectRows('db.lossy', range(1, 6), 5);
      // Of attempts that nobody knows the end of, the lists stay until orphans are removed.
      const gone = await removeOrphans(table, world, { olderThanMs: -60_000 });
      for (const location of gone) expect(location).toMatch(/\/metadata\/snap-[^/]*\.avro$/);
      expectRows('db.lossy', range(1, 6), 5);
    } finally {
      await proxy.close();
    }
  });

  it.each([
    ['Java', (name: string) => void readWithJava(['rest', catalog.uri, name, 'compact'])],
    ['PyIceberg', (name: string) => void python_('compact', name)],
  ])('goes on what a compaction by %s has made in the meantime', async (who, compact) => {
    const proxy = await startCatalogProxy(catalog.uri);
    try {
      const name = `db.compacted_${who.toLowerCase()}`;
      // The compaction holds up this whole process, and with it the answer.
      const table = { catalog: rest({ uri: proxy.uri, timeoutMs: 600_000 }), table: name };
      for (const n of [1, 2, 3]) await commit(table, await written(table, n, [n]));
      const pending = await written(table, 4, [4]);
      let compactions = 0;
      proxy.beforeCommit(() => {
        compactions++;
        compact(name);
      });
      expect(await commit(table, pending)).toEqual(['done']);
      expect(compactions).toBe(1);
      const read = JSON.parse(python_('read', name)) as ReadByOthers & { entries: unknown[] };
      expect(idsOf(read.rows)).toEqual([1, 2, 3, 4]);
      expect(idsOf(read.duckdb)).toEqual([1, 2, 3, 4]);
      // The three files of before are one now, and ours came to it.
      const live = (read.entries as { rows: number }[]).map(({ rows }) => rows);
      expect(live).toContain(3);
      expect(read.snapshots.at(-1)?.summary).toMatchObject({ 'total-records': '4' });
      // And so does the next one; the marks of before are still found.
      expect(await commit(table, pending)).toEqual(['already']);
      expect(await commit(table, await written(table, 5, [5]))).toEqual(['done']);
      expect(idsOf((JSON.parse(python_('read', name)) as ReadByOthers).rows)).toEqual(range(1, 6));
    } finally {
      await proxy.close();
    }
  });
});

/*
 * Goal: what the Iceberg sink writes is read the same by PyIceberg, DuckDB and Java's Iceberg, from a folder
 * as a catalog and from a REST catalog; and the sink goes on with what those write.
 * Method: the sink itself against Apache Iceberg's own REST catalog and readers, on loopback. Requests can
 * be made to fail on their way: a proxy loses them, or their answers.
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  readWithJava,
  startIcebergRest,
  type IcebergRest,
} from '../../scripts/services/iceberg-rest.ts';
import { SERVICE_SETUP_MS } from '../../scripts/services/service.ts';
import { systemClock } from '../../src/common/clock.ts';
import { nodeFileSystem } from '../../src/common/node-file-system.ts';
import { systemRandom } from '../../src/common/random.ts';
import {
  bucket,
  day,
  hadoop,
  icebergSchema,
  icebergSink,
  rest,
  t,
  type IcebergCatalog,
  type PendingManifest,
} from '../../src/connectors/iceberg/index.ts';
import { listSnapshots, rollBackTable } from '../../src/connectors/iceberg/table-operations.ts';
import type { Stamped } from '../../src/contracts/sink.ts';
import { startCatalogProxy, type CatalogFault } from '../support/catalog-proxy.ts';
import { ICEBERG_PACKAGES, pythonWith, run } from '../support/python.ts';

const world = { fs: nodeFileSystem, clock: systemClock, random: systemRandom };
const LINEAGE = 'cafe';

let python: string;
let root: string;
let server: IcebergRest;

beforeAll(async () => {
  python = pythonWith(ICEBERG_PACKAGES);
  root = fs.mkdtempSync(path.join(os.tmpdir(), 'tidemark-iceberg-'));
  server = await startIcebergRest({ folder: path.join(root, 'rest') });
}, SERVICE_SETUP_MS);

afterAll(async () => {
  await server.stop();
  fs.rmSync(root, { recursive: true });
});

const ALL_TYPES = icebergSchema({
  id: t.long(),
  flag: t.boolean().optional(),
  i: t.int().optional(),
  f: t.float().optional(),
  d: t.double().optional(),
  money: t.decimal(9, 2).optional(),
  wide: t.decimal(18, 4).optional(),
  widest: t.decimal(38, 10).optional(),
  day: t.date().optional(),
  time: t.time().optional(),
  local: t.timestamp().optional(),
  at: t.timestamptz(),
  text: t.string().optional(),
  u: t.uuid().optional(),
  fixed: t.fixed(3).optional(),
  bytes: t.binary().optional(),
  s: t.struct({ a: t.int(), b: t.string().optional() }).optional(),
  l: t.list(t.string().optional()).optional(),
  m: t.map(t.string(), t.long()).optional(),
});

const FIRST_MS = Date.UTC(2026, 0, 1, 23, 59, 59);

/** Three kinds of rows: full, nearly empty, and with what is hard. */
function rowOf(id: number) {
  const at = new Date(FIRST_MS + (id % 2) * 1000);
  if (id % 3 === 0) return { id, at };
  const isHard = id % 3 === 1;
  return {
    id: BigInt(id),
    flag: id % 2 === 0,
    i: -id,
    f: 0.5,
    d: isHard ? NaN : -0,
    money: '-12.5',
    wide: '12345678901234.5678',
    widest: '-1234567890123456789012345678.0123456789',
    day: '1969-12-31',
    time: '13:05:09.25',
    local: '1969-12-31T23:59:59.999999',
    at: BigInt(at.getTime()) * 1000n + 7n,
    text: isHard ? `${'🌊'.repeat(20)}Ａ` : `row ${id}`,
    u: '0123abcd-0000-4000-8000-000000000001',
    fixed: Uint8Array.of(1, 2, 255),
    bytes: isHard ? new Uint8Array(20).fill(255) : Uint8Array.of(0),
    s: { a: id, b: isHard ? null : 'b' },
    l: isHard ? [] : ['x', null],
    m: { k: 2n ** 53n + 1n },
  };
}

/** The same as the readers print it. */
function shown(id: number): Record<string, unknown> {
  const isHard = id % 3 === 1;
  const second = id % 2 === 0 ? '2026-01-01T23:59:59' : '2026-01-02T00:00:00';
  const names = Object.keys(ALL_TYPES.columns);
  if (id % 3 === 0) {
    const empty = Object.fromEntries(names.map((name) => [name, null]));
    return { ...empty, id, at: `${second}.000000Z` };
  }
  return {
    id,
    flag: id % 2 === 0,
    i: -id,
    f: 0.5,
    d: isHard ? 'NaN' : -0,
    money: '-12.50',
    wide: '12345678901234.5678',
    widest: '-1234567890123456789012345678.0123456789',
    day: '1969-12-31',
    time: '13:05:09.250000',
    local: '1969-12-31T23:59:59.999999',
    at: `${second}.000007Z`,
    text: isHard ? `${'🌊'.repeat(20)}Ａ` : `row ${id}`,
    u: '0123abcd-0000-4000-8000-000000000001',
    fixed: { base64: 'AQL/' },
    bytes: { base64: isHard ? Buffer.alloc(20, 255).toString('base64') : 'AA==' },
    s: { a: id, b: isHard ? null : 'b' },
    l: isHard ? [] : ['x', null],
    m: { k: Number(2n ** 53n + 1n) },
  };
}

interface ReadByOthers {
  readonly rows: readonly Record<string, unknown>[];
  readonly duckdb: readonly Record<string, unknown>[];
  readonly snapshots: readonly { id: string; sequence: number; summary: Record<string, string> }[];
  readonly entries: readonly Entry[];
  readonly partitions: readonly { partition: Record<string, unknown>; record_count: number }[];
  readonly files: Readonly<Record<string, number>>;
}

interface Entry {
  readonly sequence: number;
  readonly snapshot: string;
  readonly rows: number;
  readonly values: Readonly<Record<string, number>>;
  readonly nulls: Readonly<Record<string, number>>;
  readonly nans: Readonly<Record<string, number>>;
  readonly lower: Readonly<Record<string, string>>;
  readonly upper: Readonly<Record<string, string>>;
}

function readByOthers(...args: readonly string[]): ReadByOthers {
  return JSON.parse(
    run(python, ['test/reference/iceberg_rows.py', 'read', ...args]),
  ) as ReadByOthers;
}

function other(...args: readonly string[]): void {
  run(python, ['test/reference/iceberg_rows.py', ...args]);
}

const byId = (rows: readonly Record<string, unknown>[]) =>
  rows.toSorted((a, b) => Number(a['id']) - Number(b['id']));

/** Maps are pairs in Arrow. */
const withMaps = (rows: readonly Record<string, unknown>[]) =>
  rows.map((row) => ({
    ...row,
    m: Array.isArray(row['m']) ? Object.fromEntries(row['m'] as [string, unknown][]) : row['m'],
  }));

interface TableOptions {
  readonly catalog: IcebergCatalog;
  readonly table: string;
  readonly lineage?: string;
  readonly properties?: Readonly<Record<string, string>>;
}

function sinkOf({ catalog, table, properties }: TableOptions) {
  return icebergSink({
    catalog,
    table,
    schema: ALL_TYPES,
    toRow: rowOf,
    partitionBy: [day('at'), bucket('id', 4)],
    ...(properties === undefined ? {} : { properties }),
  });
}

async function written(
  options: TableOptions,
  checkpointId: number,
  ids: readonly number[],
): Promise<Stamped<PendingManifest>[]> {
  const writerId = `${LINEAGE}-${checkpointId}-${ids[0] ?? 0}`;
  const sink = sinkOf(options);
  const writer = sink.writer({ world, uid: 'all', subtask: 0, parallelism: 1, writerId });
  await writer.open?.();
  for (const id of ids) await writer.write(id, undefined);
  const pending = await writer.prepareCommit(checkpointId, 'checkpoint');
  await writer.close();
  return pending.map((committable) => ({ checkpointId, subtask: 0, committable }));
}

async function commit(options: TableOptions, pending: readonly Stamped<PendingManifest>[]) {
  const { lineage = LINEAGE } = options;
  const committer = sinkOf(options).committer?.({
    ...{ world, uid: 'all', lineage },
    isLeftover: () => false,
  });
  return committer?.commit(pending);
}

const range = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, index) => from + index);

function versionOf(folder: string): number {
  return Number(fs.readFileSync(path.join(folder, 'metadata/version-hint.text'), 'utf8'));
}

describe('a folder as a catalog', () => {
  it('holds a table that three others read the same, and of which they skip files', async () => {
    const warehouse = path.join(root, 'lake');
    const table = { catalog: hadoop({ warehouse }), table: 'db.all' };
    for (const checkpoint of [1, 2, 3]) {
      const ids = range(10 * checkpoint, 10 * checkpoint + 10);
      const pending = await written(table, checkpoint, ids);
      expect(await commit(table, pending)).toEqual(['done']);
      expect(await commit(table, pending)).toEqual(['already']);
    }
    const folder = path.join(warehouse, 'db/all');
    const metadata = `${folder}/metadata/v${versionOf(folder)}.metadata.json`;
    const filters = ['id < 20', "text = 'abc'", 'id < 20 and d > 1000'];
    const { rows, duckdb, snapshots, entries, partitions, files } = readByOthers(
      'hadoop',
      folder,
      metadata,
      ...filters,
    );
    const expected = range(10, 40).map(shown);
    expect(byId(withMaps(rows))).toEqual(expected);
    expect(byId(duckdb)).toEqual(expected);
    expect(snapshots.map(({ sequence }) => sequence)).toEqual([1, 2, 3]);
    expect(snapshots[2]?.summary).toMatchObject({ 'total-records': '30', operation: 'append' });
    expect(new Set(entries.map(({ sequence }) => sequence))).toEqual(new Set([1, 2, 3]));
    expect(new Set(entries.map(({ snapshot }) => snapshot))).toEqual(
      new Set(snapshots.map(({ id }) => id)),
    );
    expect(partitions.reduce((sum, each) => sum + each.record_count, 0)).toBe(30);
    expect(new Set(partitions.map(({ partition }) => partition['at_day']))).toEqual(
      new Set(['2026-01-01', '2026-01-02']),
    );
    const ofFirst = entries.filter(({ sequence }) => sequence === 1).length;
    expect(files['id < 20']).toBe(ofFirst);
    expect(files["text = 'abc'"]).toBe(0);
    expect(files['id < 20 and d > 1000']).toBeLessThan(ofFirst);
    checkCounts(entries);

    const lines = readWithJava(['hadoop', folder, 'id', '<', '20', 'text', '=', 'abc']);
    expect(lines.find(([what]) => what === 'rows')).toEqual(['rows', '30']);
    const javaFiles = lines
      .filter(([what]) => what === 'files')
      .map(([, filter, n]) => [filter, n]);
    expect(javaFiles).toEqual([
      ['id<20', String(ofFirst)],
      ['text=abc', '0'],
      ['all', String(entries.length)],
    ]);
    const row = lines.find(([what, text]) => what === 'row' && text?.startsWith('Record(11,'));
    expect(row?.[1]).toMatch(
      /^Record\(11, false, -11, 0.5, -0.0, -12.50, 12345678901234.5678, -1234567890123456789012345678.0123456789, 1969-12-31, 13:05:09.250, 1969-12-31T23:59:59.999999, 2026-01-02T00:00:00.000007Z, row 11, 0123abcd-0000-4000-8000-000000000001, .*Record\(11, b\), \[x, null\], \{k=9007199254740993\}\)$/,
    );
  });

  it('goes on after others have put its manifests together and expired its snapshots', async () => {
    const warehouse = path.join(root, 'rewritten');
    const table = {
      catalog: hadoop({ warehouse }),
      table: 'db.all',
      properties: { 'commit.manifest.min-count-to-merge': '2' },
    };
    const first = await written(table, 1, range(0, 5));
    await commit(table, first);
    await commit(table, await written(table, 2, range(5, 10)));
    const folder = path.join(warehouse, 'db/all');
    readWithJava(['hadoop', folder, 'rewrite']);
    for (const n of [3, 4, 5])
      await commit(table, await written(table, n, range(5 * n - 5, 5 * n)));
    expect(await commit(table, first)).toEqual(['already']);
    const lines = readWithJava(['hadoop', folder, 'expire']);
    expect(lines.find(([what]) => what === 'rows')).toEqual(['rows', '25']);
    expect(lines.filter(([what]) => what === 'snapshot')).toHaveLength(1);
    await commit(table, await written(table, 6, range(25, 30)));
    const metadata = `${folder}/metadata/v${versionOf(folder)}.metadata.json`;
    const { rows, duckdb, entries } = readByOthers('hadoop', folder, metadata);
    expect(byId(rows).map(({ id }) => id)).toEqual(range(0, 30));
    expect(byId(duckdb).map(({ id }) => id)).toEqual(range(0, 30));
    // What was put together keeps the numbers of the snapshots that added it.
    expect(Math.min(...entries.map(({ sequence }) => sequence))).toBe(1);
  });
});

function checkCounts(entries: readonly Entry[]): void {
  const ids = Object.keys(ALL_TYPES.columns);
  const at = String(ids.indexOf('at') + 1);
  const d = String(ids.indexOf('d') + 1);
  for (const { rows, values, nulls, nans, lower, upper } of entries) {
    expect(values[at]).toBe(rows);
    expect(nulls[at]).toBe(0);
    expect((nulls[d] ?? 0) + (nans[d] ?? 0)).toBeLessThanOrEqual(rows);
    const bounds = [lower[at], upper[at]].map((hex) =>
      Buffer.from(hex ?? '', 'hex').readBigInt64LE(),
    );
    expect(bounds.every((micros) => micros >= BigInt(FIRST_MS) * 1000n)).toBe(true);
    // NaN is no bound: it would be read as 7ff8….
    for (const bound of [lower[d], upper[d]]) expect(bound ?? '').not.toMatch(/f[8f]7f$/);
  }
}

describe('a REST catalog', () => {
  it('holds a table that all write to in turn', async () => {
    const table = { catalog: rest({ uri: server.uri }), table: 'db.deep.all' };
    const first = await written(table, 1, range(0, 10));
    expect(await commit(table, first)).toEqual(['done']);
    expect(await commit(table, first)).toEqual(['already']);

    const simple = { catalog: table.catalog, table: 'db.simple' };
    const sink = icebergSink({
      ...simple,
      schema: icebergSchema({ id: t.long(), text: t.string().optional() }),
      toRow: (id: number) => ({ id, text: `ours ${id}` }),
    });
    const append = async (checkpointId: number, id: number) => {
      const context = { world, uid: 's', subtask: 0, parallelism: 1 };
      const writer = sink.writer({ ...context, writerId: `${LINEAGE}-${checkpointId}` });
      await writer.open?.();
      await writer.write(id, undefined);
      const [committable] = await writer.prepareCommit(checkpointId, 'checkpoint');
      if (committable === undefined) expect.unreachable();
      const committer = sink.committer?.({
        ...{ world, uid: 's', lineage: LINEAGE },
        isLeftover: () => false,
      });
      return committer?.commit([{ checkpointId, subtask: 0, committable }]);
    };
    expect(await append(1, 1)).toEqual(['done']);
    other('append', 'rest', server.uri, simple.table, '[{"id": 2, "text": "theirs"}]');
    expect(await append(2, 3)).toEqual(['done']);
    // Its manifest lists spell 64-bit numbers in another way.
    other('insert', 'rest', server.uri, simple.table, "VALUES (4, 'theirs')");
    expect(await append(3, 5)).toEqual(['done']);
    const { rows, duckdb, snapshots } = readByOthers('rest', server.uri, simple.table);
    expect(byId(rows).map(({ id }) => id)).toEqual([1, 2, 3, 4, 5]);
    expect(byId(duckdb).map(({ id }) => id)).toEqual([1, 2, 3, 4, 5]);
    expect(snapshots.at(-1)?.summary).toMatchObject({ 'total-records': '5' });
    const lines = readWithJava(['rest', server.uri, simple.table]);
    expect(lines.find(([what]) => what === 'rows')).toEqual(['rows', '5']);

    // DuckDB's request for a namespace in a namespace is refused by this server.
    const deep = readWithJava(['rest', server.uri, table.table]);
    expect(deep.find(([what]) => what === 'rows')).toEqual(['rows', '10']);
  });

  it('rolls back, and numbers go on', async () => {
    const table = { catalog: rest({ uri: server.uri }), table: 'db.back' };
    for (const n of [1, 2, 3]) await commit(table, await written(table, n, [n]));
    const [, second] = await listSnapshots(table, world);
    await rollBackTable(table, world, { kind: 'snapshot', id: second?.id ?? 0n });
    await commit(table, await written(table, 3, [30]));
    const { rows, snapshots } = readByOthers('rest', server.uri, table.table);
    expect(byId(rows).map(({ id }) => id)).toEqual([1, 2, 30]);
    expect(snapshots.map(({ sequence }) => sequence)).toEqual([1, 2, 3, 4]);
    expect(snapshots.at(-1)?.summary).toMatchObject({ 'total-records': '3' });
  });

  it('takes columns that are added, and wider ones', async () => {
    const catalog = rest({ uri: server.uri });
    const base = { catalog, table: 'db.evolved', toRow: (row: object) => row as never };
    const old = icebergSchema({ id: t.int(), f: t.float() });
    const wide = icebergSchema({
      id: t.long(),
      f: t.double().optional(),
      added: t.struct({ x: t.int().optional() }).optional(),
    });
    const open = async (schema: typeof old | typeof wide, evolve: boolean, writerId: string) => {
      const sink = icebergSink({ ...base, schema, evolve } as never);
      const writer = sink.writer({ world, uid: 'e', subtask: 0, parallelism: 1, writerId });
      await writer.open?.();
      return { sink, writer };
    };
    const put = async (schema: typeof old | typeof wide, checkpointId: number, row: object) => {
      const { sink, writer } = await open(schema, true, `${LINEAGE}-${checkpointId}`);
      await writer.write(row, undefined);
      const [committable] = await writer.prepareCommit(checkpointId, 'checkpoint');
      if (committable === undefined) expect.unreachable();
      const context = { world, uid: 'e', lineage: LINEAGE, isLeftover: () => false };
      return sink.committer?.(context).commit([{ checkpointId, subtask: 0, committable }]);
    };
    await put(old, 1, { id: 1, f: 0.5 });
    await expect(open(wide, false, 'x')).rejects.toThrow(
      expect.objectContaining({ code: 'ICE-004' }) as Error,
    );
    await put(wide, 2, { id: 2n ** 40n, added: { x: 5 } });
    // A job of before goes on: the table is wider than it needs.
    const narrow = icebergSchema({ id: t.int(), f: t.float().optional() });
    await put(narrow as never, 3, { id: 3, f: 1.5 });
    const { rows, duckdb } = readByOthers('rest', server.uri, base.table);
    const expected = [
      { id: 1, f: 0.5, added: null },
      { id: 3, f: 1.5, added: null },
      { id: 2 ** 40, f: null, added: { x: 5 } },
    ];
    expect(byId(rows)).toEqual(expected);
    expect(byId(duckdb)).toEqual(expected);
  });

  it('has each checkpoint once, whatever gets lost on the way', async () => {
    const proxy = await startCatalogProxy(server.uri);
    try {
      const table = { catalog: rest({ uri: proxy.uri }), table: 'db.lossy' };
      // Where no answer comes; who is slow is not to be taken for that.
      const impatient = { ...table, catalog: rest({ uri: proxy.uri, timeoutMs: 5_000 }) };
      await commit(table, await written(table, 1, [1]));
      const faults: CatalogFault[][] = [
        ['answer'],
        ['request'],
        ['504 behind'],
        ['503 before'],
        ['hang'],
        ['request', '503 before', '504 behind'],
      ];
      for (const [index, planned] of faults.entries()) {
        const pending = await written(table, index + 2, [index + 2]);
        proxy.plan(...planned);
        const asked = planned.includes('hang') ? impatient : table;
        expect(await commit(asked, pending)).toEqual([expect.stringMatching(/^(done|already)$/)]);
        expect(proxy.left()).toBe(0);
      }
      const { rows, snapshots } = readByOthers('rest', server.uri, table.table);
      expect(byId(rows).map(({ id }) => id)).toEqual(range(1, 8));
      expect(snapshots).toHaveLength(7);
    } finally {
      await proxy.close();
    }
  });

  it('lets sinks that race be first one after the other', async () => {
    const lineages = ['a', 'b', 'c', 'd'];
    const table = { catalog: rest({ uri: server.uri }), table: 'db.race' };
    const pending: Stamped<PendingManifest>[][] = [];
    for (const [index] of lineages.entries()) pending.push(await written(table, 1, [index]));
    const results = await Promise.all(
      lineages.map((lineage, index) => commit({ ...table, lineage }, pending[index] ?? [])),
    );
    expect(results).toEqual(lineages.map(() => ['done']));
    const { rows, snapshots } = readByOthers('rest', server.uri, table.table);
    expect(byId(rows).map(({ id }) => id)).toEqual([0, 1, 2, 3]);
    expect(snapshots.map(({ sequence }) => sequence)).toEqual([1, 2, 3, 4]);
  });

  it('is asked with a token, a new one when the old one is refused', async () => {
    const proxy = await startCatalogProxy(server.uri, { credential: 'me:secret' });
    try {
      const catalog = rest({ uri: proxy.uri, credential: 'me:secret' });
      const table = { catalog, table: 'db.secured' };
      await commit(table, await written(table, 1, [1]));
      proxy.forgetTokens();
      await commit(table, await written(table, 2, [2]));
      expect((await listSnapshots(table, world)).length).toBe(2);
      const bad = { catalog: rest({ uri: proxy.uri, token: 'wrong' }), table: 'db.secured' };
      await expect(listSnapshots(bad, world)).rejects.toThrow(
        expect.objectContaining({ code: 'ICE-009' }) as Error,
      );
    } finally {
      await proxy.close();
    }
  });
});

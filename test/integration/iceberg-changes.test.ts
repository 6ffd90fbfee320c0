/*
 * Goal: what other programs do to a table while a job writes to it does no harm, or is a clear error; and
 * partitions and decimals are what other makes take them for.
 * Method: Apache Iceberg's REST catalog; PyIceberg changes tables between a writer's files and their commit.
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
  hour,
  icebergSchema,
  icebergSink,
  identity,
  month,
  rest,
  t,
  truncate,
  year,
  type Column,
  type IcebergSchema,
  type PartitionBy,
} from '../../src/connectors/iceberg/index.ts';
import { ICEBERG_PACKAGES, pythonWith, run } from '../support/python.ts';

const world = { fs: nodeFileSystem, clock: systemClock, random: systemRandom };

let python: string;
let root: string;
let server: IcebergRest;

beforeAll(async () => {
  python = pythonWith(ICEBERG_PACKAGES);
  root = fs.mkdtempSync(path.join(os.tmpdir(), 'tidemark-iceberg-changes-'));
  server = await startIcebergRest({ folder: path.join(root, 'rest') });
}, SERVICE_SETUP_MS);

afterAll(async () => {
  await server.stop();
  fs.rmSync(root, { recursive: true });
});

interface Table {
  readonly table: string;
  readonly schema: IcebergSchema;
  readonly partitionBy?: readonly PartitionBy[];
}

const sinkOf = ({ table, schema, partitionBy = [] }: Table) =>
  icebergSink({
    catalog: rest({ uri: server.uri }),
    ...{ table, schema, partitionBy },
    toRow: (row: object) => row as never,
  });

async function written(of: Table, checkpointId: number, rows: readonly object[]) {
  const context = { world, uid: 'sink', subtask: 0, parallelism: 1 };
  const writer = sinkOf(of).writer({ ...context, writerId: `cafe-${checkpointId}` });
  await writer.open?.();
  for (const row of rows) await writer.write(row, undefined);
  const pending = await writer.prepareCommit(checkpointId, 'checkpoint');
  await writer.close();
  return pending.map((committable) => ({ checkpointId, subtask: 0, committable }));
}

async function commit(of: Table, pending: Awaited<ReturnType<typeof written>>) {
  const context = { world, uid: 'sink', lineage: 'cafe', isLeftover: () => false };
  return sinkOf(of).committer?.(context).commit(pending);
}

function other(command: string, table: string, ...args: readonly string[]): string {
  const script = 'test/reference/iceberg_rows.py';
  return run(python, [script, command, 'rest', server.uri, table, ...args]);
}

interface ReadByOthers {
  readonly rows: readonly Record<string, unknown>[];
  readonly duckdb: readonly Record<string, unknown>[];
}

function readByOthers(table: string): ReadByOthers {
  return JSON.parse(other('read', table)) as ReadByOthers;
}

const byId = (rows: readonly Record<string, unknown>[], id = 'id') =>
  rows.toSorted((a, b) => Number(a[id]) - Number(b[id]));

const schema = icebergSchema({ id: t.int(), text: t.string().optional(), n: t.int() });
const rowOf = (id: number) => ({ id, text: `row ${id}`, n: 10 * id });

/** Addresses that somebody listens on at a port, as the kernel writes them. */
function listening(port: number): string[] {
  const hex = port.toString(16).toUpperCase().padStart(4, '0');
  return ['/proc/net/tcp', '/proc/net/tcp6'].flatMap((file) =>
    fs
      .readFileSync(file, 'utf8')
      .split('\n')
      .map((line) => line.trim().split(/\s+/))
      .filter(([, local, , state]) => local?.endsWith(`:${hex}`) === true && state === LISTEN)
      .map(([, local = '']) => local.split(':')[0] ?? ''),
  );
}

const LISTEN = '0A';
/** 127.0.0.1, also as a part of IPv6. */
const LOOPBACK = /^(0{16}F{4}0{4}|0{16}0{4}F{4})?0100007F$/i;

it.runIf(process.platform === 'linux')('the server is reached on loopback only', () => {
  const addresses = listening(Number(new URL(server.uri).port));
  expect(addresses.length).toBeGreaterThan(0);
  for (const address of addresses) expect(address).toMatch(LOOPBACK);
});

describe('a table that others change', () => {
  it('columns are added, renamed, moved, widened and dropped', async () => {
    const of = { table: 'db.altered', schema };
    await commit(of, await written(of, 1, [rowOf(1)]));
    const pending = await written(of, 2, [rowOf(2)]);
    const changes = [
      ['add_column', 'more', 'string'],
      ['rename_column', 'text', 'words'],
      ['move_first', 'n'],
    ];
    other('alter', of.table, JSON.stringify(changes));
    expect(await commit(of, pending)).toEqual(['done']);
    const read = readByOthers(of.table);
    const expected = [1, 2].map((id) => ({ n: 10 * id, id, words: `row ${id}`, more: null }));
    expect(byId(read.rows)).toEqual(expected);
    expect(byId(read.duckdb)).toEqual(expected);
    expect(Object.keys(read.rows[0] ?? {})).toEqual(['n', 'id', 'words', 'more']);
    const lines = readWithJava(['rest', server.uri, of.table]);
    expect(lines.find(([what]) => what === 'rows')).toEqual(['rows', '2']);
    // A start with the old names does not guess.
    await expect(written(of, 3, [rowOf(3)])).rejects.toMatchObject({ code: 'ICE-004' });
  });

  it('a required column is an error that goes when it does', async () => {
    const of = { table: 'db.required', schema };
    await commit(of, await written(of, 1, [rowOf(1)]));
    const pending = await written(of, 2, [rowOf(2)]);
    other('alter', of.table, '[["add_column", "must", "int", {"required": true}]]');
    await expect(commit(of, pending)).rejects.toMatchObject({
      code: 'ICE-015',
      details: { column: 'must' },
    });
    other('alter', of.table, '[["make_column_optional", "must"]]');
    expect(await commit(of, pending)).toEqual(['done']);
    expect(byId(readByOthers(of.table).rows).map(({ id }) => id)).toEqual([1, 2]);
  });

  it('partitions and properties', async () => {
    const of = { table: 'db.repartitioned', schema };
    await commit(of, await written(of, 1, [rowOf(1)]));
    const pending = await written(of, 2, [rowOf(2)]);
    other('partition', of.table, 'n');
    other('set', of.table, '{"write.format.default": "avro", "owner": "them"}');
    expect(await commit(of, pending)).toEqual(['done']);
    const next = await written(of, 3, [rowOf(3), rowOf(4)]);
    expect(next[0]?.committable).toMatchObject({ specId: 1, dataFiles: 2 });
    expect(await commit(of, next)).toEqual(['done']);
    const read = readByOthers(of.table);
    expect(byId(read.rows)).toEqual([1, 2, 3, 4].map(rowOf));
    expect(byId(read.duckdb)).toEqual([1, 2, 3, 4].map(rowOf));
    const lines = readWithJava(['rest', server.uri, of.table, 'n', '=', '30']);
    // Of the files that are partitioned by it, one; of those of before, by their bounds none.
    expect(lines.find(([what]) => what === 'files')?.[2]).toBe('1');
  });

  it('that is dropped, or made anew, is an error', async () => {
    const of = { table: 'db.dropped', schema };
    await commit(of, await written(of, 1, [rowOf(1)]));
    const pending = await written(of, 2, [rowOf(2)]);
    other('drop', of.table);
    await expect(commit(of, pending)).rejects.toMatchObject({ code: 'ICE-002' });
    await written(of, 3, [rowOf(3)]);
    await expect(commit(of, pending)).rejects.toMatchObject({ code: 'ICE-014' });
    const lines = readWithJava(['rest', server.uri, of.table]);
    expect(lines).toContainEqual(['rows', '0']);
  });
});

describe('partitions', () => {
  const at = Date.UTC(1969, 11, 31, 22);
  const HOUR_MS = 3_600_000;
  const keyed = icebergSchema({
    ...{ id: t.long(), at: t.timestamptz().optional(), local: t.timestamp(), day: t.date() },
    ...{ text: t.string().optional(), i: t.int(), dec: t.decimal(12, 3), flag: t.boolean() },
  });
  const keyedRow = (id: number) => ({
    id: id * 7919 - 20_000,
    at: id === 5 ? null : at + id * HOUR_MS * 11,
    local: new Date(at + id * HOUR_MS * 1000).toISOString().slice(0, -1),
    day: id * 40 - 100,
    text: id === 6 ? null : ['pulse', 'Ärzte', '🌊🌊', ''][id % 4],
    i: id * 13 - 50,
    dec: `${id - 4}.125`,
    flag: id % 2 === 0,
  });

  it.each<[string, readonly PartitionBy[]]>([
    ['identity', [identity('text'), identity('flag')]],
    ['year', [year('local'), identity('flag')]],
    ['month', [month('day'), month('at')]],
    ['day', [day('at'), day('local')]],
    ['hour', [hour('at')]],
    ['bucket', [bucket('id', 5), bucket('text', 3), bucket('dec', 3)]],
    ['truncate', [truncate('id', 10_000), truncate('text', 2), truncate('i', 20)]],
  ])('by %s are those that PyIceberg makes of the rows', async (name, partitionBy) => {
    const of = { table: `db.by_${name}`, schema: keyed, partitionBy };
    const rows = Array.from({ length: 12 }, (_, id) => keyedRow(id));
    await commit(of, await written(of, 1, rows.slice(0, 8)));
    await commit(of, await written(of, 2, rows.slice(8)));
    const files = JSON.parse(other('transformed', of.table)) as {
      written: string[];
      expected: string[][];
    }[];
    expect(files.length).toBeGreaterThan(1);
    for (const file of files) expect(file.expected).toEqual([file.written]);
    const lines = readWithJava(['rest', server.uri, of.table, 'id', '=', String(rows[3]?.id)]);
    expect(lines.find(([what]) => what === 'rows')).toEqual(['rows', '12']);
    // Ids of some partitions overlap; most files are left out all the same.
    const looked = Number(lines.find(([what]) => what === 'files')?.[2]);
    expect(looked).toBeGreaterThan(0);
    expect(looked).toBeLessThan(files.length);
    expect(readByOthers(of.table).duckdb).toHaveLength(12);
  });
});

it('decimals of all widths are read as they were written', async () => {
  const widths = Array.from({ length: 38 }, (_, index) => index + 1);
  const name = (precision: number) => `d${precision}`;
  const columns: Record<string, Column> = { id: t.int() };
  for (const precision of widths) {
    columns[name(precision)] = t.decimal(precision, Math.floor(precision / 2)).optional();
  }
  const of = { table: 'db.decimals', schema: icebergSchema(columns) };
  const largest = (precision: number, sign: string) => {
    const scale = Math.floor(precision / 2);
    const whole = '9'.repeat(precision - scale);
    return `${sign}${whole}${scale === 0 ? '' : `.${'9'.repeat(scale)}`}`;
  };
  const rows = ['', '-'].map((sign, id) => ({
    id,
    ...Object.fromEntries(widths.map((each) => [name(each), largest(each, sign)])),
  }));
  await commit(of, await written(of, 1, rows));
  const { rows: read, duckdb } = readByOthers(of.table);
  expect(byId(read)).toEqual(rows);
  expect(byId(duckdb)).toEqual(rows);
  const [, record] = readWithJava(['rest', server.uri, of.table]).find(
    ([what, text]) => what === 'row' && text?.startsWith('Record(0'),
  ) ?? ['', ''];
  expect(record).toContain(`${largest(19, '')}, `);
  expect(record).toContain(largest(38, ''));
});

/*
 * Goal: what a Parquet sink shows can be read by other programs, at every moment and whatever the process
 * died of; and what they write can be read.
 * Method: real jobs from dist/. pyarrow and DuckDB, in test/reference/parquet_rows.py, read what they have
 * written and write what they read. In the end a job is killed with kill -9 at random moments and started
 * again; after each kill every finished file is read and each row is looked at.
 * Replay: SEED=<printed> npm run test:process -- parquet. The seed gives the moments; what the processes
 * do meanwhile is the machine's.
 */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { finishedFiles } from '../support/finished-lines.ts';
import { killAgainAndAgain } from '../support/kill-loop.ts';
import { PARQUET_PACKAGES, PYTHON_SETUP_MS, pythonWith } from '../support/python.ts';
import { removeFolder } from '../support/remove-folder.ts';
import { seed } from '../support/seed.ts';
import {
  REPOSITORY,
  runTidemark,
  settings,
  startTidemark,
  type NodeProcess,
} from '../support/tidemark-process.ts';

const KILLS = 12;
const COUNT = 40_000;
/** Rows per second: the kills must be over before all rows are out, also on a machine that is ten times slower. */
const RATE = 200;

let python: string;
let root: string;

beforeAll(() => {
  python = pythonWith(PARQUET_PACKAGES);
}, PYTHON_SETUP_MS);

beforeEach(() => {
  root = fs.mkdtempSync(path.join(os.tmpdir(), 'tidemark-parquet-'));
});

afterEach(() => {
  removeFolder(root);
});

function reference(...args: readonly string[]): { code: number | null; out: string; err: string } {
  const script = `${REPOSITORY}/test/reference/parquet_rows.py`;
  const { status, stdout, stderr } = spawnSync(python, [script, ...args], {
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
  return { code: status, out: stdout, err: stderr };
}

interface ReadByOthers {
  readonly schema: Readonly<Record<string, readonly [type: string, nullable: boolean]>>;
  readonly groups: readonly number[];
  readonly codecs: readonly string[];
  readonly rows: readonly Readonly<Record<string, unknown>>[];
  readonly duckdb: readonly Readonly<Record<string, unknown>>[];
}

function readByOthers(folder: string): ReadByOthers {
  const { code, out, err } = reference('read', folder);
  expect(code, err).toBe(0);
  return JSON.parse(out) as ReadByOthers;
}

const AT = Date.UTC(2026, 0, 2, 3, 4, 5, 678) * 1000;
const DAY = Date.UTC(2026, 0, 2) * 1000;
const EARLY_DAY = Date.UTC(1969, 11, 31) * 1000;
const early = (micros: number) => ({ micros });

/**
 * What comes back of the rows that pyarrow has written: a `Date` has whole milliseconds, a decimal became
 * a number.
 */
const ROWS = [
  {
    ...{ i: 1, small: 1, big: 2 ** 62, float: 0.5, double: 0.1, flag: true, text: 'é' },
    ...{ bytes: { base64: 'AP8=' }, ms: { micros: AT }, us: { micros: AT + 901 } },
    ...{ ns: { micros: AT }, day: { micros: DAY }, money: 1.25 },
    ...{ list: [1, null], nested: { a: 1, b: ['x'] }, map: [['k', 1]] },
  },
  {
    ...{ i: null, small: 2, big: 1, float: null, double: 1e300, flag: false, text: null },
    ...{ bytes: { base64: '' }, ms: null, us: early(-1), ns: early(-1000), day: null },
    ...{ money: null, list: [], nested: null, map: [] },
  },
  {
    ...{ i: -3, small: 3, big: -(2 ** 62), float: -2.25, double: null, flag: null, text: '🌊' },
    ...{ bytes: null, ms: early(-1000), us: null, ns: null, day: { micros: EARLY_DAY } },
    ...{ money: -0.5, list: null, nested: { a: null, b: null }, map: null },
  },
];

function args(job: string, parallelism: number): string[] {
  const engine = {
    'execution.checkpointing.dir': `${root}/checkpoints`,
    'execution.checkpointing.interval': '100ms',
    'execution.checkpointing.min-pause': '0',
    'restart-strategy.type': 'none',
  };
  const name = `test/process/jobs/${job}.ts`;
  return ['run', name, '--json', '-p', String(parallelism), ...settings(engine), '--'];
}

describe('files of other programs', () => {
  it('are read with all their types, and written so that these read the same', async () => {
    expect(reference('write', `${root}/in`)).toMatchObject({ code: 0 });
    const input = `${root}/in/{none,snappy,gzip,brotli,zstd}-*.parquet`;
    const job = args('parquet-types', 2);
    const run = await runTidemark([...job, '--input', input, '--out', `${root}/out`]);
    expect(run, run.stdout).toMatchObject({ code: 0 });

    const { rows, duckdb } = readByOthers(`${root}/out`);
    const expected = ROWS.flatMap((row) => Array.from({ length: 10 }, () => row));
    const order = (a: { small?: unknown }, b: { small?: unknown }) =>
      Number(a.small) - Number(b.small);
    expect(rows.toSorted(order)).toEqual(expected);
    const maps = [{ k: 1 }, {}, null];
    const ofDuckdb = ROWS.flatMap((row, index) =>
      Array.from({ length: 10 }, () => ({ ...row, map: maps[index] })),
    );
    expect(duckdb.toSorted(order)).toEqual(ofDuckdb);

    const lz4 = ['--input', `${root}/in/lz4-2.0.parquet`, '--out', `${root}/lz4`];
    const refused = await runTidemark([...args('parquet-types', 1), ...lz4]);
    expect(refused.code).toBe(1);
    expect(refused.stdout + refused.stderr).toContain('FMT-007');
  });

  it('are read row for row, however long their row groups are', async () => {
    expect(reference('write', `${root}/in`)).toMatchObject({ code: 0 });
    const job = args('parquet-ids', 2);
    const input = `${root}/in/many*.parquet`;
    const run = await runTidemark([...job, '--input', input, '--out', `${root}/out`]);
    expect(run, run.stdout).toMatchObject({ code: 0 });
    const counts = new Uint8Array(300_000);
    for (const file of finishedFiles(`${root}/out`)) {
      for (const line of fs.readFileSync(file, 'utf8').trimEnd().split('\n')) {
        const { id, name } = JSON.parse(line) as { id: number; name: string };
        if (name === `name ${id % 1000}`) counts[id] = (counts[id] ?? 0) + 1;
      }
    }
    expect(counts.findIndex((count) => count !== 2)).toBe(-1);
  });
});

describe('what is written', () => {
  it('has the types of its schema, compressed row groups, and every row', async () => {
    const job = args('parquet', 2);
    const run = await runTidemark([...job, '--out', `${root}/out`, '--count', '5000']);
    expect(run, run.stdout).toMatchObject({ code: 0 });
    expect(reference('check', `${root}/out`, '5000')).toMatchObject({ code: 0, out: '5000\n' });
    const { schema, codecs, groups, duckdb, rows } = readByOthers(`${root}/out`);
    expect(schema).toEqual({
      id: ['int32', false],
      amount: ['int64', false],
      price: ['double', false],
      text: ['string', true],
      time: ['timestamp[ms, tz=UTC]', false],
      tags: ['list<element: string not null>', false],
    });
    expect(codecs).toEqual(['ZSTD']);
    expect(Math.max(...groups)).toBeGreaterThan(1);
    const byId = (a: { id?: unknown }, b: { id?: unknown }) => Number(a.id) - Number(b.id);
    expect(duckdb.toSorted(byId)).toEqual(rows.toSorted(byId));
  });

  it(`is whole and never there twice, through ${KILLS} kills (SEED=${seed})`, async () => {
    const out = `${root}/out`;
    const start = (parallelism: number, rate: number): NodeProcess =>
      startTidemark([
        ...args('parquet', parallelism),
        ...['--out', out, '--count', String(COUNT), '--rate', String(rate)],
      ]);
    const restored = await killAgainAndAgain({
      ...{ seed, kills: KILLS, recordsMax: 200, checkpointsMax: 5, parallelismMax: 3, out },
      start: (parallelism) => start(parallelism, RATE),
      look: (what) => {
        const check = reference('check', out, String(COUNT), '--subset');
        expect(check, `${what}: ${check.err}`).toMatchObject({ code: 0 });
      },
    });
    const last = await start(2, 1_000_000).ended;
    expect(last, `SEED=${seed}\n${last.stdout}${last.stderr}`).toMatchObject({ code: 0 });
    const check = reference('check', out, String(COUNT));
    expect(check, `SEED=${seed}: ${check.err}`).toMatchObject({ code: 0, out: `${COUNT}\n` });
    expect(restored.size, `SEED=${seed}`).toBeGreaterThan(2);
  });
});

/*
 * Goal: a job that writes to two tables of a REST catalog in a bucket, to one of them by two sinks, has each row
 * once in each, whatever dies and whatever answers of the catalog are lost; each snapshot is of one checkpoint
 * of one sink.
 * Method: the real command from dist/, Apache Iceberg's REST catalog over a real S3 server. The job knows the
 * catalog's address alone, and is killed with kill -9 at drawn moments: a TaskManager, or all of it, while a
 * proxy loses commits and their answers. In the end three others read the tables.
 * Replay: SEED=<printed> npm run test:integration -- iceberg-rest-s3-jobs.
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  readWithJava,
  startIcebergRest,
  toldOf,
  type IcebergRest,
} from '../../scripts/services/iceberg-rest.ts';
import { makeBucket, startS3, type S3Service } from '../../scripts/services/s3.ts';
import { SERVICE_SETUP_MS } from '../../scripts/services/service.ts';
import { randomInt } from '../../src/common/random.ts';
import { seededRandom } from '../../src/testing/simulation/seeded-random.ts';
import {
  startCatalogProxy,
  type CatalogFault,
  type CatalogProxy,
} from '../support/catalog-proxy.ts';
import { killIfThere } from '../support/kill-if-there.ts';
import { ICEBERG_PACKAGES, pythonWith, run } from '../support/python.ts';
import { removeFolder } from '../support/remove-folder.ts';
import { seed } from '../support/seed.ts';
import {
  runTidemark,
  settings,
  startTidemark,
  type NodeProcess,
} from '../support/tidemark-process.ts';

const KILLS = Number(process.env['KILLS'] ?? 6);
const COUNT = 30_000;
/** Rows per second: the kills must be over before all rows are out, also on a slow machine. */
const RATE = 200;
/** Of which each sink gets some. */
const ROWS_LEAST = 10;
const FAULTS: readonly CatalogFault[] = ['answer', 'request', '504 behind', '503 before'];
const TEST_MS = 600_000;

let python: string;
let root: string;
let server: S3Service;
let catalog: IcebergRest;
let proxy: CatalogProxy;

beforeAll(async () => {
  python = pythonWith(ICEBERG_PACKAGES);
  root = fs.mkdtempSync(path.join(os.tmpdir(), 'tidemark-iceberg-jobs-'));
  server = await startS3({ folder: path.join(root, 's3') });
  await makeBucket(server, 'lake');
  const lake = { server, bucket: 'lake' };
  catalog = await startIcebergRest({ folder: path.join(root, 'rest'), lake });
  catalog.tell({ table: toldOf(server) });
  proxy = await startCatalogProxy(catalog.uri);
}, SERVICE_SETUP_MS);

afterAll(async () => {
  await proxy.close();
  await catalog.stop();
  await server.stop();
  removeFolder(root);
});

function args(parallelism: number, rate: number): string[] {
  const engine = {
    'execution.checkpointing.dir': `${root}/checkpoints`,
    'execution.checkpointing.interval': '300ms',
    'execution.checkpointing.min-pause': '0',
    'restart-strategy.type': 'fixed-delay',
    'restart-strategy.fixed-delay.attempts': '100',
    'restart-strategy.fixed-delay.delay': '10ms',
  };
  return [
    ...['run', 'test/integration/jobs/two-tables.ts', '--json', '-p', String(parallelism)],
    ...settings(engine),
    ...['--', '--uri', proxy.uri, '--count', String(COUNT), '--rate', String(rate)],
  ];
}

function taskManagerOf(job: NodeProcess): number | undefined {
  return job.events
    .filter(({ kind }) => kind === 'task-manager')
    .map((event) => Number(event['pid']))
    .find((pid) => pid > 0 && fs.existsSync(`/proc/${pid}`));
}

interface ReadByOthers {
  readonly rows: readonly { readonly id: number }[];
  readonly duckdb: readonly { readonly id: number }[];
  readonly snapshots: readonly { readonly summary: Record<string, string> }[];
}

function expectTable(table: string, ids: readonly number[], sinks: readonly string[]): void {
  const what = `SEED=${seed}: ${table}`;
  const script = 'test/reference/iceberg_rows.py';
  const read = JSON.parse(
    run(python, [script, 'read', 'rest', catalog.uri, table]),
  ) as ReadByOthers;
  const idsOf = (rows: ReadByOthers['rows']) => rows.map(({ id }) => id).sort((a, b) => a - b);
  expect(idsOf(read.rows), what).toEqual(ids);
  expect(idsOf(read.duckdb), what).toEqual(ids);
  const lines = readWithJava(['rest', catalog.uri, table]);
  expect(
    lines.find(([name]) => name === 'rows'),
    what,
  ).toEqual(['rows', String(ids.length)]);
  const marks = read.snapshots.map(({ summary }) => ({
    uid: summary['flink.operator-id'] ?? '',
    checkpoint: Number(summary['flink.max-committed-checkpoint-id']),
  }));
  expect(new Set(marks.map(({ uid }) => uid)), what).toEqual(new Set(sinks));
  for (const sink of sinks) {
    const own = marks.filter(({ uid }) => uid === sink).map(({ checkpoint }) => checkpoint);
    expect(own, what).toEqual([...new Set(own)].sort((a, b) => a - b));
    // How many is not said: a checkpoint that no row came before has none.
    expect(own.length, what).toBeGreaterThan(1);
  }
}

it(
  `two tables in a bucket have each row once, through ${KILLS} kills (SEED=${seed})`,
  async () => {
    const random = seededRandom(seed);
    const start = () => startTidemark(args(1 + randomInt(random, 2), RATE));
    let job = start();
    for (let kill = 1; kill <= KILLS; kill++) {
      const checkpoints = job.count('checkpoint-completed') + 1 + randomInt(random, 3);
      proxy.plan(...FAULTS.filter(() => randomInt(random, 2) === 0));
      const hasCome = await job.until(() => job.count('checkpoint-completed') >= checkpoints);
      if (!hasCome) expect.unreachable(`SEED=${seed}: ${(await job.ended).stdout}`);
      const taskManager = taskManagerOf(job);
      if (randomInt(random, 2) > 0 && taskManager !== undefined) {
        killIfThere(taskManager);
        continue;
      }
      await job.kill('SIGKILL');
      job = start();
    }
    // Some rows are in a checkpoint of their own: each sink has more than the snapshot of the last run.
    await job.until(() => proxy.left() === 0 && job.recordsRead() >= ROWS_LEAST);
    const goal = job.count('checkpoint-completed') + 2;
    const hasCome = await job.until(() => job.count('checkpoint-completed') >= goal);
    if (!hasCome) expect.unreachable(`SEED=${seed}: ${(await job.ended).stdout}`);
    await job.kill('SIGKILL');
    const last = await runTidemark(args(2, 1_000_000));
    expect(last, `SEED=${seed}\n${last.stdout}${last.stderr}`).toMatchObject({ code: 0 });
    expect(proxy.left()).toBe(0);
    const ids = Array.from({ length: COUNT }, (_, id) => id);
    expectTable('jobs.shared', ids, ['even-sink', 'odd-sink']);
    expectTable(
      'jobs.thirds',
      ids.filter((id) => id % 3 === 0),
      ['third-sink'],
    );
  },
  TEST_MS,
);

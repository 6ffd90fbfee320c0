/*
 * Goal: the main job with its checkpoints and its tables on S3, run as its users run it, is as right as on a disk: whatever is
 * killed, PyIceberg sees each reading once, and in the end exactly what a program without Tidemark computes.
 * Method: the command lines of the README and of docs/guides/s3.md and iceberg.md in a folder with a `.env`, against a real
 * server; the job, its TaskManagers and the server are killed with kill -9. After each kill PyIceberg reads the tables.
 * Replay: npm run test:integration -- health-pipeline-s3
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { makeBucket, s3Variables, startS3, type S3Service } from '../../scripts/services/s3.ts';
import { SERVICE_SETUP_MS } from '../../scripts/services/service.ts';
import { systemClock } from '../../src/common/clock.ts';
import { killIfThere } from '../support/kill-if-there.ts';
import { ICEBERG_PACKAGES, pythonWith, run } from '../support/python.ts';
import { removeFolder } from '../support/remove-folder.ts';
import { childrenOf } from '../support/service-cluster.ts';
import { NodeProcess, REPOSITORY, runReference, runTidemark } from '../support/tidemark-process.ts';

const DATA = `${REPOSITORY}/examples/data`;
const ROWS = { vitals: 116_479, vitals_hourly: 8_855, dlq: 1_256 };
const BUCKET = 'health';
const LAKE = `s3://${BUCKET}/lake`;
const CHECKPOINTS = `s3a://${BUCKET}/checkpoints`;
const JOB = `${REPOSITORY}/examples/health-pipeline.ts`;
/** Rows per second of each input: what is killed is not over before, however long the looks take. */
const RATE = 50;
const TEST_MS = 1_200_000;

let root: string;
let python: string;
let server: S3Service;
const jobs: NodeProcess[] = [];

beforeAll(async () => {
  root = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'tidemark-health-s3-')));
  python = pythonWith(ICEBERG_PACKAGES);
  server = await startS3({ folder: `${root}/s3` });
  await makeBucket(server, BUCKET);
  const env = {
    ...s3Variables(server),
    FLINK_CHECKPOINT_STORAGE: CHECKPOINTS,
    FLINK_SAVEPOINT_DIRECTORY: `s3://${BUCKET}/savepoints`,
    FLINK_CHECKPOINT_INTERVAL_MS: 500,
    FLINK_MIN_PAUSE_BETWEEN_CHECKPOINTS_MS: 0,
    FLINK_RETAINED_CHECKPOINTS: 1000,
    HEALTH_WAREHOUSE: LAKE,
    HEALTH_CGM: `${DATA}/CGM.csv.gz`,
    HEALTH_BIKE: `${DATA}/cycling.csv.gz`,
  };
  const lines = Object.entries(env).map(([name, value]) => `${name}=${value}\n`);
  fs.writeFileSync(`${root}/.env`, lines.join(''));
}, SERVICE_SETUP_MS);

afterAll(async () => {
  for (const job of jobs) await job.kill('SIGKILL');
  await server.stop();
  removeFolder(root);
});

function start(rate: number, ...options: readonly string[]): NodeProcess {
  const args = ['run', JOB, '--json', ...options, '--', '--rate', String(rate)];
  const job = new NodeProcess([`${REPOSITORY}/bin/tidemark.mjs`, ...args], { cwd: root });
  jobs.push(job);
  return job;
}

async function tidemark(...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await runTidemark(args, { cwd: root });
  expect(code, `${args.join(' ')}\n${stderr}${stdout}`).toBe(0);
  return stdout;
}

/** What PyIceberg sees, as the lines that the reference checks. */
function look(name: string): { readonly counts: typeof ROWS; readonly folder: string } {
  const folder = `${root}/${name}`;
  const env = {
    TEST_S3_ENDPOINT: server.endpoint,
    TEST_S3_ACCESS_KEY: server.accessKey,
    TEST_S3_SECRET_KEY: server.secretKey,
  };
  const assignments = Object.entries(env).map(([key, value]) => `${key}=${value}`);
  const program = `${REPOSITORY}/test/reference/health_tables.py`;
  const printed = run('env', [...assignments, python, program, LAKE, folder]);
  return { counts: JSON.parse(printed) as typeof ROWS, folder };
}

function expectPart(name: string): typeof ROWS {
  const { counts, folder } = look(name);
  const check = runReference('check', DATA, folder, '--subset');
  expect(check, `${name}: ${check.stderr}`).toMatchObject({ code: 0 });
  return counts;
}

async function moreCheckpoints(job: NodeProcess, more: number): Promise<void> {
  const goal = job.count('checkpoint-completed') + more;
  if (await job.until(() => job.count('checkpoint-completed') >= goal)) return;
  const { stdout, stderr } = await job.ended;
  expect.fail(`it ended: ${stderr}${stdout.slice(-5_000)}`);
}

/** Waits for more vitals than so many; they are as right as ever. */
async function expectMore(name: string, job: NodeProcess, than: number): Promise<number> {
  for (;;) {
    await moreCheckpoints(job, 2);
    const { vitals } = expectPart(name);
    if (vitals > than) return vitals;
  }
}

it(
  'sees each reading once, whatever is killed, and goes back to one moment',
  async () => {
    let job = start(RATE, '-p', '2');
    const begun = await expectMore('begun', job, 0);
    killIfThere(childrenOf(job.pid)[0]);
    const killed = await expectMore('task-killed', job, begun);

    await server.kill();
    server = await startS3({ folder: `${root}/s3`, port: server.port });
    await expectMore('server-killed', job, killed);

    await job.kill('SIGKILL');
    const first = expectPart('job-killed');
    expect(await tidemark('inspect', `${CHECKPOINTS}/latest`, '--verify')).toContain('Sound');
    expect(await tidemark('storage')).toContain('health-pipeline');
    const before = new Date(systemClock.wallMs()).toISOString();

    // The same command, with another parallelism.
    job = start(RATE, '-p', '3');
    await job.until(() => job.count('starting') > 0);
    const starting = job.events.find(({ kind }) => kind === 'starting');
    expect(starting?.['restoredCheckpoint']).toBeGreaterThan(0);
    // The first ones may have been in the last checkpoint, whose commit was cut off.
    const restored = await expectMore('restored', job, first.vitals);
    await expectMore('gone-on', job, restored);
    await job.kill('SIGKILL');
    const later = expectPart('killed-again');
    expect(later.vitals).toBeGreaterThan(first.vitals);

    const snapshots = await tidemark(
      ...['iceberg', 'snapshots', 'health.vitals', '--warehouse', LAKE],
    );
    expect(snapshots.split('\n').length).toBeGreaterThan(4);
    await tidemark('rollback', JOB, '--before', before, '--no-start', '--', '--rate', '0');
    expect(expectPart('back').vitals).toBeLessThan(later.vitals);

    const { code, stdout, stderr } = await start(0, '-p', '2').ended;
    expect(code, stderr + stdout.slice(-5_000)).toBe(0);
    const { counts, folder } = look('end');
    expect(counts).toEqual(ROWS);
    const check = runReference('check', DATA, folder);
    expect(check, check.stderr).toMatchObject({ code: 0 });
  },
  TEST_MS,
);

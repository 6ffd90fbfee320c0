/*
 * Goal: a job that reads Kafka writes each committed record once, whatever dies: the job, a process of it, the
 * broker, again and again.
 * Method: real jobs from dist/ copy a topic, with aborted transactions in it, to files; they and the
 * broker are killed with kill -9 at random moments; after each kill every finished line is looked at.
 * Needs: Java 17 or later and Maven; Kafka is fetched once.
 * Replay: SEED=<printed> npm run test:integration -- kafka-jobs. The seed gives the moments; what the processes
 * do meanwhile is the machine's.
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { type Kafka, startKafka } from '../../scripts/services/kafka.ts';
import { SERVICE_SETUP_MS } from '../../scripts/services/service.ts';
import { sleep, systemClock } from '../../src/common/clock.ts';
import { canonicalJson } from '../../src/graph/canonical-json.ts';
import { FinishedLines } from '../support/finished-lines.ts';
import { killIfThere } from '../support/kill-if-there.ts';
import { KafkaWriter } from '../support/kafka-writer.ts';
import { killAgainAndAgain } from '../support/kill-loop.ts';
import { removeFolder } from '../support/remove-folder.ts';
import { seed } from '../support/seed.ts';
import { type NodeProcess, settings, startTidemark } from '../support/tidemark-process.ts';

const PARTITIONS = 3;
/** Per partition: transactions of so many records, every third of them aborted. */
const TRANSACTIONS = 90;
const PER_TRANSACTION = 100;
const COUNT = PARTITIONS * (TRANSACTIONS - TRANSACTIONS / 3) * PER_TRANSACTION;
/** Records per second: the kills must be over before all records are out, also on a slow machine. */
const RATE = 150;
const PROCESS_RATE = 400;
const BROKER_RATE = 1_500;
const KILLS = 10;
const TEST_MS = 600_000;
const TOPIC = 'copied';

let folder: string;
let root: string;
let kafka: Kafka;
const expected: string[] = [];

beforeAll(async () => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'tidemark-kafka-jobs-'));
  kafka = await startKafka({ folder: `${folder}/broker` });
  await kafka.createTopic(TOPIC, { partitions: PARTITIONS });
  const writer = await KafkaWriter.connect(kafka.bootstrap);
  const producer = await writer.transaction('copied');
  for (let number = 0; number < TRANSACTIONS; number += 1) {
    const commits = number % 3 !== 1;
    for (let partition = 0; partition < PARTITIONS; partition += 1) {
      const values = Array.from(
        { length: PER_TRANSACTION },
        (_, index) => `${commits ? 'good' : 'aborted'} ${partition} ${number} ${index}`,
      );
      await producer.write({ topic: TOPIC, partition, values });
      if (commits) expected.push(...values.map((value) => canonicalJson({ value })));
    }
    await (commits ? producer.commit() : producer.abort());
  }
  await writer.close();
  expect(expected).toHaveLength(COUNT);
}, SERVICE_SETUP_MS);

afterAll(async () => {
  await kafka.stop();
  removeFolder(folder);
});

beforeEach(() => {
  root = fs.mkdtempSync(path.join(folder, 'job-'));
});

afterEach(() => {
  removeFolder(root);
});

function start(parallelism: number, rate: number, ...more: readonly string[]): NodeProcess {
  const args = ['run', 'test/process/jobs/kafka-copy.ts', '--json', '-p', String(parallelism)];
  const engine = settings({
    'execution.checkpointing.dir': `${root}/checkpoints`,
    'execution.checkpointing.interval': '50ms',
    'execution.checkpointing.min-pause': '0',
    // Who stands still for some seconds on a busy machine is not dead.
    'heartbeat.timeout': '60s',
    'restart-strategy.type': 'fixed-delay',
    'restart-strategy.fixed-delay.attempts': '100',
    'restart-strategy.fixed-delay.delay': '10ms',
  });
  const job = ['--brokers', kafka.bootstrap, '--topic', TOPIC, '--out', `${root}/out`];
  return startTidemark([...args, ...engine, '--', ...job, '--rate', String(rate), ...more]);
}

function watched(): FinishedLines {
  return new FinishedLines(`${root}/out`, expected);
}

function taskManagers(job: NodeProcess): number[] {
  return job.events
    .filter(({ kind, status }) => kind === 'task-manager' && status === 'started')
    .map(({ pid }) => Number(pid));
}

async function committed(group: string): Promise<number[]> {
  const writer = await KafkaWriter.connect(kafka.bootstrap);
  const offsets = await writer.committed(group, TOPIC, [0, 1, 2]);
  await writer.close();
  return offsets;
}

it(
  `is copied once through ${KILLS} kills of the job (SEED=${seed})`,
  async () => {
    const lines = watched();
    const restored = await killAgainAndAgain({
      ...{ seed, kills: KILLS, recordsMax: 200, checkpointsMax: 5, parallelismMax: 4 },
      out: `${root}/out`,
      start: (parallelism) => start(parallelism, RATE),
      look: (what) => expect(lines.look(), what).toEqual([]),
    });
    const last = await start(2, 1_000_000).ended;
    expect(last, `SEED=${seed}\n${last.stdout}${last.stderr}`).toMatchObject({ code: 0 });
    expect(lines.look(), `SEED=${seed}`).toEqual([]);
    expect(lines.missing(), `SEED=${seed}`).toEqual([]);
    expect(restored.size, `SEED=${seed}`).toBeGreaterThan(2);
  },
  TEST_MS,
);

it(
  'tells the group where it is',
  async () => {
    // Without an end: one that ends waits for the last answer only so long.
    const job = start(2, 1_000_000, '--group', 'told', '--end', 'never');
    // All records and one marker for each transaction.
    const end = TRANSACTIONS * (PER_TRANSACTION + 1);
    const isTold = async (): Promise<boolean> =>
      (await committed('told')).every((offset) => offset === end);
    for (let told = false; !told; told = await isTold()) {
      const checkpoints = job.count('checkpoint-completed');
      const goesOn = await job.until(() => job.count('checkpoint-completed') > checkpoints);
      expect(goesOn, JSON.stringify(job.events.slice(-3))).toBe(true);
    }
    await job.kill('SIGKILL');
  },
  TEST_MS,
);

it(
  'is copied once when a process of the job is killed again and again',
  async () => {
    const lines = watched();
    const job = start(2, PROCESS_RATE);
    const killed = new Set<unknown>();
    for (let kill = 1; kill <= 3; kill += 1) {
      const before = job.count('checkpoint-completed') + 3;
      expect(await job.until(() => job.count('checkpoint-completed') >= before)).toBe(true);
      // The spare, too: the next attempt has to wait for a new process.
      for (const pid of taskManagers(job).filter((one) => !killed.has(one))) {
        killed.add(pid);
        killIfThere(pid);
      }
      expect(await job.until(() => job.count('restarted') >= kill)).toBe(true);
      expect(lines.look()).toEqual([]);
    }
    const run = await job.ended;
    expect(run, run.stdout + run.stderr).toMatchObject({ code: 0 });
    expect(lines.look()).toEqual([]);
    expect(lines.missing()).toEqual([]);
  },
  TEST_MS,
);

it(
  'is copied once when the broker is killed under load and started again, without a restart of the job',
  async () => {
    const lines = watched();
    const job = start(2, BROKER_RATE, '--unavailable', '600000');
    for (let kill = 1; kill <= 2; kill += 1) {
      expect(await job.until(() => job.recordsRead() > kill * 800)).toBe(true);
      await kafka.kill();
      // Long enough for all that was fetched ahead to be used up, and for tries that fail.
      await sleep(systemClock, 500);
      kafka = await startKafka({ folder: `${folder}/broker` });
      expect(lines.look()).toEqual([]);
    }
    const run = await job.ended;
    expect(run, run.stdout + run.stderr).toMatchObject({ code: 0 });
    expect(job.count('failure')).toBe(0);
    expect(lines.look()).toEqual([]);
    expect(lines.missing()).toEqual([]);
  },
  TEST_MS,
);

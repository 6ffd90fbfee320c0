/*
 * Goal: the main job reads a real broker and writes to tables of a real catalog and to topics. Whatever is
 * killed (TaskManagers, the JobManager, the broker, all at once), a consumer of committed records and three
 * readers of Iceberg (PyIceberg, DuckDB, Java's) see each record exactly once, at every moment that they look.
 * Method: rows that a seed draws are written to the topics part by part, one before each kill -9. After the
 * kill, while everything starts again, all readers look: each row that they see must be one that the reference
 * expects, once, all that was seen before must be there still, and of one snapshot all three see the same. At
 * the end each must have seen everything. The readers are processes that live as long as the test.
 * Needs: Java 17 or later, Maven, Python 3; servers and packages are fetched once.
 * Replay: SEED=<printed> npm run test:integration -- health-pipeline-million. The seed gives rows, victims
 * and moments; what the processes do meanwhile is the machine's. RECORDS=1000000 KILLS=30 for the large run.
 */
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type IcebergRest, startIcebergRest } from '../../scripts/services/iceberg-rest.ts';
import { type Kafka, startKafka } from '../../scripts/services/kafka.ts';
import { SERVICE_SETUP_MS } from '../../scripts/services/service.ts';
import { sleep, systemClock } from '../../src/common/clock.ts';
import { type Random, randomInt } from '../../src/common/random.ts';
import { seededRandom } from '../../src/testing/simulation/seeded-random.ts';
import { HEALTH_TABLES, HealthLooks, type SeenOf } from '../support/health-looks.ts';
import { HealthReadings, SENSORS } from '../support/health-readings.ts';
import { expectNothingOpen } from '../support/kafka-records.ts';
import { KafkaWriter } from '../support/kafka-writer.ts';
import { killIfThere } from '../support/kill-if-there.ts';
import { ICEBERG_PACKAGES, pythonWith } from '../support/python.ts';
import { removeFolder } from '../support/remove-folder.ts';
import { seed } from '../support/seed.ts';
import {
  type NodeProcess,
  REPOSITORY,
  type Run,
  settings,
  startTidemark,
} from '../support/tidemark-process.ts';

const RECORDS = Number(process.env['RECORDS'] ?? 100_000);
const KILLS = Number(process.env['KILLS'] ?? 8);
const VICTIMS = ['TaskManager', 'JobManager', 'broker', 'all'] as const;
type Victim = (typeof VICTIMS)[number];

const FEED = 'health.out.';
const FEED_PARTITIONS = 2;
const BATCH = 2_000;
const CHECKPOINTS_MAX = 3;
const LATER_MS = 400;
/** How long nothing more may be seen at the end, though not everything was. */
const STANDSTILL_MS = 300_000;
const TEST_MS = 600_000 + KILLS * 60_000 + RECORDS;
const SAID_MAX = 4_000;

let root: string;
let kafka: Kafka;
let catalog: IcebergRest;
let looks: HealthLooks;
let readings: HealthReadings;
let job: NodeProcess | undefined;
const started: NodeProcess[] = [];

beforeAll(async () => {
  root = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'tidemark-million-')));
  const python = pythonWith(ICEBERG_PACKAGES);
  kafka = await startKafka({ folder: `${root}/broker` });
  catalog = await startIcebergRest({ folder: `${root}/catalog` });
  for (const sensor of SENSORS) await kafka.createTopic(`health.${sensor}`, { partitions: 1 });
  for (const table of HEALTH_TABLES) {
    await kafka.createTopic(`${FEED}${table}`, {
      partitions: FEED_PARTITIONS,
      // Records have their event time, and for the broker's retention that was long ago.
      configs: { 'retention.ms': '-1' },
    });
  }
  readings = new HealthReadings(seed, RECORDS);
  readings.writeFiles(`${root}/data`);
  const expected = `${root}/expected`;
  await runReference('tables', `${root}/data`, expected);
  const [brokers, folder] = [kafka.bootstrap, root];
  looks = new HealthLooks({ python, brokers, feed: FEED, expected, folder, catalog: catalog.uri });
}, SERVICE_SETUP_MS);

afterAll(async () => {
  await looks.close();
  for (const each of started) {
    for (const pid of taskManagersOf(each)) killIfThere(pid);
    await each.kill('SIGKILL');
  }
  await kafka.stop();
  await catalog.stop();
  removeFolder(root);
});

async function runReference(...args: readonly string[]): Promise<void> {
  const child = spawn('python3', [`${REPOSITORY}/test/reference/health_pipeline.py`, ...args], {
    stdio: 'inherit',
  });
  expect(await new Promise((resolve) => child.once('close', resolve))).toBe(0);
}

function start(parallelism: number): NodeProcess {
  const engine = {
    'execution.checkpointing.dir': `${root}/checkpoints`,
    'execution.checkpointing.interval': '500ms',
    'execution.checkpointing.min-pause': '0',
    'execution.checkpointing.tolerable-failed-checkpoints': '1000',
    'taskmanager.numberOfTaskSlots': '1',
    'restart-strategy.fixed-delay.attempts': '1000',
    'restart-strategy.fixed-delay.delay': '100 ms',
  };
  const file = 'examples/health-pipeline.ts';
  const process_ = startTidemark(
    ['run', file, '--json', '-p', String(parallelism), ...settings(engine)],
    {
      env: {
        HEALTH_SOURCE: 'kafka',
        HEALTH_BROKERS: kafka.bootstrap,
        HEALTH_FEED: FEED,
        HEALTH_CATALOG: catalog.uri,
      },
    },
  );
  started.push(process_);
  return process_;
}

async function write(part: number): Promise<void> {
  const writer = await KafkaWriter.connect(kafka.bootstrap);
  for (const sensor of SENSORS) {
    const rows = readings.part(sensor, part, KILLS + 1);
    for (let at = 0; at < rows.length; at += BATCH) {
      await writer.write({ topic: `health.${sensor}`, values: rows.slice(at, at + BATCH) });
    }
  }
  await writer.close();
}

/** Those in which tasks run. */
function taskManagersOf({ events }: NodeProcess): number[] {
  const alive = new Map<unknown, number>();
  for (const event of events) {
    if (event.kind !== 'task-manager') continue;
    if (event['status'] === 'lost') alive.delete(event['id']);
    else if (event['spare'] !== true) alive.set(event['id'], Number(event['pid']));
  }
  return [...alive.values()];
}

/** A drawn moment from now on in the life of the job. */
async function drawnMoment(random: Random, running: NodeProcess): Promise<void> {
  if (randomInt(random, 4) > 0) {
    const goal = running.count('checkpoint-completed') + 1 + randomInt(random, CHECKPOINTS_MAX);
    const come = await running.until(() => running.count('checkpoint-completed') >= goal);
    if (!come) throw new TypeError(`the job has ended: ${saidBy(await running.ended)}`);
  }
  await sleep(systemClock, randomInt(random, LATER_MS));
}

/** Kills at once; resolves when what was killed has been started again. */
async function kill(victim: Victim, random: Random, running: NodeProcess): Promise<void> {
  const pids = taskManagersOf(running);
  if (victim === 'TaskManager') killIfThere(pids[randomInt(random, pids.length)]);
  if (victim === 'all') pids.forEach(killIfThere);
  const ends: Promise<unknown>[] = [];
  if (victim === 'JobManager' || victim === 'all') ends.push(running.kill('SIGKILL'));
  if (victim === 'broker' || victim === 'all') ends.push(kafka.kill());
  await Promise.all(ends);
  if (victim === 'JobManager' || victim === 'all') job = start(1 + randomInt(random, 3));
  if (victim === 'broker' || victim === 'all')
    kafka = await startKafka({ folder: `${root}/broker` });
}

/** As many of each as there can be, in an order that is drawn. */
function drawnVictims(random: Random): Victim[] {
  const victims: Victim[] = [];
  while (victims.length < KILLS) {
    const round = [...VICTIMS];
    while (round.length > 0) victims.push(...round.splice(randomInt(random, round.length), 1));
  }
  return victims.slice(0, KILLS);
}

/** What all see in the end: the same as is expected. */
async function expectEverything(running: NodeProcess): Promise<SeenOf> {
  const expected = new Map<string, number>();
  for (const table of HEALTH_TABLES) expected.set(table, await looks.expected(table));
  const isAll = (seen: SeenOf): boolean =>
    HEALTH_TABLES.every((table) =>
      Object.values(seen[table]).every((rows) => rows === expected.get(table)),
    );
  let last = '';
  let until = 0;
  for (;;) {
    const tables = await looks.tables();
    const feed = await looks.feed();
    if (isAll(tables) && isAll(feed)) return tables;
    const now = JSON.stringify([tables, feed]);
    if (now !== last) until = systemClock.monotonicMs() + STANDSTILL_MS;
    last = now;
    if (systemClock.monotonicMs() > until) {
      throw new TypeError(`expected ${JSON.stringify([...expected])}, all that was seen: ${now}`);
    }
    const goal = running.count('checkpoint-completed') + 1;
    const come = await running.until(() => running.count('checkpoint-completed') >= goal);
    if (!come) throw new TypeError(`the job has ended: ${saidBy(await running.ended)}`);
  }
}

it(
  `${RECORDS} records are seen once by all through ${KILLS} kills (SEED=${seed})`,
  async () => {
    const random = seededRandom(seed);
    const begin = systemClock.monotonicMs();
    job = start(2);
    const victims = drawnVictims(random);
    for (const [index, victim] of victims.entries()) {
      const what = `SEED=${seed} RECORDS=${RECORDS} KILLS=${KILLS}, kill ${index + 1}, ${victim}`;
      try {
        await write(index);
        await drawnMoment(random, job);
        const [tables] = await Promise.all([looks.tables(), kill(victim, random, job)]);
        const feed = await looks.feed();
        tell(begin, what, tables, feed);
      } catch (cause) {
        throw new TypeError(`${what}: ${String(cause)}`, { cause });
      }
    }
    await write(KILLS);
    const seen = await expectEverything(job);
    const kills = VICTIMS.map((one) => `${one} ${victims.filter((each) => each === one).length}`);
    tell(begin, `SEED=${seed} RECORDS=${RECORDS}, everything is seen; killed:`, kills.join(), seen);
    // Cancelled, it leaves no transaction open that readers would wait for.
    await job.kill('SIGINT');
    for (const table of HEALTH_TABLES) {
      await expectNothingOpen(kafka.bootstrap, `${FEED}${table}`);
    }
  },
  TEST_MS,
);

function tell(begin: number, ...what: readonly unknown[]): void {
  const seconds = ((systemClock.monotonicMs() - begin) / 1000).toFixed(1);
  const words = what.map((each) => (typeof each === 'string' ? each : JSON.stringify(each)));
  process.stderr.write(`${seconds} s ${words.join(' ')}\n`);
}

function saidBy({ code, signal, stdout, stderr }: Run): string {
  return `code ${code} ${signal}\n${stdout.slice(-SAID_MAX)}\n${stderr.slice(-SAID_MAX)}`;
}

/*
 * Goal: the main job reads a real broker and writes to a real catalog, and whatever is killed (TaskManagers,
 * the JobManager, the broker), PyIceberg, DuckDB and Java's Iceberg see each reading once, at every moment
 * that they look; and a rollback takes all of it back to one moment.
 * Method: the rows of both files are published as JSON; the job reads the topics while its processes and
 * the broker are killed with kill -9 at random moments. After each kill PyIceberg and DuckDB read the
 * tables, and test/reference/health_pipeline.py, which knows nothing of all this, says what may be there.
 * Needs: Java 17 or later, Maven, Python 3; servers and packages are fetched once.
 * Replay: SEED=<printed> npm run test:integration -- health-pipeline-real
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  type IcebergRest,
  readWithJava,
  startIcebergRest,
} from '../../scripts/services/iceberg-rest.ts';
import { type Kafka, startKafka } from '../../scripts/services/kafka.ts';
import { SERVICE_SETUP_MS } from '../../scripts/services/service.ts';
import { systemClock } from '../../src/common/clock.ts';
import { randomInt } from '../../src/common/random.ts';
import { CsvParser } from '../../src/formats/csv-parser.ts';
import { parseAll } from '../../src/formats/parse-all.ts';
import { seededRandom } from '../../src/testing/simulation/seeded-random.ts';
import { KafkaWriter } from '../support/kafka-writer.ts';
import { killIfThere } from '../support/kill-if-there.ts';
import { ICEBERG_PACKAGES, pythonWith, run } from '../support/python.ts';
import { removeFolder } from '../support/remove-folder.ts';
import { seed } from '../support/seed.ts';
import {
  type NodeProcess,
  type Run,
  REPOSITORY,
  runReference,
  settings,
  startTidemark,
} from '../support/tidemark-process.ts';

const DATA = `${REPOSITORY}/examples/data`;
const ROWS = { vitals: 116_479, vitals_hourly: 8_855, dlq: 1_256 };
/** Each topic, and the file whose rows are in it. */
const TOPICS = { 'health.cgm': 'CGM.csv.gz', 'health.bike': 'cycling.csv.gz' };
const VICTIMS = ['TaskManager', 'JobManager', 'broker'] as const;
const KILLS = Number(process.env['KILLS'] ?? 3);
/** Rows per second of each topic, of runs that are killed; the last one reads on to the end, as fast as it can. */
const RATE = Math.floor(600 / KILLS);
const BATCH = 500;
const SAID_MAX = 4_000;
const TEST_MS = 1_200_000;

let root: string;
let python: string;
let kafka: Kafka;
let job: NodeProcess | undefined;
let catalog: IcebergRest;

beforeAll(async () => {
  root = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'tidemark-real-')));
  python = pythonWith(ICEBERG_PACKAGES);
  kafka = await startKafka({ folder: `${root}/broker` });
  catalog = await startIcebergRest({ folder: `${root}/catalog` });
  const writer = await KafkaWriter.connect(kafka.bootstrap);
  for (const [topic, file] of Object.entries(TOPICS)) {
    await kafka.createTopic(topic, { partitions: 1 });
    const rows = parseAll(new CsvParser(), gunzipSync(fs.readFileSync(`${DATA}/${file}`)));
    for (let at = 0; at < rows.length; at += BATCH) {
      const values = rows.slice(at, at + BATCH).map(({ record }) => JSON.stringify(record));
      await writer.write({ topic, values });
    }
  }
  await writer.close();
}, SERVICE_SETUP_MS);

afterAll(async () => {
  for (const pid of job === undefined ? [] : taskManagersOf(job)) killIfThere(pid);
  await job?.kill('SIGKILL');
  await kafka.stop();
  await catalog.stop();
  removeFolder(root);
});

function start(rate: number, parallelism: number): NodeProcess {
  return command('run', ['-p', String(parallelism)], rate);
}

/** The same job file as everywhere, with other settings. */
function command(name: string, options: readonly string[], rate: number): NodeProcess {
  return startTidemark(
    [
      ...[name, 'examples/health-pipeline.ts', '--json', ...options],
      ...settings({
        'execution.checkpointing.dir': `${root}/checkpoints`,
        'execution.checkpointing.interval': '300ms',
        'execution.checkpointing.min-pause': '0',
        // The one to go back to is not to go, however long all takes.
        'execution.checkpointing.num-retained': '5000',
        'taskmanager.numberOfTaskSlots': '1',
        'restart-strategy.fixed-delay.attempts': '1000',
        'restart-strategy.fixed-delay.delay': '100 ms',
      }),
      // Whatever is killed is not over before, however long the looks take.
      ...['--', '--rate', String(rate), ...(rate === 0 ? ['--end', 'latest'] : [])],
    ],
    {
      env: {
        HEALTH_SOURCE: 'kafka',
        HEALTH_BROKERS: kafka.bootstrap,
        HEALTH_TOPICS: Object.keys(TOPICS).join(','),
        HEALTH_CATALOG: catalog.uri,
      },
    },
  );
}

function taskManagersOf(job: NodeProcess): number[] {
  const pids = new Set<number>();
  for (const event of job.events) {
    if (event.kind !== 'task-manager') continue;
    if (event['status'] === 'lost') pids.delete(Number(event['pid']));
    else pids.add(Number(event['pid']));
  }
  return [...pids];
}

/** What PyIceberg sees, and DuckDB too, as the lines that the reference checks. */
function look(name: string): { readonly counts: typeof ROWS; readonly folder: string } {
  const folder = `${root}/${name}`;
  const program = `${REPOSITORY}/test/reference/health_tables.py`;
  const counts = JSON.parse(run(python, [program, catalog.uri, folder])) as typeof ROWS;
  const letters = `${folder}/dlq/rows.jsonl`;
  let text = fs.readFileSync(letters, 'utf8');
  for (const [topic, file] of Object.entries(TOPICS)) {
    text = text.replaceAll(`"source": "${topic}-0"`, `"source": "${file}"`);
  }
  fs.writeFileSync(letters, text);
  return { counts, folder };
}

it(
  `sees each reading once through ${KILLS} kills (SEED=${seed})`,
  async () => {
    const random = seededRandom(seed);
    job = start(RATE, 2);
    let before = '';
    for (let kill = 1; kill <= KILLS; kill += 1) {
      const victim = VICTIMS[(kill - 1) % VICTIMS.length] ?? 'broker';
      const what = `SEED=${seed}, kill ${kill}, ${victim}`;
      const running: NodeProcess = job;
      const goal = running.count('checkpoint-completed') + 1 + randomInt(random, 4);
      const hasCome = await running.until(() => running.count('checkpoint-completed') >= goal);
      if (!hasCome) throw new TypeError(`${what}: ended before\n${endOf(await running.ended)}`);
      if (victim === 'broker') {
        await kafka.kill();
        kafka = await startKafka({ folder: `${root}/broker` });
      } else if (victim === 'JobManager') {
        await running.kill('SIGKILL');
        job = start(RATE, 1 + randomInt(random, 3));
      } else {
        const pids = taskManagersOf(running);
        killIfThere(pids[randomInt(random, pids.length)]);
      }
      const { folder } = look(`look-${kill}`);
      const check = runReference('check', DATA, folder, '--subset');
      expect(check, `${what}: ${check.stderr}`).toMatchObject({ code: 0 });
      if (before === '') before = new Date(systemClock.wallMs()).toISOString();
    }
    // There must be something to take back.
    const begun: NodeProcess = job;
    const least = look('least').counts.vitals;
    for (let now = least; now <= least && now < ROWS.vitals; now = look('more').counts.vitals) {
      const goal = begun.count('checkpoint-completed') + 1;
      const hasCome = await begun.until(() => begun.count('checkpoint-completed') >= goal);
      if (!hasCome) throw new TypeError(`SEED=${seed}: ended before\n${endOf(await begun.ended)}`);
    }
    await begun.kill('SIGKILL');

    // Back to one of the first checkpoints: offsets in the topics, state, and three tables of the catalog.
    const full = look('full');
    const back = await command('rollback', ['--before', before, '--no-start'], 0).ended;
    expect(back.code, `SEED=${seed}\n${back.stdout}${back.stderr}`).toBe(0);
    const early = look('back');
    expect(early.counts.vitals).toBeLessThan(full.counts.vitals);
    expect(runReference('check', DATA, early.folder, '--subset')).toMatchObject({ code: 0 });

    const last = await start(0, 2).ended;
    expect(last.code, `SEED=${seed}\n${last.stdout}${last.stderr}`).toBe(0);
    const { counts, folder } = look('end');
    expect(counts).toEqual(ROWS);
    const check = runReference('check', DATA, folder);
    expect(check, check.stderr).toMatchObject({ code: 0 });
    for (const [name, rows] of Object.entries(ROWS)) {
      expect(javaCount(name), name).toBe(rows);
    }
  },
  TEST_MS,
);

function endOf({ code, signal, stdout, stderr }: Run): string {
  return `code ${code} ${signal}\n${stdout.slice(-SAID_MAX)}\n${stderr.slice(-SAID_MAX)}`;
}

function javaCount(name: string): number {
  const lines = readWithJava(['rest', catalog.uri, `health.${name}`]);
  return Number(lines.find(([what]) => what === 'rows')?.[1]);
}

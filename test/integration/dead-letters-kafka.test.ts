/*
 * Goal: dead letters in a topic are listed, shown and replayed like those in files: each comes again once, whatever
 * is killed and however often it is asked for; and a topic of any size is looked at in bounded memory.
 * Method: the real commands and jobs on a real broker. What is committed to the topics is read by another reader.
 * Needs: Java 17 or later and Maven; Kafka is fetched once.
 * Replay: npm run test:integration -- dead-letters-kafka
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sleep, systemClock } from '../../src/common/clock.ts';
import { KafkaFixture } from '../support/kafka-fixture.ts';
import { endOf, expectNothingOpen, recordsOf } from '../support/kafka-records.ts';
import { madeLetter } from '../support/made-letters.ts';
import { removeFolder } from '../support/remove-folder.ts';
import {
  runTidemark,
  settings,
  startTidemark,
  type NodeProcess,
} from '../support/tidemark-process.ts';

const JOB = 'test/process/jobs/letters-kafka.ts';
const TEST_MS = 600_000;
const LOOK_MS = 50;

const broker = new KafkaFixture();
let root: string;
const running: NodeProcess[] = [];

beforeAll(() => {
  root = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'tidemark-letters-kafka-')));
});

afterAll(async () => {
  for (const one of running) await one.kill('SIGKILL');
  removeFolder(root);
});

const place = (topic: string) => `kafka://${broker.kafka.bootstrap}/${topic}`;

async function dlq(...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await runTidemark(['dlq', ...args]);
  expect(code, stderr + stdout).toBe(0);
  return stdout;
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await sleep(systemClock, LOOK_MS);
}

async function values(topic: string): Promise<Record<string, unknown>[]> {
  const records = await recordsOf(broker.kafka.bootstrap, topic);
  return records.map(({ value }) => JSON.parse(value ?? '') as Record<string, unknown>);
}

describe('a job with bad records', () => {
  const ROWS = Array.from({ length: 60 }, (_, n) => ({
    n,
    // As the operators of the job see them: no key, not JSON, less than nothing.
    key: n % 20 === 19 ? '' : `k${n % 3}`,
    value: n % 10 === 7 ? -n : n,
  }));
  const KEYLESS = ROWS.filter(({ key }) => key === '');
  const NEGATIVE = ROWS.filter(({ value }) => value < 0);
  const isBroken = ({ n }: { readonly n: number }) => n % 8 === 5;
  const BROKEN = ROWS.filter((row) => isBroken(row) && row.key !== '' && row.value >= 0);
  const GOOD = ROWS.filter((row) => row.key !== '');
  const LETTERS = KEYLESS.length + NEGATIVE.length + BROKEN.length;

  function start(...own: readonly string[]): NodeProcess {
    const job = startTidemark([
      ...['run', JOB, '--json', '-p', '2'],
      ...settings({
        'execution.checkpointing.dir': `${root}/checkpoints`,
        'execution.checkpointing.interval': '200ms',
        'execution.checkpointing.min-pause': '0',
      }),
      ...jobArguments(),
      ...own,
    ]);
    running.push(job);
    return job;
  }

  const jobArguments = () => [
    '--',
    ...['--brokers', broker.kafka.bootstrap, '--input', 'rows'],
    ...['--output', 'sums', '--dlq', 'dlq'],
  ];

  beforeAll(async () => {
    await broker.kafka.createTopic('rows', { partitions: 3 });
    await broker.kafka.createTopic('sums', { partitions: 2 });
    await broker.kafka.createTopic('dlq', { partitions: 2 });
    for (let partition = 0; partition < 3; partition += 1) {
      const own = ROWS.filter(({ n }) => n % 3 === partition);
      const texts = own.map((row) => {
        const text = JSON.stringify(row);
        return BROKEN.includes(row) ? text.slice(0, -1) : text;
      });
      await broker.writer.write({ topic: 'rows', partition, values: texts });
    }
    const job = start();
    await until(async () => (await values('dlq')).length >= LETTERS);
    await job.kill('SIGKILL');
  }, TEST_MS);

  it('has its letters in the topic, where they are counted', async () => {
    const text = await dlq('list', place('dlq'));
    expect(text).toMatch(new RegExp(`read +SyntaxError +${BROKEN.length} +0 `));
    expect(text).toMatch(new RegExp(`check +RangeError +${KEYLESS.length} +0 `));
    expect(text).toMatch(new RegExp(`sum +RangeError +${NEGATIVE.length} +0 `));
    const some = await dlq('list', place('dlq'), '--ids', '--limit', '3', '--skip', '1');
    expect(some).toContain(`${LETTERS - 4} more follow: --skip 4, or --limit.`);
    const only = await dlq('list', place('dlq'), '--error', 'SyntaxError', '--json');
    expect(JSON.parse(only)).toMatchObject({ letters: BROKEN.length, replayed: 0 });
    expect(await dlq('list', place('dlq'), '--until', '1h')).toContain('no such dead letters');
  });

  it('knows the topic, partition and offset of each', async () => {
    const letters = await values('dlq');
    const offsets = new Map(
      (await recordsOf(broker.kafka.bootstrap, 'rows')).map(({ partition, offset, value }) => [
        `rows-${partition}@${offset}`,
        value ?? '',
      ]),
    );
    for (const { operator, position, record, id } of letters) {
      if (operator === 'check') {
        const at = JSON.parse(String(position)) as Record<string, unknown>;
        const name = `${String(at['topic'])}-${String(at['partition'])}@${String(at['offset'])}`;
        expect(JSON.parse(offsets.get(name) ?? 'null')).toEqual(JSON.parse(String(record)));
        const text = await dlq('show', place('dlq'), String(id));
        expect(text).toMatch(/Position +topic=rows, partition=\d, offset=\d+\n/);
      }
      if (operator === 'read') {
        const broken = JSON.parse(String(record)) as Record<string, string>;
        expect(offsets.get(broken['place'] ?? '')).toBe(broken['text']);
      }
    }
  });

  it('must have a way back for what is replayed to it', async () => {
    const run = await runTidemark(['dlq', 'replay', place('dlq'), JOB, ...jobArguments()]);
    expect(run).toMatchObject({ code: 2 });
    expect(run.stderr).toContain('CLI-081');
    expect(run.stderr).toContain("operator: 'check'");
    const elsewhere = await runTidemark([
      ...['dlq', 'replay', place('rows'), '--dry-run', JOB],
      ...jobArguments(),
    ]);
    expect(elsewhere.stderr).toContain('DLQ-004');
  });

  it(
    'gets each of them again once, through kills',
    async () => {
      const dry = JSON.parse(
        await dlq('replay', place('dlq'), '--operator', 'sum', '--dry-run', '--json'),
      );
      expect(dry).toMatchObject({ dryRun: true, done: [] });
      const replay = (operator: string) =>
        dlq('replay', place('dlq'), '--operator', operator, '--json');
      // Two at a time, and another operator between them.
      await Promise.all([replay('sum'), replay('read'), replay('sum')]);
      expect(JSON.parse(await replay('sum'))).toMatchObject({
        chosen: [{ operator: 'sum', letters: 0, before: NEGATIVE.length }],
        done: [],
      });
      // A commit is decided when it is answered, and seen a moment later.
      await expectNothingOpen(broker.kafka.bootstrap, 'dlq-replay');
      const ids = (await values('dlq-replay')).map(({ id }) => String(id));
      expect(new Set(ids).size).toBe(ids.length);
      expect(ids).toHaveLength(NEGATIVE.length + BROKEN.length);

      for (let kills = 0; kills < 2; kills += 1) {
        const job = start('--fixed', 'true');
        await job.until(() => job.count('checkpoint-completed') >= 1 + kills);
        await job.kill('SIGKILL');
      }
      const job = start('--fixed', 'true');
      await until(async () => (await values('sums')).length >= GOOD.length);
      const completed = job.count('checkpoint-completed');
      await job.until(() => job.count('checkpoint-completed') > completed + 1);
      await job.kill('SIGTERM');

      const sums = await values('sums');
      const numbers = sums.map(({ n }) => Number(n)).toSorted((a, b) => a - b);
      expect(numbers).toEqual(GOOD.map(({ n }) => n));
      for (const key of ['k0', 'k1', 'k2']) {
        const own = GOOD.filter((row) => row.key === key);
        const sum = own.reduce((total, { value }) => total + value, 0);
        const found = sums.filter((row) => row['key'] === key).map(({ value }) => value);
        expect(found).toContain(sum);
      }
      expect(await dlq('list', place('dlq'))).toMatch(
        new RegExp(`sum .* ${NEGATIVE.length} +${NEGATIVE.length} `),
      );
    },
    TEST_MS,
  );
});

describe('a topic of many letters', () => {
  const COUNT = 60_000;
  const TEXT = 'x'.repeat(1_000);
  /** A tenth of what the letters take. */
  const SMALL = { env: { NODE_OPTIONS: '--max-old-space-size=64' } };

  beforeAll(async () => {
    await broker.kafka.createTopic('many', { partitions: 3 });
    for (let from = 0; from < COUNT; from += 500) {
      const letters = Array.from({ length: 500 }, (_, index) =>
        JSON.stringify(madeLetter(from + index, { record: JSON.stringify({ TEXT }) })),
      );
      await broker.writer.write({ topic: 'many', partition: (from / 500) % 3, values: letters });
    }
  }, TEST_MS);

  it('is counted in little memory', async () => {
    const run = await runTidemark(['dlq', 'list', place('many'), '--json'], SMALL);
    expect(run.code, run.stderr).toBe(0);
    expect(JSON.parse(run.stdout)).toMatchObject({ letters: COUNT, replayed: 0 });
    const ids = await runTidemark(['dlq', 'list', place('many'), '--ids', '--limit', '2'], SMALL);
    expect(ids.code, ids.stderr).toBe(0);
    expect(ids.stdout).toContain(madeLetter(0).id);
    expect(ids.stdout).toContain(madeLetter(1).id);
    expect(ids.stdout).toContain('59,998 more follow');
  });

  it(
    'is replayed once, whenever the command is killed',
    async () => {
      const { bootstrap } = broker.kafka;
      const written = () => endOf(bootstrap, 'many-replay', 'read_uncommitted').catch(() => 0);
      const ends: unknown[] = [];
      for (const least of [1, 15_000, 35_000]) {
        const killed = startTidemark(['dlq', 'replay', place('many')]);
        await until(async () => (await written()) >= least);
        ends.push((await killed.kill('SIGKILL')).signal);
      }
      // One that the machine let run through before it was killed leaves nothing to the next ones.
      expect(ends).toContain('SIGKILL');
      const run = await runTidemark(['dlq', 'replay', place('many'), '--json']);
      expect(run.code, run.stderr).toBe(0);
      const { chosen } = JSON.parse(run.stdout) as {
        readonly chosen: readonly { readonly letters: number; readonly before: number }[];
      };
      const { letters = 0, before = 0 } = chosen[0] ?? {};
      expect(letters + before).toBe(COUNT);
      expect(before).toBeGreaterThan(0);
      await expectNothingOpen(bootstrap, 'many-replay');
      const keys = (await recordsOf(bootstrap, 'many-replay')).map(({ key }) => key);
      expect(keys).toHaveLength(COUNT);
      expect(new Set(keys).size).toBe(COUNT);
    },
    TEST_MS,
  );

  it('is not replayed when it is not known any more what was', async () => {
    await broker.kafka.createTopic('short');
    await broker.kafka.createTopic('short-replay');
    await broker.writer.write({ topic: 'short', values: [JSON.stringify(madeLetter(1))] });
    await broker.writer.write({ topic: 'short-replay', values: ['gone'] });
    await broker.writer.deleteRecords('short-replay', 0, 1);
    const run = await runTidemark(['dlq', 'replay', place('short')]);
    expect(run).toMatchObject({ code: 2 });
    expect(run.stderr).toContain('DLQ-010');
  });

  it('has to be named well', async () => {
    const bad = await runTidemark(['dlq', 'list', 'kafka://no-topic']);
    expect(bad.stderr).toContain('CLI-050');
    const missing = await runTidemark(['dlq', 'list', place('nowhere')]);
    expect(missing.stderr).toContain('KAF-007');
  });
});

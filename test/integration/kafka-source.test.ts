/*
 * Goal: each committed record of a topic is read once, whatever the topic holds: aborted transactions, batches
 * that begin before the offset, control batches, codecs, gaps.
 * Method: a real broker; the source is driven as tasks drive it. Records are written with the plainest requests
 * of the protocol, so that each test says which batches and transactions there are.
 * Needs: Java 17 or later and Maven; Kafka is fetched once.
 * Replay: npm run test:integration -- kafka-source
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Kafka, startKafka } from '../../scripts/services/kafka.ts';
import { SERVICE_SETUP_MS } from '../../scripts/services/service.ts';
import { z } from 'zod';
import {
  fromJson,
  fromString,
  kafkaSource,
  type KafkaSourceOptions,
  type OnInvalidRecord,
} from '../../src/connectors/kafka/kafka.ts';
import { DrivenSource, type DrivenSnapshot } from '../support/driven-source.ts';
import { KafkaWriter } from '../support/kafka-writer.ts';

let folder: string;
let kafka: Kafka;
let writer: KafkaWriter;
const running: { stop(): Promise<void> }[] = [];

beforeAll(async () => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'tidemark-kafka-source-'));
  kafka = await startKafka({ folder: `${folder}/broker` });
  writer = await KafkaWriter.connect(kafka.bootstrap);
}, SERVICE_SETUP_MS);

afterAll(async () => {
  await writer.close();
  await kafka.stop();
  fs.rmSync(folder, { recursive: true });
});

afterEach(async () => {
  for (const source of running.splice(0)) await source.stop();
});

type Options = Partial<KafkaSourceOptions<string>>;

async function read(
  topic: string,
  options: Options = {},
  more: { readonly parallelism?: number; readonly from?: DrivenSnapshot } = {},
) {
  const source = kafkaSource<string>({
    brokers: kafka.bootstrap,
    ...(options.topicPattern === undefined ? { topics: [topic] } : {}),
    deserializer: fromString(),
    ...options,
  });
  const driven = new DrivenSource(source, more.parallelism ?? 1, more.from);
  running.push(driven);
  return driven.start();
}

/** What a bounded source reads to its end. */
async function readAll(topic: string, options: Options = {}): Promise<string[]> {
  const driven = await read(topic, { bounded: 'latest', ...options });
  await driven.until(() => driven.hasEnded);
  return driven.values;
}

const numbered = (prefix: string, count: number, from = 0): string[] =>
  Array.from({ length: count }, (_, index) => `${prefix}${from + index}`);

describe('a topic', () => {
  it('is read in the order of its partitions, to where it ended at the start', async () => {
    await kafka.createTopic('plain', { partitions: 3 });
    for (let partition = 0; partition < 3; partition += 1) {
      for (const from of [0, 100]) {
        const values = numbered(`${partition}:`, 100, from);
        await writer.write({ topic: 'plain', partition, values });
      }
    }
    const values = await readAll('plain');
    for (const partition of ['0', '1', '2']) {
      const own = values.filter((value) => value.startsWith(partition));
      expect(own).toEqual(numbered(`${partition}:`, 200));
    }
    expect(values).toHaveLength(600);
  });

  it('has keys, headers, timestamps and offsets for the deserializer', async () => {
    await kafka.createTopic('whole');
    const headers = { trace: 'ä1', empty: '' };
    const timestampMs = (index: number) => 1_700_000_000_000 - index * 700_000_000;
    const key = (_value: string | null, index: number) => `k${index}`;
    const values = ['a', '', null, 'd'];
    await writer.write({ topic: 'whole', values, key, timestampMs, headers });
    const source = kafkaSource({
      brokers: kafka.bootstrap,
      topics: 'whole',
      bounded: 'latest',
      deserializer: (record) => ({
        at: `${record.topic}-${record.partition}@${record.offset}`,
        key: record.keyText(),
        value: record.valueText(),
        isNull: record.value === null,
        bytes: record.key?.length,
        headers: record.headers().map((one) => `${one.key}=${one.value?.toString() ?? 'null'}`),
      }),
    });
    const driven = await new DrivenSource(source, 1).start();
    running.push(driven);
    await driven.until(() => driven.hasEnded);
    expect(driven.elements.map((one) => one.timestampMs)).toEqual([0, 1, 2, 3].map(timestampMs));
    expect(driven.values).toEqual(
      values.map((value, index) => ({
        at: `whole-0@${index}`,
        key: `k${index}`,
        value,
        isNull: value === null,
        bytes: 2,
        headers: ['trace=ä1', 'empty='],
      })),
    );
  });

  it('has the time of the broker where the broker sets it', async () => {
    await kafka.createTopic('appended', { configs: { 'message.timestamp.type': 'LogAppendTime' } });
    const beforeMs = Date.now();
    await writer.write({ topic: 'appended', values: ['a', 'b'], timestampMs: () => 5 });
    const driven = await read('appended', { bounded: 'latest' });
    await driven.until(() => driven.hasEnded);
    for (const { timestampMs } of driven.elements) {
      expect(timestampMs).toBeGreaterThanOrEqual(beforeMs - 1);
    }
  });

  it.each(['gzip', 'snappy', 'lz4', 'zstd'] as const)(
    'is read when the broker compresses with %s',
    async (codec) => {
      const topic = `packed-${codec}`;
      await kafka.createTopic(topic, { configs: { 'compression.type': codec } });
      for (let from = 0; from < 5_000; from += 1_000) {
        await writer.write({ topic, values: numbered('value ', 1_000, from) });
      }
      expect(await readAll(topic)).toEqual(numbered('value ', 5_000));
    },
  );

  it.each(['gzip', 'snappy', 'lz4', 'zstd'] as const)(
    'is read when the producer compresses with %s',
    async (compression) => {
      const topic = `sent-${compression}`;
      await kafka.createTopic(topic);
      await writer.write({ topic, values: numbered('value ', 1_000), compression });
      expect(await readAll(topic)).toEqual(numbered('value ', 1_000));
    },
  );
});

describe('transactions', () => {
  it('that were aborted are not read, several of one producer in one answer', async () => {
    await kafka.createTopic('aborts');
    const producer = await writer.transaction('aborts');
    for (const [name, commits] of [
      ['A', false],
      ['good', true],
      ['B', false],
      ['fine', true],
      ['C', false],
    ] as const) {
      await producer.write({ topic: 'aborts', values: numbered(name, 10) });
      await (commits ? producer.commit() : producer.abort());
    }
    expect(await readAll('aborts')).toEqual([...numbered('good', 10), ...numbered('fine', 10)]);
    const all = await readAll('aborts', { isolation: 'read_uncommitted' });
    expect(all).toHaveLength(50);
  });

  it('that were aborted are not read when they come in many answers', async () => {
    await kafka.createTopic('long-abort');
    const producer = await writer.transaction('long-abort');
    for (let from = 0; from < 10_000; from += 1_000) {
      const values = numbered('aborted, and long enough to fill answers ', 1_000, from);
      await producer.write({ topic: 'long-abort', values });
    }
    await producer.abort();
    await producer.write({ topic: 'long-abort', values: ['good'] });
    await producer.commit();
    const properties = { 'max.partition.fetch.bytes': 65_536 };
    expect(await readAll('long-abort', { properties })).toEqual(['good']);
  });

  it('of several producers are told apart, with plain records between them', async () => {
    await kafka.createTopic('mixed');
    const [one, two] = [await writer.transaction('mixed-1'), await writer.transaction('mixed-2')];
    await one.write({ topic: 'mixed', values: ['one aborted'] });
    await two.write({ topic: 'mixed', values: ['two committed'] });
    await writer.write({ topic: 'mixed', values: ['plain'] });
    await one.abort();
    await two.write({ topic: 'mixed', values: ['two committed later'] });
    await one.write({ topic: 'mixed', values: ['one committed'] });
    await two.commit();
    await one.commit();
    const values = ['two committed', 'plain', 'two committed later', 'one committed'];
    expect(await readAll('mixed')).toEqual(values);
  });

  it('that are open hold back what is behind them, until they end', async () => {
    await kafka.createTopic('open');
    const producer = await writer.transaction('open');
    await writer.write({ topic: 'open', values: ['before'] });
    await producer.write({ topic: 'open', values: ['in it'] });
    await writer.write({ topic: 'open', values: ['behind'] });
    expect(await readAll('open')).toEqual(['before']);
    const driven = await read('open');
    await driven.until(() => driven.values.length === 1);
    await producer.commit();
    await driven.until(() => driven.values.length === 3);
    expect(driven.values).toEqual(['before', 'in it', 'behind']);
  });
});

describe('offsets', () => {
  it('go on in the middle of a batch, without what is before it', async () => {
    await kafka.createTopic('middle');
    await writer.write({ topic: 'middle', values: numbered('', 20) });
    const offsets = { 'middle-0': 7 };
    expect(await readAll('middle', { startFrom: { offsets } })).toEqual(numbered('', 13, 7));
    const compression = 'gzip';
    await kafka.createTopic('middle-packed');
    await writer.write({ topic: 'middle-packed', values: numbered('', 20), compression });
    const packed = { offsets: { 'middle-packed-0': 7 } };
    expect(await readAll('middle-packed', { startFrom: packed })).toEqual(numbered('', 13, 7));
  });

  it('stop in the middle of a batch, and are told exactly', async () => {
    await kafka.createTopic('stops');
    await writer.write({ topic: 'stops', values: numbered('', 20) });
    const bounded = { offsets: { 'stops-0': 7 } };
    const driven = await read('stops', { bounded, groupId: 'stops' });
    await driven.until(() => driven.hasEnded);
    expect(driven.values).toEqual(numbered('', 7));
    driven.snapshot(1);
    driven.completed(1);
    await driven.until(async () => (await writer.committed('stops', 'stops', [0]))[0] === 7);
  });

  it('move past control batches at the end, so that a bounded source ends', async () => {
    await kafka.createTopic('markers');
    const producer = await writer.transaction('markers');
    await producer.write({ topic: 'markers', values: ['a'] });
    await producer.commit();
    await producer.write({ topic: 'markers', values: ['b'] });
    await producer.abort();
    const driven = await read('markers', { bounded: 'latest', groupId: 'markers' });
    await driven.until(() => driven.hasEnded);
    expect(driven.values).toEqual(['a']);
    driven.snapshot(1);
    driven.completed(1);
    // a, its marker, b, its marker
    await driven.until(async () => (await writer.committed('markers', 'markers', [0]))[0] === 4);
  });

  it('move past control batches at the end of what is read for ever', async () => {
    await kafka.createTopic('endless');
    const producer = await writer.transaction('endless');
    await producer.write({ topic: 'endless', values: ['a'] });
    await producer.commit();
    const driven = await read('endless');
    await driven.until(() => driven.splits(driven.snapshot(1))[0]?.offset === 2);
    expect(driven.values).toEqual(['a']);
  });

  it('begin at the end, at a time, or at what the group has committed', async () => {
    await kafka.createTopic('begins');
    const topic = 'begins';
    const timestampMs = (index: number) => 1_000_000 + index * 1_000;
    await writer.write({ topic, values: numbered('', 10), timestampMs });
    const at = (startFrom: NonNullable<Options['startFrom']>, groupId?: string) =>
      readAll(topic, { startFrom, ...(groupId && { groupId }) });
    expect(await at('latest')).toEqual([]);
    expect(await at({ timestampMs: 1_005_500 })).toEqual(numbered('', 4, 6));
    expect(await at({ timestampMs: 9_000_000 })).toEqual([]);
    expect(await at({ committedOr: 'earliest' }, 'nobody')).toEqual(numbered('', 10));
    const failing = read(topic, { startFrom: 'committed', groupId: 'nobody' });
    await expect(failing).rejects.toMatchObject({ code: 'KAF-016' });
    const driven = await read(topic, {
      groupId: 'somebody',
      bounded: { offsets: { 'begins-0': 4 } },
    });
    await driven.until(() => driven.hasEnded);
    driven.snapshot(1);
    driven.completed(1);
    await driven.until(async () => (await writer.committed('somebody', topic, [0]))[0] === 4);
    expect(await at('committed', 'somebody')).toEqual(numbered('', 6, 4));
  });

  it('that "latest" meant are those of the start, also after a restore', async () => {
    await kafka.createTopic('latest');
    await writer.write({ topic: 'latest', values: ['old'] });
    const first = await read('latest', { startFrom: 'latest' });
    await first.until(() => first.splits(first.snapshot(1)).length === 1);
    const snapshot = first.snapshot(2);
    await first.stop();
    await writer.write({ topic: 'latest', values: ['between'] });
    const second = await read('latest', { startFrom: 'latest' }, { from: snapshot });
    await second.until(() => second.values.length === 1);
    expect(second.values).toEqual(['between']);
  });
});

describe('the group', () => {
  it('is told what a checkpoint holds when that one is complete, and not before', async () => {
    await kafka.createTopic('told', { partitions: 2 });
    for (const partition of [0, 1]) {
      await writer.write({ topic: 'told', partition, values: numbered('', 5 + partition) });
    }
    const committed = () => writer.committed('told', 'told', [0, 1]);
    const driven = await read('told', { groupId: 'told' });
    await driven.until(() => driven.values.length === 11);
    driven.snapshot(1);
    await writer.write({ topic: 'told', values: ['more'] });
    await driven.until(() => driven.values.length === 12);
    driven.snapshot(2);
    driven.snapshot(3);
    expect(await committed()).toEqual([-1, -1]);
    driven.completed(1);
    await driven.until(async () => (await committed())[0] === 5);
    expect(await committed()).toEqual([5, 6]);
    // Checkpoint 2 failed.
    driven.completed(3);
    await driven.until(async () => (await committed())[0] === 6);
    expect(await committed()).toEqual([6, 6]);
    // A word that comes late says nothing new.
    driven.completed(2);
    driven.completed(1);
    await writer.write({ topic: 'told', partition: 1, values: ['last'] });
    await driven.until(() => driven.values.length === 13);
    driven.snapshot(4);
    driven.completed(4);
    await driven.until(async () => (await committed())[1] === 7);
    expect(await committed()).toEqual([6, 7]);
  });
});

it('tells how far it is, under the names of Flink', async () => {
  await kafka.createTopic('measured', { partitions: 2 });
  await writer.write({ topic: 'measured', partition: 1, values: numbered('', 1_000) });
  const driven = await read('measured', { groupId: 'measured' });
  const metric = (name: string, partition?: string): number | undefined =>
    driven.readers[0]
      ?.metrics?.()
      .find(
        (one) =>
          one.name === name && (partition === undefined || one.groups?.[2]?.[1] === partition),
      )?.value;
  driven.paused = true;
  await driven.until(() => driven.values.length > 0);
  const read1 = driven.values.length;
  expect(metric('pendingRecords')).toBe(1_000 - read1);
  expect(metric('records-lag', '1')).toBe(1_000 - read1);
  expect(metric('currentOffset', '1')).toBe(read1 - 1);
  expect(metric('commitsSucceeded')).toBe(0);
  driven.paused = false;
  await driven.until(() => metric('pendingRecords') === 0);
  expect(driven.values).toHaveLength(1_000);
  driven.snapshot(1);
  driven.completed(1);
  await driven.until(() => metric('commitsSucceeded') === 1);
  expect(metric('committedOffset', '1')).toBe(1_000);
});

describe('partitions', () => {
  it('go evenly to the subtasks, and are found again by any number of them', async () => {
    await kafka.createTopic('shared', { partitions: 6 });
    for (let partition = 0; partition < 6; partition += 1) {
      await writer.write({ topic: 'shared', partition, values: numbered(`${partition}:`, 50) });
    }
    const first = await read('shared', {}, { parallelism: 3 });
    await first.until(() => first.values.length === 300);
    const subtasks = new Map(first.elements.map(({ splitId, subtask }) => [splitId, subtask]));
    expect([...subtasks.values()].sort()).toEqual([0, 0, 1, 1, 2, 2]);
    const snapshot = first.snapshot(1);
    await first.stop();
    for (let partition = 0; partition < 6; partition += 1) {
      await writer.write({ topic: 'shared', partition, values: [`new ${partition}`] });
    }
    const second = await read('shared', {}, { parallelism: 2, from: snapshot });
    await second.until(() => second.values.length === 6);
    expect(second.values.sort()).toEqual(numbered('new ', 6));
  });

  it('that are added are found while it runs, and read from their beginning', async () => {
    await kafka.createTopic('grows', { partitions: 1 });
    await writer.write({ topic: 'grows', values: ['first'] });
    const options: Options = { startFrom: 'latest', partitionDiscoveryIntervalMs: 50 };
    const driven = await read('grows', options, { parallelism: 2 });
    await driven.until(() => driven.splits(driven.snapshot(1)).length === 1);
    await writer.addPartitions('grows', 3);
    await driven.until(async () => (await writer.partitionCount('grows')) === 3);
    await writer.write({ topic: 'grows', partition: 1, values: ['second'] });
    await writer.write({ topic: 'grows', partition: 2, values: ['third'] });
    await driven.until(() => driven.values.length === 2);
    expect(driven.values.sort()).toEqual(['second', 'third']);
    const snapshot = driven.snapshot(2);
    expect(driven.splits(snapshot)).toHaveLength(3);
    await driven.stop();
    const again = await read('grows', options, { from: snapshot });
    await writer.write({ topic: 'grows', partition: 2, values: ['fourth'] });
    await again.until(() => again.values.length === 1);
    expect(again.values).toEqual(['fourth']);
  });

  it('of topics that a pattern matches are found as the topics appear', async () => {
    await kafka.createTopic('pattern-a');
    await kafka.createTopic('not-pattern-a');
    await writer.write({ topic: 'pattern-a', values: ['a'] });
    await writer.write({ topic: 'not-pattern-a', values: ['no'] });
    const options = { topicPattern: /pattern-./, partitionDiscoveryIntervalMs: 50 };
    const driven = await read('', options);
    await driven.until(() => driven.values.length === 1);
    await kafka.createTopic('pattern-b');
    await writer.write({ topic: 'pattern-b', values: ['b'] });
    await driven.until(() => driven.values.length === 2);
    expect(driven.values).toEqual(['a', 'b']);
  });
});

describe('data that is gone', () => {
  async function outrun(topic: string) {
    await kafka.createTopic(topic);
    await writer.write({ topic, values: numbered('', 10) });
    const first = await read(topic);
    await first.until(() => first.values.length === 10);
    const early = first.splits(first.snapshot(1))[0];
    const snapshot = first.snapshot(2);
    await first.stop();
    expect(early?.offset).toBe(10);
    await writer.write({ topic, values: numbered('', 10, 10) });
    await writer.write({ topic, values: numbered('', 10, 20) });
    await writer.deleteRecords(topic, 0, 20);
    return snapshot;
  }

  it('fails the job, which says what there is', async () => {
    const driven = await read('', { topics: ['gone'] }, { from: await outrun('gone') });
    expect(await driven.untilFailed()).toMatchObject({
      code: 'KAF-014',
      details: { partition: 'gone-0', offset: 10, earliest: 20 },
    });
  });

  it('is passed over if the job says so', async () => {
    const from = await outrun('gone-earliest');
    const options: Options = { topics: ['gone-earliest'], onOffsetOutOfRange: 'earliest' };
    const driven = await read('', options, { from });
    await driven.until(() => driven.values.length === 10);
    expect(driven.values).toEqual(numbered('', 10, 20));
  });

  it('is passed over with all that is there, if the job says so', async () => {
    const from = await outrun('gone-latest');
    const options: Options = { topics: ['gone-latest'], onOffsetOutOfRange: 'latest' };
    const driven = await read('', options, { from });
    await driven.until(() => driven.splits(driven.snapshot(3))[0]?.offset === 30);
    await writer.write({ topic: 'gone-latest', values: ['next'] });
    await driven.until(() => driven.values.length === 1);
    expect(driven.values).toEqual(['next']);
  });

  it('is no failure for a partition of which nothing was read yet', async () => {
    await kafka.createTopic('early');
    await writer.write({ topic: 'early', values: numbered('', 10) });
    const first = await read('early');
    first.paused = true;
    await first.until(() => first.splits(first.snapshot(1)).length === 1);
    const snapshot = first.snapshot(2);
    await first.stop();
    if (first.values.length > 0) throw new TypeError('it was not paused in time');
    await writer.write({ topic: 'early', values: ['new'] });
    await writer.deleteRecords('early', 0, 10);
    const second = await read('early', {}, { from: snapshot });
    await second.until(() => second.values.length === 1);
    expect(second.values).toEqual(['new']);
  });

  it('of a topic that was made anew is another topic', async () => {
    await kafka.createTopic('anew');
    await writer.write({ topic: 'anew', values: numbered('', 3) });
    const first = await read('anew');
    await first.until(() => first.values.length === 3);
    const snapshot = first.snapshot(1);
    await first.stop();
    await writer.deleteTopic('anew');
    await kafka.createTopic('anew');
    await writer.write({ topic: 'anew', values: numbered('new ', 5) });
    const strict = await read('anew', {}, { from: snapshot });
    expect(await strict.untilFailed()).toMatchObject({ code: 'KAF-015' });
    const options: Options = { onOffsetOutOfRange: 'earliest' };
    const lenient = await read('anew', options, { from: snapshot });
    await lenient.until(() => lenient.values.length === 5);
    expect(lenient.values).toEqual(numbered('new ', 5));
  });
});

describe('what cannot be read', () => {
  const Order = z.object({ id: z.int() });
  const lines = ['{"id":1}', 'no json', '{"id":"x"}', null, '{"id":4}'];

  async function orders<B>(topic: string, onInvalid?: OnInvalidRecord<B>) {
    await kafka.createTopic(topic);
    await writer.write({ topic, values: lines, headers: { h: '1' } });
    const source = kafkaSource({
      brokers: kafka.bootstrap,
      topics: topic,
      bounded: 'latest',
      deserializer: fromJson(Order),
      ...(onInvalid === undefined ? {} : { onInvalid }),
    });
    const driven = await new DrivenSource(source, 1).start();
    running.push(driven);
    return driven;
  }

  it('fails the job, and the error says where it is', async () => {
    const driven = await orders('bad');
    expect(await driven.untilFailed()).toMatchObject({
      code: 'KAF-011',
      details: { topic: 'bad', partition: 0, offset: 1 },
    });
    expect(driven.values).toEqual([{ id: 1 }]);
  });

  it('is left out', async () => {
    const driven = await orders('bad-skip', 'skip');
    await driven.until(() => driven.hasEnded);
    expect(driven.values).toEqual([{ id: 1 }, { id: 4 }]);
  });

  it('becomes a value with its bytes and its reason', async () => {
    const driven = await orders('bad-dlq', (record) => record);
    await driven.until(() => driven.hasEnded);
    expect(driven.values).toMatchObject([
      { id: 1 },
      { topic: 'bad-dlq', partition: 0, offset: 1, reason: expect.stringContaining('JSON') },
      {
        offset: 2,
        reason: expect.stringContaining('id: '),
        value: new Uint8Array(Buffer.from('{"id":"x"}')),
      },
      { id: 4 },
    ]);
  });
});

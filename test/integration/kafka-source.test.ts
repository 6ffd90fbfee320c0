/*
 * Goal: each committed record of a topic is read once, whatever the topic holds: aborted transactions, batches
 * that begin before the offset, control batches, codecs, gaps.
 * Method: a real broker; the source is driven as tasks drive it. Records are written with the plainest requests
 * of the protocol, so that each test says which batches and transactions there are.
 * Needs: Java 17 or later and Maven; Kafka is fetched once.
 * Replay: npm run test:integration -- kafka-source
 */
import { beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { systemClock } from '../../src/common/clock.ts';
import { nodeFileSystem } from '../../src/common/node-file-system.ts';
import { systemRandom } from '../../src/common/random.ts';
import {
  fromJson,
  fromString,
  kafkaSource,
  type OnInvalidRecord,
} from '../../src/connectors/kafka/kafka.ts';
import { SourceRun, type SourceSnapshot } from '../conformance/source.ts';
import { KafkaFixture, numbered } from '../support/kafka-fixture.ts';

const broker = new KafkaFixture();

describe('a topic', () => {
  it('is read in the order of its partitions, to where it ended at the start', async () => {
    await broker.kafka.createTopic('plain', { partitions: 3 });
    for (let partition = 0; partition < 3; partition += 1) {
      for (const from of [0, 100]) {
        const values = numbered(`${partition}:`, 100, from);
        await broker.writer.write({ topic: 'plain', partition, values });
      }
    }
    const values = await broker.readAll('plain');
    for (const partition of ['0', '1', '2']) {
      const own = values.filter((value) => value.startsWith(partition));
      expect(own).toEqual(numbered(`${partition}:`, 200));
    }
    expect(values).toHaveLength(600);
  });

  it('has keys, headers, timestamps and offsets for the deserializer', async () => {
    await broker.kafka.createTopic('whole');
    const headers = { trace: 'ä1', empty: '' };
    const timestampMs = (index: number) => 1_700_000_000_000 - index * 700_000_000;
    const key = (_value: string | null, index: number) => `k${index}`;
    const values = ['a', '', null, 'd'];
    await broker.writer.write({ topic: 'whole', values, key, timestampMs, headers });
    const source = kafkaSource({
      brokers: broker.kafka.bootstrap,
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
    const driven = await broker.run(source);
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
    await broker.kafka.createTopic('appended', {
      configs: { 'message.timestamp.type': 'LogAppendTime' },
    });
    const beforeMs = systemClock.wallMs();
    await broker.writer.write({ topic: 'appended', values: ['a', 'b'], timestampMs: () => 5 });
    const driven = await broker.read('appended', { bounded: 'latest' });
    await driven.until(() => driven.hasEnded);
    for (const { timestampMs } of driven.elements) {
      expect(timestampMs).toBeGreaterThanOrEqual(beforeMs - 1);
    }
  });

  it.each(['gzip', 'snappy', 'lz4', 'zstd'] as const)(
    'is read when the broker compresses with %s',
    async (codec) => {
      const topic = `packed-${codec}`;
      await broker.kafka.createTopic(topic, { configs: { 'compression.type': codec } });
      for (let from = 0; from < 5_000; from += 1_000) {
        await broker.writer.write({ topic, values: numbered('value ', 1_000, from) });
      }
      expect(await broker.readAll(topic)).toEqual(numbered('value ', 5_000));
    },
  );

  it.each(['gzip', 'snappy', 'lz4', 'zstd'] as const)(
    'is read when the producer compresses with %s',
    async (compression) => {
      const topic = `sent-${compression}`;
      await broker.kafka.createTopic(topic);
      await broker.writer.write({ topic, values: numbered('value ', 1_000), compression });
      expect(await broker.readAll(topic)).toEqual(numbered('value ', 1_000));
    },
  );
});

describe('a snapshot', () => {
  const COUNT = 30;

  beforeAll(async () => {
    await broker.kafka.createTopic('conforms', { partitions: 3 });
    const producer = await broker.writer.transaction('conforms');
    for (let id = 0; id < COUNT; id += 5) {
      const [topic, partition] = ['conforms', (id / 5) % 3];
      await producer.write({ topic, partition, values: numbered('aborted', 3) });
      await producer.abort();
      await producer.write({ topic, partition, values: numbered('', 2, id) });
      await producer.commit();
      const values = numbered('', 3, id + 2);
      await broker.writer.write({ topic, partition, values, compression: 'lz4' });
    }
  });

  // The driver of test/conformance, whose simulated world has no broker, in the real one.
  it.each(Array.from({ length: COUNT + 1 }, (_, stopAfter) => stopAfter))(
    'after %d records has what is left, in any number of subtasks',
    async (stopAfter) => {
      const pairs = [
        [1, 3],
        [3, 1],
        [2, 3],
      ] as const;
      const [before, after] = pairs[stopAfter % 3] ?? pairs[0];
      const world = { clock: systemClock, random: systemRandom, fs: nodeFileSystem };
      const values: string[] = [];
      let from: SourceSnapshot = { enumerator: undefined, splits: [] };
      for (const [parallelism, stop] of [
        [before, stopAfter],
        [after, Infinity],
      ] as const) {
        const source = kafkaSource({
          brokers: broker.kafka.bootstrap,
          topics: 'conforms',
          bounded: 'latest',
          deserializer: fromString(),
        });
        const run = new SourceRun(source, world, parallelism, systemRandom);
        const { emitted, taken } = await run.run(from, stop);
        values.push(...emitted);
        from = taken;
      }
      expect(values.map(Number).sort((a, b) => a - b)).toEqual(numbered('', COUNT).map(Number));
    },
  );
});

describe('transactions', () => {
  it('that were aborted are not read, several of one producer in one answer', async () => {
    await broker.kafka.createTopic('aborts');
    const producer = await broker.writer.transaction('aborts');
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
    expect(await broker.readAll('aborts')).toEqual([
      ...numbered('good', 10),
      ...numbered('fine', 10),
    ]);
    const all = await broker.readAll('aborts', { isolation: 'read_uncommitted' });
    expect(all).toHaveLength(50);
  });

  it('that were aborted are not read when they come in many answers', async () => {
    await broker.kafka.createTopic('long-abort');
    const producer = await broker.writer.transaction('long-abort');
    for (let from = 0; from < 10_000; from += 1_000) {
      const values = numbered('aborted, and long enough to fill answers ', 1_000, from);
      await producer.write({ topic: 'long-abort', values });
    }
    await producer.abort();
    await producer.write({ topic: 'long-abort', values: ['good'] });
    await producer.commit();
    const properties = { 'max.partition.fetch.bytes': 65_536 };
    expect(await broker.readAll('long-abort', { properties })).toEqual(['good']);
  });

  it('of several producers are told apart, with plain records between them', async () => {
    await broker.kafka.createTopic('mixed');
    const [one, two] = [
      await broker.writer.transaction('mixed-1'),
      await broker.writer.transaction('mixed-2'),
    ];
    await one.write({ topic: 'mixed', values: ['one aborted'] });
    await two.write({ topic: 'mixed', values: ['two committed'] });
    await broker.writer.write({ topic: 'mixed', values: ['plain'] });
    await one.abort();
    await two.write({ topic: 'mixed', values: ['two committed later'] });
    await one.write({ topic: 'mixed', values: ['one committed'] });
    await two.commit();
    await one.commit();
    const values = ['two committed', 'plain', 'two committed later', 'one committed'];
    expect(await broker.readAll('mixed')).toEqual(values);
  });

  it('that are open hold back what is behind them, until they end', async () => {
    await broker.kafka.createTopic('open');
    const producer = await broker.writer.transaction('open');
    await broker.writer.write({ topic: 'open', values: ['before'] });
    await producer.write({ topic: 'open', values: ['in it'] });
    await broker.writer.write({ topic: 'open', values: ['behind'] });
    expect(await broker.readAll('open')).toEqual(['before']);
    const driven = await broker.read('open');
    await driven.until(() => driven.values.length === 1);
    await producer.commit();
    await driven.until(() => driven.values.length === 3);
    expect(driven.values).toEqual(['before', 'in it', 'behind']);
  });
});

describe('what cannot be read', () => {
  const Order = z.object({ id: z.int() });
  const lines = ['{"id":1}', 'no json', '{"id":"x"}', null, '{"id":4}'];

  async function orders<B>(topic: string, onInvalid?: OnInvalidRecord<B>) {
    await broker.kafka.createTopic(topic);
    await broker.writer.write({ topic, values: lines, headers: { h: '1' } });
    const source = kafkaSource({
      brokers: broker.kafka.bootstrap,
      topics: topic,
      bounded: 'latest',
      deserializer: fromJson(Order),
      ...(onInvalid === undefined ? {} : { onInvalid }),
    });
    const driven = await broker.run(source);
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

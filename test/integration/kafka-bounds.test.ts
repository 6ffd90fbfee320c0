/*
 * Goal: where a source ends is what its settings say, also for a job that is restored from a snapshot of a run with another
 * end or with none: nothing is left out, nothing is read twice, and it ends.
 * Method: a real broker; the source is driven as tasks drive it.
 * Needs: Java 17 or later and Maven; Kafka is fetched once.
 * Replay: npm run test:integration -- kafka-bounds
 */
import { describe, expect, it } from 'vitest';
import { KafkaFixture, numbered, type TextOptions } from '../support/kafka-fixture.ts';

const broker = new KafkaFixture();

const LATEST: TextOptions = { bounded: 'latest' };

type Driven = Awaited<ReturnType<typeof broker.read>>;
type From = ReturnType<Driven['snapshot']>;

/** Reads to the end; what came, and the state then. */
async function toTheEnd(topic: string, options: TextOptions, from?: From) {
  const driven = await broker.read(topic, options, from === undefined ? {} : { from });
  await driven.until(() => driven.hasEnded);
  return { values: driven.values, state: driven.snapshot(1) };
}

async function endless(topic: string, count: number, from?: From) {
  const driven = await broker.read(topic, {}, from === undefined ? {} : { from });
  await driven.until(() => driven.values.length >= count);
  const state = driven.snapshot(1);
  await driven.stop();
  return { values: driven.values, state };
}

describe('a run with an end', () => {
  it('ends, from the snapshot of one without, at what is there when it starts', async () => {
    const topic = 'caught-up';
    await broker.kafka.createTopic(topic, { partitions: 2 });
    await broker.writer.write({ topic, values: numbered('a', 5) });
    const { state } = await endless(topic, 5);
    await broker.writer.write({ topic, values: numbered('b', 5) });
    await broker.writer.write({ topic, partition: 1, values: numbered('c', 5) });
    const caughtUp = await toTheEnd(topic, LATEST, state);
    expect(caughtUp.values.sort()).toEqual([...numbered('b', 5), ...numbered('c', 5)]);
    // The end is looked up once: a restart does not move it.
    await broker.writer.write({ topic, values: numbered('d', 5) });
    const again = await toTheEnd(topic, LATEST, caughtUp.state);
    expect(again.values).toEqual([]);
  });

  it('finds the partitions that came while the one without an end was down', async () => {
    const topic = 'grown';
    await broker.kafka.createTopic(topic);
    await broker.writer.write({ topic, values: ['a'] });
    const { state } = await endless(topic, 1);
    await broker.writer.addPartitions(topic, 2);
    await broker.writer.write({ topic, partition: 1, values: ['b'] });
    const grown = await toTheEnd(topic, LATEST, state);
    expect(grown.values).toEqual(['b']);
    await broker.writer.addPartitions(topic, 3);
    await broker.writer.write({ topic, partition: 2, values: ['c'] });
    expect((await toTheEnd(topic, LATEST, grown.state)).values).toEqual([]);
  });

  it('is gone on with by one without an end, also in partitions that were at theirs', async () => {
    const topic = 'gone-on';
    await broker.kafka.createTopic(topic, { partitions: 2 });
    await broker.writer.write({ topic, values: numbered('a', 5) });
    const ended = await toTheEnd(topic, LATEST);
    expect(ended.values).toEqual(numbered('a', 5));
    await broker.writer.write({ topic, values: numbered('b', 3) });
    await broker.writer.write({ topic, partition: 1, values: numbered('c', 3) });
    const { values } = await endless(topic, 6, ended.state);
    expect(values.sort()).toEqual([...numbered('b', 3), ...numbered('c', 3)]);
  });

  it('goes on to a later end, when that one is asked for', async () => {
    const topic = 'piecewise';
    await broker.kafka.createTopic(topic);
    await broker.writer.write({ topic, values: numbered('', 20) });
    const to = (offset: number): TextOptions => ({
      bounded: { offsets: { [`${topic}-0`]: offset } },
    });
    const first = await toTheEnd(topic, to(7));
    expect(first.values).toEqual(numbered('', 7));
    const second = await toTheEnd(topic, to(15), first.state);
    expect(second.values).toEqual(numbered('', 8, 7));
    // An end that is behind us is no way back.
    const back = await toTheEnd(topic, to(3), second.state);
    expect(back.values).toEqual([]);
    const third = await toTheEnd(topic, LATEST, back.state);
    expect(third.values).toEqual(numbered('', 5, 15));
  });

  it('that was stopped before its end was looked up looks it up later', async () => {
    const topic = 'early-stop';
    await broker.kafka.createTopic(topic);
    await broker.writer.write({ topic, values: numbered('', 5) });
    const { state } = await endless(topic, 5);
    const driven = await broker.read(topic, LATEST, { from: state });
    // In the same turn: no leader is known yet.
    const early = driven.snapshot(1);
    await driven.stop();
    await broker.writer.write({ topic, values: ['later'] });
    const { values } = await toTheEnd(topic, LATEST, early);
    expect(['', 'later']).toContain(values.join());
  });
});

describe('a batch that unpacks to more than it may', () => {
  it('fails the job, which says where', async () => {
    const topic = 'bomb';
    await broker.kafka.createTopic(topic);
    await broker.writer.write({ topic, values: ['small'] });
    await broker.writer.write({
      topic,
      values: Array.from({ length: 40 }, () => 'x'.repeat(500_000)),
      compression: 'gzip',
    });
    const driven = await broker.read(topic, { decompressedBytesMax: 1_000_000 });
    expect(await driven.untilFailed()).toMatchObject({
      code: 'KAF-020',
      details: { partition: 'bomb-0', offset: 1, bytesMax: 1_000_000 },
    });
    expect(driven.values).toEqual(['small']);
    expect(await broker.readAll(topic)).toHaveLength(41);
  });
});

/*
 * Goal: the source knows where it is: it begins and ends where it is told to, goes on after each snapshot, finds new
 * partitions, tells the group what is complete, and says when data is gone.
 * Method: a real broker; the source is driven as tasks drive it.
 * Needs: Java 17 or later and Maven; Kafka is fetched once.
 * Replay: npm run test:integration -- kafka-offsets
 */
import { describe, expect, it } from 'vitest';
import { KafkaFixture, numbered, type TextOptions } from '../support/kafka-fixture.ts';

const broker = new KafkaFixture();

type Driven = Awaited<ReturnType<typeof broker.read>>;

function metricOf(driven: Driven, name: string, partition?: string): number | undefined {
  const metrics = driven.readers[0]?.metrics?.() ?? [];
  return metrics.find(
    (one) => one.name === name && (partition === undefined || one.groups?.[2]?.[1] === partition),
  )?.value;
}

describe('offsets', () => {
  it('go on in the middle of a batch, without what is before it', async () => {
    await broker.kafka.createTopic('middle');
    await broker.writer.write({ topic: 'middle', values: numbered('', 20) });
    const offsets = { 'middle-0': 7 };
    expect(await broker.readAll('middle', { startFrom: { offsets } })).toEqual(numbered('', 13, 7));
    const compression = 'gzip';
    await broker.kafka.createTopic('middle-packed');
    await broker.writer.write({ topic: 'middle-packed', values: numbered('', 20), compression });
    const packed = { offsets: { 'middle-packed-0': 7 } };
    expect(await broker.readAll('middle-packed', { startFrom: packed })).toEqual(
      numbered('', 13, 7),
    );
  });

  it('stop in the middle of a batch, and are told exactly', async () => {
    await broker.kafka.createTopic('stops');
    await broker.writer.write({ topic: 'stops', values: numbered('', 20) });
    const bounded = { offsets: { 'stops-0': 7 } };
    const driven = await broker.read('stops', { bounded, groupId: 'stops' });
    await driven.until(() => driven.hasEnded);
    expect(driven.values).toEqual(numbered('', 7));
    driven.snapshot(1);
    driven.completed(1);
    await driven.until(async () => (await broker.writer.committed('stops', 'stops', [0]))[0] === 7);
  });

  it('move past control batches at the end, so that a bounded source ends', async () => {
    await broker.kafka.createTopic('markers');
    const producer = await broker.writer.transaction('markers');
    await producer.write({ topic: 'markers', values: ['a'] });
    await producer.commit();
    await producer.write({ topic: 'markers', values: ['b'] });
    await producer.abort();
    const driven = await broker.read('markers', { bounded: 'latest', groupId: 'markers' });
    await driven.until(() => driven.hasEnded);
    expect(driven.values).toEqual(['a']);
    driven.snapshot(1);
    driven.completed(1);
    // a, its marker, b, its marker
    await driven.until(
      async () => (await broker.writer.committed('markers', 'markers', [0]))[0] === 4,
    );
  });

  it('move past control batches at the end of what is read for ever', async () => {
    await broker.kafka.createTopic('endless');
    const producer = await broker.writer.transaction('endless');
    await producer.write({ topic: 'endless', values: ['a'] });
    await producer.commit();
    const driven = await broker.read('endless');
    await driven.until(() => driven.splits(driven.snapshot(1))[0]?.offset === 2);
    expect(driven.values).toEqual(['a']);
  });

  it('begin at the end, at a time, or at what the group has committed', async () => {
    await broker.kafka.createTopic('begins');
    const topic = 'begins';
    const timestampMs = (index: number) => 1_000_000 + index * 1_000;
    await broker.writer.write({ topic, values: numbered('', 10), timestampMs });
    const at = (startFrom: NonNullable<TextOptions['startFrom']>, groupId?: string) =>
      broker.readAll(topic, { startFrom, ...(groupId && { groupId }) });
    expect(await at('latest')).toEqual([]);
    expect(await at({ timestampMs: 1_005_500 })).toEqual(numbered('', 4, 6));
    expect(await at({ timestampMs: 9_000_000 })).toEqual([]);
    expect(await at({ committedOr: 'earliest' }, 'nobody')).toEqual(numbered('', 10));
    const failing = broker.read(topic, { startFrom: 'committed', groupId: 'nobody' });
    await expect(failing).rejects.toMatchObject({ code: 'KAF-016' });
    const driven = await broker.read(topic, {
      groupId: 'somebody',
      bounded: { offsets: { 'begins-0': 4 } },
    });
    await driven.until(() => driven.hasEnded);
    driven.snapshot(1);
    driven.completed(1);
    await driven.until(
      async () => (await broker.writer.committed('somebody', topic, [0]))[0] === 4,
    );
    expect(await at('committed', 'somebody')).toEqual(numbered('', 6, 4));
  });

  it('that "latest" meant are those of the start, also after a restore', async () => {
    await broker.kafka.createTopic('latest');
    await broker.writer.write({ topic: 'latest', values: ['old'] });
    const first = await broker.read('latest', { startFrom: 'latest' });
    await first.until(() => first.splits(first.snapshot(1)).length === 1);
    const snapshot = first.snapshot(2);
    await first.stop();
    await broker.writer.write({ topic: 'latest', values: ['between'] });
    const second = await broker.read('latest', { startFrom: 'latest' }, { from: snapshot });
    await second.until(() => second.values.length === 1);
    expect(second.values).toEqual(['between']);
  });
});

describe('the group', () => {
  it('is told what a checkpoint holds when that one is complete, and not before', async () => {
    await broker.kafka.createTopic('told', { partitions: 2 });
    for (const partition of [0, 1]) {
      await broker.writer.write({ topic: 'told', partition, values: numbered('', 5 + partition) });
    }
    const committed = () => broker.writer.committed('told', 'told', [0, 1]);
    const driven = await broker.read('told', { groupId: 'told' });
    await driven.until(() => driven.values.length === 11);
    driven.snapshot(1);
    await broker.writer.write({ topic: 'told', values: ['more'] });
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
    await broker.writer.write({ topic: 'told', partition: 1, values: ['last'] });
    await driven.until(() => driven.values.length === 13);
    driven.snapshot(4);
    driven.completed(4);
    await driven.until(async () => (await committed())[1] === 7);
    expect(await committed()).toEqual([6, 7]);
    // Its answer comes after it can be seen.
    await driven.until(() => metricOf(driven, 'commitsSucceeded') === 3);
  });

  it('is told the newest, in order, when several are complete while the broker hangs', async () => {
    await broker.kafka.createTopic('hangs');
    const driven = await broker.read('hangs', { groupId: 'hangs' });
    for (const checkpointId of [1, 2, 3]) {
      await broker.writer.write({ topic: 'hangs', values: ['value'] });
      await driven.until(() => driven.values.length === checkpointId);
      driven.snapshot(checkpointId);
    }
    broker.kafka.pause();
    for (const checkpointId of [1, 2, 3]) driven.completed(checkpointId);
    broker.kafka.resume();
    await driven.until(() => metricOf(driven, 'commitsSucceeded') === 2);
    expect(await broker.writer.committed('hangs', 'hangs', [0])).toEqual([3]);
    expect(metricOf(driven, 'commitsFailed')).toBe(0);
  });
});

it('tells how far it is, under the names of Flink', async () => {
  await broker.kafka.createTopic('measured', { partitions: 2 });
  await broker.writer.write({ topic: 'measured', partition: 1, values: numbered('', 1_000) });
  const driven = await broker.read('measured', { groupId: 'measured' });
  driven.pauseAt = 300;
  const metric = (name: string, partition?: string) => metricOf(driven, name, partition);
  await driven.until(() => driven.paused);
  expect(metric('pendingRecords')).toBe(700);
  expect(metric('records-lag', '1')).toBe(700);
  expect(metric('currentOffset', '1')).toBe(299);
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
    await broker.kafka.createTopic('shared', { partitions: 6 });
    for (let partition = 0; partition < 6; partition += 1) {
      await broker.writer.write({
        topic: 'shared',
        partition,
        values: numbered(`${partition}:`, 50),
      });
    }
    const first = await broker.read('shared', {}, { parallelism: 3 });
    await first.until(() => first.values.length === 300);
    const subtasks = new Map(first.elements.map(({ splitId, subtask }) => [splitId, subtask]));
    expect([...subtasks.values()].sort()).toEqual([0, 0, 1, 1, 2, 2]);
    const snapshot = first.snapshot(1);
    await first.stop();
    for (let partition = 0; partition < 6; partition += 1) {
      await broker.writer.write({ topic: 'shared', partition, values: [`new ${partition}`] });
    }
    const second = await broker.read('shared', {}, { parallelism: 2, from: snapshot });
    await second.until(() => second.values.length === 6);
    expect(second.values.sort()).toEqual(numbered('new ', 6));
  });

  it('that are added are found while it runs, and read from their beginning', async () => {
    await broker.kafka.createTopic('grows', { partitions: 1 });
    await broker.writer.write({ topic: 'grows', values: ['first'] });
    const options: TextOptions = { startFrom: 'latest', partitionDiscoveryIntervalMs: 50 };
    const driven = await broker.read('grows', options, { parallelism: 2 });
    await driven.until(() => driven.splits(driven.snapshot(1)).length === 1);
    await broker.writer.addPartitions('grows', 3);
    await driven.until(async () => (await broker.writer.partitionCount('grows')) === 3);
    await broker.writer.write({ topic: 'grows', partition: 1, values: ['second'] });
    await broker.writer.write({ topic: 'grows', partition: 2, values: ['third'] });
    await driven.until(() => driven.values.length === 2);
    expect(driven.values.sort()).toEqual(['second', 'third']);
    const snapshot = driven.snapshot(2);
    expect(driven.splits(snapshot)).toHaveLength(3);
    await driven.stop();
    // It is down, and the end is not where it was: "latest" must not be looked up again.
    await broker.writer.addPartitions('grows', 4);
    await broker.writer.write({ topic: 'grows', partition: 3, values: ['fourth'] });
    await broker.writer.write({ topic: 'grows', partition: 2, values: ['fifth'] });
    const again = await broker.read('grows', options, { from: snapshot });
    await again.until(() => again.values.length === 2);
    expect(again.values.sort()).toEqual(['fifth', 'fourth']);
  });

  it('of topics that a pattern matches are found as the topics appear', async () => {
    await broker.kafka.createTopic('pattern-a');
    await broker.kafka.createTopic('not-pattern-a');
    await broker.writer.write({ topic: 'pattern-a', values: ['a'] });
    await broker.writer.write({ topic: 'not-pattern-a', values: ['no'] });
    const options = { topicPattern: /pattern-./, partitionDiscoveryIntervalMs: 50 };
    const driven = await broker.read('', options);
    await driven.until(() => driven.values.length === 1);
    await broker.kafka.createTopic('pattern-b');
    await broker.writer.write({ topic: 'pattern-b', values: ['b'] });
    await driven.until(() => driven.values.length === 2);
    expect(driven.values).toEqual(['a', 'b']);
  });
});

describe('data that is gone', () => {
  async function outrun(topic: string) {
    await broker.kafka.createTopic(topic);
    await broker.writer.write({ topic, values: numbered('', 10) });
    const first = await broker.read(topic);
    await first.until(() => first.values.length === 10);
    const early = first.splits(first.snapshot(1))[0];
    const snapshot = first.snapshot(2);
    await first.stop();
    expect(early?.offset).toBe(10);
    await broker.writer.write({ topic, values: numbered('', 10, 10) });
    await broker.writer.write({ topic, values: numbered('', 10, 20) });
    await broker.writer.deleteRecords(topic, 0, 20);
    return snapshot;
  }

  it('fails the job, which says what there is', async () => {
    const driven = await broker.read('', { topics: ['gone'] }, { from: await outrun('gone') });
    expect(await driven.untilFailed()).toMatchObject({
      code: 'KAF-014',
      details: { partition: 'gone-0', offset: 10, earliest: 20 },
    });
  });

  it('is passed over if the job says so', async () => {
    const from = await outrun('gone-earliest');
    const options: TextOptions = { topics: ['gone-earliest'], onOffsetOutOfRange: 'earliest' };
    const driven = await broker.read('', options, { from });
    await driven.until(() => driven.values.length === 10);
    expect(driven.values).toEqual(numbered('', 10, 20));
  });

  it('is passed over with all that is there, if the job says so', async () => {
    const from = await outrun('gone-latest');
    const options: TextOptions = { topics: ['gone-latest'], onOffsetOutOfRange: 'latest' };
    const driven = await broker.read('', options, { from });
    await driven.until(() => driven.splits(driven.snapshot(3))[0]?.offset === 30);
    await broker.writer.write({ topic: 'gone-latest', values: ['next'] });
    await driven.until(() => driven.values.length === 1);
    expect(driven.values).toEqual(['next']);
  });

  it('is no failure for a partition of which nothing was read yet', async () => {
    await broker.kafka.createTopic('early');
    await broker.writer.write({ topic: 'early', values: numbered('', 10) });
    const first = await broker.read('early', {}, { paused: true });
    await first.until(() => first.splits(first.snapshot(1)).length === 1);
    const snapshot = first.snapshot(2);
    await first.stop();
    await broker.writer.write({ topic: 'early', values: ['new'] });
    await broker.writer.deleteRecords('early', 0, 10);
    const second = await broker.read('early', {}, { from: snapshot });
    await second.until(() => second.values.length === 1);
    expect(second.values).toEqual(['new']);
  });

  it('fails the job in the end when the topic was deleted', async () => {
    await broker.kafka.createTopic('deleted');
    await broker.writer.write({ topic: 'deleted', values: ['last'] });
    const driven = await broker.read('deleted', { unavailableAfterMs: 10_000 });
    await driven.until(() => driven.values.length === 1);
    await broker.writer.deleteTopic('deleted');
    expect(await driven.untilFailed()).toMatchObject({ code: 'KAF-007' });
  });

  it('of a topic that was made anew is another topic', async () => {
    await broker.kafka.createTopic('anew');
    await broker.writer.write({ topic: 'anew', values: numbered('', 3) });
    const first = await broker.read('anew');
    await first.until(() => first.values.length === 3);
    const snapshot = first.snapshot(1);
    await first.stop();
    await broker.writer.deleteTopic('anew');
    await broker.kafka.createTopic('anew');
    await broker.writer.write({ topic: 'anew', values: numbered('new ', 5) });
    const strict = await broker.read('anew', {}, { from: snapshot });
    expect(await strict.untilFailed()).toMatchObject({ code: 'KAF-015' });
    const options: TextOptions = { onOffsetOutOfRange: 'earliest' };
    const lenient = await broker.read('anew', options, { from: snapshot });
    await lenient.until(() => lenient.values.length === 5);
    expect(lenient.values).toEqual(numbered('new ', 5));
  });
});

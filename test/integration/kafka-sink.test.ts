/**
 * Goal: what a reader of committed records sees is, at every moment, each record at most once, and in the
 * end each once, whatever dies: writers, committers, the broker; and where output is lost, the job is told.
 * Method: writers and committers of the sink against a real broker, whose checkpoints the test keeps; each
 * trap of Kafka's transactions that could lose or double records has a test.
 * Replay: the test's name; nothing is random but the names of topics.
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startKafka, type Kafka } from '../../scripts/services/kafka.ts';
import { SERVICE_SETUP_MS } from '../../scripts/services/service.ts';
import { systemClock } from '../../src/common/clock.ts';
import { nodeFileSystem } from '../../src/common/node-file-system.ts';
import { systemRandom } from '../../src/common/random.ts';
import { kafkaSink } from '../../src/connectors/kafka/sink/kafka-sink.ts';
import type { KafkaSinkOptions } from '../../src/connectors/kafka/sink/sink-options.ts';
import { recordsOf } from '../support/kafka-records.ts';
import {
  eventually,
  type Numbered,
  prepared,
  range,
  SinkUnderTest,
  untilAnswered,
  writeAll,
} from '../support/kafka-sink-under-test.ts';

const world = { clock: systemClock, random: systemRandom, fs: nodeFileSystem };
let folder: string;
let kafka: Kafka;
let topics = 0;

beforeAll(async () => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'kafka-sink-'));
  // Timed out transactions are looked for often, so that a test need not wait for one.
  const properties = { 'transaction.abort.timed.out.transaction.cleanup.interval.ms': '500' };
  kafka = await startKafka({ folder, properties });
}, SERVICE_SETUP_MS);

afterAll(async () => {
  await kafka.stop();
  fs.rmSync(folder, { recursive: true, force: true });
});

const make = (options?: Partial<KafkaSinkOptions<Numbered>>, partitions?: number) =>
  SinkUnderTest.make(() => kafka, options, partitions);

describe('a transaction', () => {
  test('is seen when another process has committed it, and not before', async () => {
    const job = await make();
    const transactions = await prepared(job, range(0, 100));
    expect(transactions).toHaveLength(1);
    expect(await job.committed()).toEqual([]);
    expect(await job.uncommitted()).toEqual(range(0, 100));
    expect(await job.commit(...transactions)).toEqual(['done']);
    await job.expectCommitted(range(0, 100));
  });

  test('may be committed twice', async () => {
    const job = await make();
    const transactions = await prepared(job, range(0, 10));
    expect(await job.commit(...transactions)).toEqual(['done']);
    expect(['done', 'already']).toContain((await job.commit(...transactions))[0]);
    await job.expectCommitted(range(0, 10));
  });

  test('that is empty leaves nothing', async () => {
    const job = await make();
    const writer = await job.writer();
    expect(await writer.prepareCommit(1, 'checkpoint')).toEqual([]);
    await writer.write({ n: 1 }, undefined);
    const [one] = await writer.prepareCommit(2, 'checkpoint');
    expect(await writer.prepareCommit(3, 'checkpoint')).toEqual([]);
    await writer.close();
    if (one !== undefined) await job.commit(one);
    await job.expectCommitted([1]);
    await eventually('not blocked', async () => !(await job.isBlocked()));
  });

  test('says which offsets it wrote', async () => {
    const job = await make({}, 1);
    const [first] = await prepared(job, range(0, 7));
    expect(first?.written).toEqual([
      { topic: job.topic, partition: 0, firstOffset: 0n, lastOffset: 6n },
    ]);
  });

  test('begins at the barrier, while the one before is still on its way', async () => {
    const job = await make();
    const writer = await job.writer();
    await writeAll(writer, range(0, 50));
    const preparing = writer.prepareCommit(1, 'checkpoint');
    await writeAll(writer, range(50, 100));
    const first = await preparing;
    const second = await writer.prepareCommit(2, 'checkpoint');
    expect(await job.commit(...first)).toEqual(['done']);
    await job.expectCommitted(range(0, 50));
    expect(await job.commit(...second)).toEqual(['done']);
    await job.expectCommitted(range(0, 100));
    await writer.close();
  });

  test('has an id and an epoch of its own, so that an old commit ends no other one', async () => {
    const job = await make();
    const writer = await job.writer();
    await writeAll(writer, range(0, 10));
    const first = await writer.prepareCommit(1, 'checkpoint');
    expect(await job.commit(...first)).toEqual(['done']);
    await writeAll(writer, range(10, 20));
    // What a restored checkpoint does while the next transaction is open.
    expect(['done', 'already']).toContain((await job.commit(...first))[0]);
    await eventually('written', async () => (await job.uncommitted()).length === 20);
    await job.expectCommitted(range(0, 10));
    const second = await writer.prepareCommit(2, 'checkpoint');
    expect(second[0]?.transactionalId).not.toBe(first[0]?.transactionalId);
    expect(await job.commit(...second)).toEqual(['done']);
    await job.expectCommitted(range(0, 20));
    await writer.close();
  });

  test('that timed out is lost, and said to be', async () => {
    const job = await make({ transactionTimeoutMs: 10_000 });
    const transactions = await prepared(job, range(0, 10));
    await eventually('timed out', async () => !(await job.isBlocked()));
    expect(await job.commit(...transactions)).toEqual(['lost']);
    expect(await job.committed()).toEqual([]);
  });
});

describe('leftovers', () => {
  test('are aborted, so that readers are not held up; what was restored is committed before', async () => {
    const job = await make();
    const first = await job.writer();
    await writeAll(first, range(0, 10));
    const held = await first.prepareCommit(1, 'checkpoint');
    await writeAll(first, range(10, 20));
    await eventually('written', async () => (await job.uncommitted()).length === 20);
    // It dies here, without closing anything.
    const committer = job.committer();
    const stamped = held.map((committable) => ({ checkpointId: 1, subtask: 0, committable }));
    expect(await committer.commit(stamped)).toEqual(['done']);
    expect(await job.isBlocked()).toBe(true);
    await committer.abortLeftovers?.();
    await eventually('not blocked', async () => !(await job.isBlocked()));
    await job.expectCommitted(range(0, 10));
    // A second start has nothing to do and harms nothing.
    await committer.abortLeftovers?.();
    await committer.close?.();
    await job.expectCommitted(range(0, 10));
    await first.close();
  });

  test('of subtasks that are no more after a rescale, and not those of another sink', async () => {
    const job = await make();
    const other = await make();
    const writers = await Promise.all([0, 1, 2, 3].map((subtask) => job.writer(subtask, 4)));
    for (const [index, writer] of writers.entries()) await writeAll(writer, [index]);
    const foreign = await prepared(other, range(0, 5));
    await eventually('written', async () => (await job.uncommitted()).length === 4);
    await job.abortLeftovers();
    await eventually('not blocked', async () => !(await job.isBlocked()));
    expect(await other.commit(...foreign)).toEqual(['done']);
    await other.expectCommitted(range(0, 5));
    for (const writer of writers) await writer.close();
  });

  test('whose writer is not dead are shut out', async () => {
    const job = await make();
    const zombie = await job.writer();
    await writeAll(zombie, range(0, 5));
    await eventually('written', async () => (await job.uncommitted()).length === 5);
    await job.abortLeftovers();
    const goOn = async (): Promise<unknown> => {
      await writeAll(zombie, range(5, 10));
      return zombie.prepareCommit(1, 'checkpoint');
    };
    await expect(goOn()).rejects.toMatchObject({ code: 'KAF-051', kind: 'unavailable' });
    expect(await job.committed()).toEqual([]);
    await eventually('not blocked', async () => !(await job.isBlocked()));
    await zombie.close();
  });

  test('the other order, first abort and then commit, loses what was restored', async () => {
    // Why commits come first; and the loss is told, not passed over.
    const job = await make();
    const transactions = await prepared(job, range(0, 10));
    await job.abortLeftovers();
    expect(await job.commit(...transactions)).toEqual(['lost']);
    expect(await job.committed()).toEqual([]);
  });

  test('a writer that is closed leaves none, and keeps what it handed over', async () => {
    const job = await make();
    const writer = await job.writer();
    await writeAll(writer, range(0, 5));
    const held = await writer.prepareCommit(1, 'checkpoint');
    await writeAll(writer, range(5, 10));
    await eventually('written', async () => (await job.uncommitted()).length === 10);
    await writer.close();
    expect(await job.commit(...held)).toEqual(['done']);
    await job.expectCommitted(range(0, 5));
    await eventually('not blocked', async () => !(await job.isBlocked()));
  });
});

describe('a broker that is killed', () => {
  async function restart(): Promise<void> {
    await kafka.kill();
    kafka = await startKafka({ folder });
  }

  test('between prepare and commit has kept the transaction', async () => {
    const job = await make();
    const transactions = await prepared(job, range(0, 100));
    await restart();
    expect(await job.commit(...transactions)).toEqual(['done']);
    await job.expectCommitted(range(0, 100));
  });

  test('in the middle of a transaction costs time, and nothing else', async () => {
    const job = await make({ batchSizeBytes: 200 });
    const writer = await job.writer();
    await writeAll(writer, range(0, 500));
    const restarting = restart();
    await writeAll(writer, range(500, 1_000));
    await restarting;
    await writeAll(writer, range(1_000, 1_500));
    const transactions = await writer.prepareCommit(1, 'checkpoint');
    expect(await job.commit(...transactions)).toEqual(['done']);
    await job.expectCommitted(range(0, 1_500));
    const records = await recordsOf(kafka.bootstrap, job.topic);
    // The records of each partition are in the order in which they were written.
    for (const partition of [0, 1]) {
      const own = records
        .filter((one) => one.partition === partition)
        .map((one) => Number(one.value));
      expect(own).toEqual(own.toSorted((a, b) => a - b));
    }
    await writer.close();
  });

  test('while a commit is asked for: it is done when the broker is back', async () => {
    const job = await make();
    const transactions = await prepared(job, range(0, 50));
    await kafka.kill();
    const committing = untilAnswered(() => job.commit(...transactions));
    kafka = await startKafka({ folder });
    expect(await committing).toEqual(['done']);
    await job.expectCommitted(range(0, 50));
  });
});

describe('without transactions', () => {
  test.each(['at-least-once', 'none'] as const)('%s: seen at once', async (delivery) => {
    const job = await make({ delivery });
    const writer = await job.writer();
    await writeAll(writer, range(0, 100));
    expect(await writer.prepareCommit(1, 'checkpoint')).toEqual([]);
    await eventually('written', async () => (await job.committed()).length === 100);
    await job.expectCommitted(range(0, 100));
    await writer.close();
  });

  test('at-least-once: all is at the broker when the checkpoint says so', async () => {
    const job = await make({ delivery: 'at-least-once', lingerMs: 60_000 });
    const writer = await job.writer();
    for (let round = 0; round < 5; round++) {
      await writeAll(writer, range(round * 100, round * 100 + 100));
      await writer.prepareCommit(round + 1, 'checkpoint');
      await job.expectCommitted(range(0, round * 100 + 100));
    }
    await writer.close();
  });
});

describe('records', () => {
  test('have key, value, headers and time as told', async () => {
    const topic = `t${++topics}`;
    await kafka.createTopic(topic);
    const sink = kafkaSink<Numbered>({
      brokers: kafka.bootstrap,
      topic,
      key: ({ n }) => (n === 0 ? null : `schlüssel ${n}`),
      value: ({ n }) => (n === 1 ? null : Buffer.from(`wert ${n}`)),
      headers: ({ n }) => (n === 2 ? { a: 'ä', b: null } : undefined),
      timestamp: ({ n }) => 1_700_000_000_000 + n,
      delivery: 'at-least-once',
      compression: 'zstd',
    });
    const writer = sink.writer({ world, uid: 'x', subtask: 0, parallelism: 1, writerId: 'w' });
    await writer.open?.();
    await writeAll(writer, range(0, 3));
    await writer.prepareCommit(1, 'checkpoint');
    await writer.close();
    const records = await recordsOf(kafka.bootstrap, topic);
    const at = { partition: 0, headers: {} };
    expect(records).toEqual([
      { ...at, offset: 0, timestampMs: 1_700_000_000_000, key: null, value: 'wert 0' },
      { ...at, offset: 1, timestampMs: 1_700_000_000_001, key: 'schlüssel 1', value: null },
      {
        ...at,
        offset: 2,
        timestampMs: 1_700_000_000_002,
        key: 'schlüssel 2',
        value: 'wert 2',
        headers: { a: 'ä', b: null },
      },
    ]);
  });

  test.each(['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const)('go by %s', async (compression) => {
    const job = await make({ compression });
    const transactions = await prepared(job, range(0, 1_000));
    await job.commit(...transactions);
    await job.expectCommitted(range(0, 1_000));
  });

  test('go to topics of their own choice', async () => {
    const even = `t${++topics}`;
    const odd = `t${++topics}`;
    await kafka.createTopic(even, { partitions: 3 });
    await kafka.createTopic(odd);
    const job = new SinkUnderTest(() => kafka, even, {
      topic: ({ n }) => (n % 2 === 0 ? even : odd),
    });
    const transactions = await prepared(job, range(0, 20));
    expect(transactions).toHaveLength(1);
    await job.commit(...transactions);
    const at = (topic: string): SinkUnderTest => new SinkUnderTest(() => kafka, topic);
    await at(even).expectCommitted(range(0, 10).map((n) => 2 * n));
    await at(odd).expectCommitted(range(0, 10).map((n) => 2 * n + 1));
  });

  test('that are too many for the memory hold the writer back', async () => {
    const job = await make({
      bufferBytesMax: 4_000,
      batchSizeBytes: 1_000,
      key: () => 'one',
    });
    const writer = await job.writer();
    let waits = 0;
    for (const n of range(0, 2_000)) {
      const waiting = writer.write({ n }, undefined);
      if (waiting !== undefined) waits += 1;
      await waiting;
    }
    expect(waits).toBeGreaterThan(3);
    const transactions = await writer.prepareCommit(1, 'checkpoint');
    await job.commit(...transactions);
    await job.expectCommitted(range(0, 2_000));
    await writer.close();
  });

  test('without a topic to go to are an error that names it', async () => {
    const job = new SinkUnderTest(() => kafka, 'nowhere');
    await expect(job.writer()).rejects.toMatchObject({ code: 'KAF-007' });
  });

  test('too large for the broker fail the job with what to do', async () => {
    const topic = `t${++topics}`;
    await kafka.createTopic(topic, { configs: { 'max.message.bytes': '2000' } });
    const job = new SinkUnderTest(() => kafka, topic, { value: () => 'x'.repeat(3_000) });
    const writer = await job.writer();
    await writer.write({ n: 1 }, undefined);
    await expect(writer.prepareCommit(1, 'checkpoint')).rejects.toMatchObject({ code: 'KAF-053' });
    await writer.close();
  });
});

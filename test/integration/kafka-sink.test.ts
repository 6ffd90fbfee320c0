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
import { sleep, systemClock } from '../../src/common/clock.ts';
import { nodeFileSystem } from '../../src/common/node-file-system.ts';
import { systemRandom } from '../../src/common/random.ts';
import { kafkaSink } from '../../src/connectors/kafka/sink/kafka-sink.ts';
import type { KafkaSinkOptions } from '../../src/connectors/kafka/sink/sink-options.ts';
import type { OpenTransaction } from '../../src/connectors/kafka/sink/open-transaction.ts';
import type { Committer, CommitResult, SinkWriter } from '../../src/contracts/sink.ts';
import { endOf, recordsOf } from '../support/kafka-records.ts';

const world = { clock: systemClock, random: systemRandom, fs: nodeFileSystem };
const LINEAGE = 'a1b2c3';

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

interface Numbered {
  readonly n: number;
}

/** A job without an engine: one sink, attempts that die when the test says so. */
class SinkUnderTest {
  readonly topic: string;
  readonly #options: Partial<KafkaSinkOptions<Numbered>>;
  attempt = 0;

  constructor(topic: string, options: Partial<KafkaSinkOptions<Numbered>> = {}) {
    this.topic = topic;
    this.#options = options;
  }

  static async make(
    options: Partial<KafkaSinkOptions<Numbered>> = {},
    partitions = 2,
  ): Promise<SinkUnderTest> {
    const topic = `t${++topics}`;
    await kafka.createTopic(topic, { partitions });
    return new SinkUnderTest(topic, options);
  }

  get sink() {
    return kafkaSink<Numbered>({
      brokers: kafka.bootstrap,
      topic: this.topic,
      key: ({ n }) => `k${n}`,
      value: ({ n }) => String(n),
      delivery: 'exactly-once',
      lingerMs: 2,
      ...this.#options,
    });
  }

  async writer(subtask = 0, parallelism = 1): Promise<SinkWriter<Numbered, OpenTransaction>> {
    const writerId = `${LINEAGE}-${this.attempt}-${subtask}`;
    const writer = this.sink.writer({ world, uid: this.topic, subtask, parallelism, writerId });
    await writer.open?.();
    return writer;
  }

  committer(): Committer<OpenTransaction> {
    const isLeftover = (writerId: string): boolean => writerId.startsWith(`${LINEAGE}-`);
    const context = { world, uid: this.topic, lineage: LINEAGE, isLeftover };
    const committer = this.sink.committer?.(context);
    if (committer === undefined) throw new TypeError('a sink without committer');
    return committer;
  }

  async commit(...transactions: readonly OpenTransaction[]): Promise<CommitResult[]> {
    const committer = this.committer();
    const stamped = transactions.map((committable) => ({
      checkpointId: 1,
      subtask: 0,
      committable,
    }));
    try {
      return await committer.commit(stamped);
    } finally {
      await committer.close?.();
    }
  }

  async abortLeftovers(): Promise<void> {
    const committer = this.committer();
    await committer.abortLeftovers?.();
    await committer.close?.();
  }

  async committed(): Promise<number[]> {
    const records = await recordsOf(kafka.bootstrap, this.topic);
    return records.map(({ value }) => Number(value)).sort((a, b) => a - b);
  }

  /** A commit is decided when it is answered, and seen a moment later. */
  async expectCommitted(numbers: readonly number[]): Promise<void> {
    await eventually('committed', async () => (await this.committed()).length >= numbers.length);
    expect(await this.committed()).toEqual(numbers);
  }

  async uncommitted(): Promise<number[]> {
    const records = await recordsOf(kafka.bootstrap, this.topic, 'read_uncommitted');
    return records.map(({ value }) => Number(value)).sort((a, b) => a - b);
  }

  /** Whether readers of committed records wait behind an open transaction. */
  async isBlocked(): Promise<boolean> {
    const stable = await endOf(kafka.bootstrap, this.topic, 'read_committed');
    return stable < (await endOf(kafka.bootstrap, this.topic, 'read_uncommitted'));
  }
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, i) => from + i);
}

async function writeAll(
  writer: SinkWriter<Numbered, OpenTransaction>,
  numbers: readonly number[],
): Promise<void> {
  for (const n of numbers) await writer.write({ n }, undefined);
}

/** Writes and prepares; the writer lives on or not, nobody asks it again. */
async function prepared(
  job: SinkUnderTest,
  numbers: readonly number[],
): Promise<readonly OpenTransaction[]> {
  const writer = await job.writer();
  await writeAll(writer, numbers);
  const transactions = await writer.prepareCommit(1, 'checkpoint');
  await writer.close();
  return transactions;
}

async function eventually(what: string, look: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 600; tries++) {
    if (await look()) return;
    await sleep(systemClock, 50);
  }
  throw new TypeError(`never: ${what}`);
}

describe('a transaction', () => {
  test('is seen when another process has committed it, and not before', async () => {
    const job = await SinkUnderTest.make();
    const transactions = await prepared(job, range(0, 100));
    expect(transactions).toHaveLength(1);
    expect(await job.committed()).toEqual([]);
    expect(await job.uncommitted()).toEqual(range(0, 100));
    expect(await job.commit(...transactions)).toEqual(['done']);
    await job.expectCommitted(range(0, 100));
  });

  test('may be committed twice', async () => {
    const job = await SinkUnderTest.make();
    const transactions = await prepared(job, range(0, 10));
    expect(await job.commit(...transactions)).toEqual(['done']);
    expect(['done', 'already']).toContain((await job.commit(...transactions))[0]);
    await job.expectCommitted(range(0, 10));
  });

  test('that is empty leaves nothing', async () => {
    const job = await SinkUnderTest.make();
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
    const job = await SinkUnderTest.make({}, 1);
    const [first] = await prepared(job, range(0, 7));
    expect(first?.written).toEqual([
      { topic: job.topic, partition: 0, firstOffset: 0n, lastOffset: 6n },
    ]);
  });

  test('begins at the barrier, while the one before is still on its way', async () => {
    const job = await SinkUnderTest.make();
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
    const job = await SinkUnderTest.make();
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
    const job = await SinkUnderTest.make({ transactionTimeoutMs: 4_000 });
    const transactions = await prepared(job, range(0, 10));
    await eventually('timed out', async () => !(await job.isBlocked()));
    expect(await job.commit(...transactions)).toEqual(['lost']);
    expect(await job.committed()).toEqual([]);
  });
});

describe('leftovers', () => {
  test('are aborted, so that readers are not held up; what was restored is committed before', async () => {
    const job = await SinkUnderTest.make();
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
    const job = await SinkUnderTest.make();
    const other = await SinkUnderTest.make();
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
    const job = await SinkUnderTest.make();
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
    const job = await SinkUnderTest.make();
    const transactions = await prepared(job, range(0, 10));
    await job.abortLeftovers();
    expect(await job.commit(...transactions)).toEqual(['lost']);
    expect(await job.committed()).toEqual([]);
  });

  test('a writer that is closed leaves none, and keeps what it handed over', async () => {
    const job = await SinkUnderTest.make();
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
    const job = await SinkUnderTest.make();
    const transactions = await prepared(job, range(0, 100));
    await restart();
    expect(await job.commit(...transactions)).toEqual(['done']);
    await job.expectCommitted(range(0, 100));
  });

  test('in the middle of a transaction costs time, and nothing else', async () => {
    const job = await SinkUnderTest.make({ batchSizeBytes: 200 });
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
    const job = await SinkUnderTest.make();
    const transactions = await prepared(job, range(0, 50));
    await kafka.kill();
    const committing = job.commit(...transactions);
    kafka = await startKafka({ folder });
    expect(await committing).toEqual(['done']);
    await job.expectCommitted(range(0, 50));
  });
});

describe('without transactions', () => {
  test.each(['at-least-once', 'none'] as const)('%s: seen at once', async (delivery) => {
    const job = await SinkUnderTest.make({ delivery });
    const writer = await job.writer();
    await writeAll(writer, range(0, 100));
    expect(await writer.prepareCommit(1, 'checkpoint')).toEqual([]);
    await eventually('written', async () => (await job.committed()).length === 100);
    await job.expectCommitted(range(0, 100));
    await writer.close();
  });

  test('at-least-once: all is at the broker when the checkpoint says so', async () => {
    const job = await SinkUnderTest.make({ delivery: 'at-least-once', lingerMs: 60_000 });
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
    const job = await SinkUnderTest.make({ compression });
    const transactions = await prepared(job, range(0, 1_000));
    await job.commit(...transactions);
    await job.expectCommitted(range(0, 1_000));
  });

  test('go to topics of their own choice', async () => {
    const even = `t${++topics}`;
    const odd = `t${++topics}`;
    await kafka.createTopic(even, { partitions: 3 });
    await kafka.createTopic(odd);
    const job = new SinkUnderTest(even, { topic: ({ n }) => (n % 2 === 0 ? even : odd) });
    const transactions = await prepared(job, range(0, 20));
    expect(transactions).toHaveLength(1);
    await job.commit(...transactions);
    const numbers = range(0, 10);
    await job.expectCommitted(numbers.map((n) => 2 * n));
    await new SinkUnderTest(odd).expectCommitted(numbers.map((n) => 2 * n + 1));
  });

  test('that are too many for the memory hold the writer back', async () => {
    const job = await SinkUnderTest.make({
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
    const job = new SinkUnderTest('nowhere');
    await expect(job.writer()).rejects.toMatchObject({ code: 'KAF-007' });
  });

  test('too large for the broker fail the job with what to do', async () => {
    const topic = `t${++topics}`;
    await kafka.createTopic(topic, { configs: { 'max.message.bytes': '2000' } });
    const job = new SinkUnderTest(topic, { value: () => 'x'.repeat(3_000) });
    const writer = await job.writer();
    await writer.write({ n: 1 }, undefined);
    await expect(writer.prepareCommit(1, 'checkpoint')).rejects.toMatchObject({ code: 'KAF-053' });
    await writer.close();
  });
});

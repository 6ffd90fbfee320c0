/** The Kafka sink without an engine: writers and committers whose checkpoints the test keeps. */
import { expect } from 'vitest';
import type { Kafka } from '../../scripts/services/kafka.ts';
import { sleep, systemClock } from '../../src/common/clock.ts';
import { EngineError } from '../../src/common/errors.ts';
import { nodeFileSystem } from '../../src/common/node-file-system.ts';
import { systemRandom } from '../../src/common/random.ts';
import { kafkaSink } from '../../src/connectors/kafka/sink/kafka-sink.ts';
import type { OpenTransaction } from '../../src/connectors/kafka/sink/open-transaction.ts';
import type { KafkaSinkOptions } from '../../src/connectors/kafka/sink/sink-options.ts';
import type { Committer, CommitResult, SinkWriter } from '../../src/contracts/sink.ts';
import { endOf, recordsOf } from './kafka-records.ts';

const world = { clock: systemClock, random: systemRandom, fs: nodeFileSystem };
const LINEAGE = 'a1b2c3';

let topics = 0;

export interface Numbered {
  readonly n: number;
}

/** A job without an engine: one sink, attempts that die when the test says so. */
export class SinkUnderTest {
  readonly topic: string;
  readonly #kafka: () => Kafka;
  readonly #options: Partial<KafkaSinkOptions<Numbered>>;
  attempt = 0;

  /** @param kafka The broker, which may be another one later. */
  constructor(
    kafka: () => Kafka,
    topic: string,
    options: Partial<KafkaSinkOptions<Numbered>> = {},
  ) {
    this.topic = topic;
    this.#kafka = kafka;
    this.#options = options;
  }

  static async make(
    kafka: () => Kafka,
    options: Partial<KafkaSinkOptions<Numbered>> = {},
    partitions = 2,
  ): Promise<SinkUnderTest> {
    const topic = `sunk${++topics}`;
    await kafka().createTopic(topic, { partitions });
    return new SinkUnderTest(kafka, topic, options);
  }

  get sink() {
    return kafkaSink<Numbered>({
      brokers: this.#kafka().bootstrap,
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
    const records = await recordsOf(this.#kafka().bootstrap, this.topic);
    return records.map(({ value }) => Number(value)).sort((a, b) => a - b);
  }

  /** A commit is decided when it is answered, and seen a moment later. */
  async expectCommitted(numbers: readonly number[]): Promise<void> {
    await eventually('committed', async () => (await this.committed()).length >= numbers.length);
    expect(await this.committed()).toEqual(numbers);
  }

  async uncommitted(): Promise<number[]> {
    const records = await recordsOf(this.#kafka().bootstrap, this.topic, 'read_uncommitted');
    return records.map(({ value }) => Number(value)).sort((a, b) => a - b);
  }

  /** Whether readers of committed records wait behind an open transaction. */
  async isBlocked(): Promise<boolean> {
    const stable = await endOf(this.#kafka().bootstrap, this.topic, 'read_committed');
    return stable < (await endOf(this.#kafka().bootstrap, this.topic, 'read_uncommitted'));
  }
}

/** As the engine does it: what no broker has answered is asked again. */
export async function untilAnswered<R>(commit: () => Promise<R>): Promise<R> {
  for (;;) {
    try {
      return await commit();
    } catch (error) {
      if (!(error instanceof EngineError && error.kind === 'unavailable')) throw error;
    }
  }
}

export function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, i) => from + i);
}

export async function writeAll(
  writer: SinkWriter<Numbered, OpenTransaction>,
  numbers: readonly number[],
): Promise<void> {
  for (const n of numbers) await writer.write({ n }, undefined);
}

/** Writes and prepares; the writer lives on or not, nobody asks it again. */
export async function prepared(
  job: SinkUnderTest,
  numbers: readonly number[],
): Promise<readonly OpenTransaction[]> {
  const writer = await job.writer();
  await writeAll(writer, numbers);
  const transactions = await writer.prepareCommit(1, 'checkpoint');
  await writer.close();
  return transactions;
}

export async function eventually(what: string, look: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 2_400; tries++) {
    if (await look()) return;
    await sleep(systemClock, 50);
  }
  throw new TypeError(`never: ${what}`);
}

/**
 * Writes to a broker for tests, with the library's plainest requests: no retries, no batching, so that a
 * test says exactly which batches and transactions there are. Beside the client that is tested.
 */
import {
  addPartitionsToTxnV3,
  Connection,
  createPartitionsV3,
  deleteRecordsV2,
  deleteTopicsV6,
  endTxnV3,
  findCoordinatorV4,
  initProducerIdV4,
  metadataV12,
  NumericMap,
  offsetFetchV8,
  produceV9,
} from '@platformatic/kafka';
import { sleep, systemClock } from '../../src/common/clock.ts';
import { apiErrorOf } from '../../src/connectors/kafka/client/fault.ts';
import { loadLibrary } from '../../src/connectors/kafka/client/library.ts';
import { Leaders } from './kafka-leaders.ts';

// `apiErrorOf` tells errors apart once the engine has the library, which it loads late.
await loadLibrary();

export interface Written {
  readonly topic: string;
  readonly partition?: number;
  readonly values: readonly (string | null)[];
  readonly key?: (value: string | null, index: number) => string;
  readonly timestampMs?: (index: number) => number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly compression?: 'gzip' | 'snappy' | 'lz4' | 'zstd';
}

const RETRY_MS = 20;
const ATTEMPTS_MAX = 6_000;
/** More than any test lasts that keeps one open. */
const TRANSACTION_MS = 600_000;
/** What brokers and coordinators say, and have done nothing, until they are there, and when they are busy or were away. */
const NOT_YET =
  /CONCURRENT_TRANSACTIONS|NOT_COORDINATOR|COORDINATOR_|NOT_LEADER|UNKNOWN_TOPIC|LEADER_NOT_AVAILABLE|NOT_CONTROLLER|^NOT_ENOUGH_REPLICAS$/;

export class KafkaWriter {
  readonly #connection: Connection;

  private constructor(connection: Connection) {
    this.#connection = connection;
  }

  static async connect(bootstrap: string): Promise<KafkaWriter> {
    const connection = new Connection('test', { requestTimeout: 30_000 });
    connection.on('error', () => undefined);
    const [host = '', port] = bootstrap.split(':');
    await connection.connect(host, Number(port));
    return new KafkaWriter(connection);
  }

  /** One batch. */
  async write(batch: Written): Promise<void> {
    await retried(() => produce(this.#connection, batch, {}));
  }

  async transaction(id: string): Promise<KafkaTransaction> {
    const init = () => initProducerIdV4.api.async(this.#connection, id, TRANSACTION_MS, -1n, -1);
    await retried(() => findCoordinatorV4.api.async(this.#connection, 1, [id]));
    const { producerId, producerEpoch } = await retried(init);
    return new KafkaTransaction(this.#connection, { id, producerId, producerEpoch });
  }

  async addPartitions(topic: string, count: number): Promise<void> {
    const topics = [{ name: topic, count, assignments: null }];
    await retried(() => createPartitionsV3.api.async(this.#connection, topics, 30_000, false));
  }

  /** As retention does it: what is below `offset` is gone. */
  async deleteRecords(topic: string, partition: number, offset: number): Promise<void> {
    const partitions = [{ partitionIndex: partition, offset: BigInt(offset) }];
    const topics = [{ name: topic, partitions }];
    await retried(() => deleteRecordsV2.api.async(this.#connection, topics, 30_000));
  }

  /** Resolves when the broker does not know it any more: until then it would take records for it. */
  async deleteTopic(topic: string): Promise<void> {
    await deleteTopicsV6.api.async(this.#connection, [{ name: topic }], 30_000);
    while (await this.#isKnown(topic)) await sleep(systemClock, RETRY_MS);
  }

  async #isKnown(topic: string): Promise<boolean> {
    try {
      await metadataV12.api.async(this.#connection, [topic], false);
      return true;
    } catch (error) {
      const name = apiErrorOf(error) ?? '';
      if (!NOT_YET.test(name)) throw error;
      return !name.startsWith('UNKNOWN_TOPIC');
    }
  }

  /** What a group has committed, by partition; -1 if nothing. */
  async committed(
    groupId: string,
    topic: string,
    partitions: readonly number[],
  ): Promise<number[]> {
    const topics = [{ name: topic, partitionIndexes: [...partitions] }];
    const group = { groupId, memberId: '', memberEpoch: -1, topics };
    await retried(() => findCoordinatorV4.api.async(this.#connection, 0, [groupId]));
    const { groups } = await retried(() =>
      offsetFetchV8.api.async(this.#connection, [group], true),
    );
    const found = groups[0]?.topics[0]?.partitions ?? [];
    return partitions.map((partition) =>
      Number(found.find((one) => one.partitionIndex === partition)?.committedOffset ?? -1n),
    );
  }

  async partitionCount(topic: string): Promise<number> {
    const { topics } = await metadataV12.api.async(this.#connection, [topic], false);
    return topics[0]?.partitions.length ?? 0;
  }

  async close(): Promise<void> {
    await this.#connection.close();
  }
}

/**
 * One batch, in a cluster of several brokers, to whoever leads the partition. It is sent again only when it was refused,
 * so that it is never there twice; a broker that dies meanwhile is an error.
 */
export async function writeToCluster(bootstrap: string, batch: Written): Promise<void> {
  await retried(async () => {
    const leaders = await Leaders.of(bootstrap, batch.topic);
    const of = leaders.partitions.find(({ partition }) => partition === (batch.partition ?? 0));
    try {
      await produce(await leaders.connect(of?.leaderId ?? -1), batch, {});
    } finally {
      await leaders.close();
    }
  });
}

interface ProducerIdentity {
  readonly id: string;
  readonly producerId: bigint;
  readonly producerEpoch: number;
}

/** A producer with one transactional id: as many transactions as one likes, one after the other. */
export class KafkaTransaction {
  readonly #connection: Connection;
  readonly #identity: ProducerIdentity;
  readonly #sequences = new NumericMap();

  constructor(connection: Connection, identity: ProducerIdentity) {
    this.#connection = connection;
    this.#identity = identity;
  }

  async write(batch: Written): Promise<void> {
    const { id, producerId, producerEpoch } = this.#identity;
    const { topic, partition = 0, values } = batch;
    const topics = [{ name: topic, partitions: [partition] }];
    await retried(() =>
      addPartitionsToTxnV3.api.async(this.#connection, [
        { transactionalId: id, producerId, producerEpoch, topics, verifyOnly: false },
      ]),
    );
    const sequences = this.#sequences;
    const options = { transactionalId: id, producerId, producerEpoch, sequences };
    await retried(() => produce(this.#connection, batch, options));
    const key = `${topic}:${partition}`;
    this.#sequences.set(key, (this.#sequences.get(key) ?? 0) + values.length);
  }

  commit(): Promise<void> {
    return this.#end(true);
  }

  abort(): Promise<void> {
    return this.#end(false);
  }

  /** An end is decided when it is answered, and seen a moment later: whoever asks again waits for that. */
  async #end(commit: boolean): Promise<void> {
    const { id, producerId, producerEpoch } = this.#identity;
    const end = () => endTxnV3.api.async(this.#connection, id, producerId, producerEpoch, commit);
    await retried(end);
    await retried(end);
  }
}

function produce(connection: Connection, batch: Written, options: object): Promise<unknown> {
  const { topic, partition = 0, values, key, timestampMs, headers, compression } = batch;
  const messages = values.map((value, index) => ({
    topic,
    partition,
    // The library's type does not know tombstones; the encoder does.
    value: (value === null ? null : Buffer.from(value)) as Buffer,
    ...(key === undefined ? {} : { key: Buffer.from(key(value, index)) }),
    ...(timestampMs === undefined ? {} : { timestamp: BigInt(timestampMs(index)) }),
    ...(headers === undefined
      ? {}
      : {
          headers: new Map(
            Object.entries(headers).map(([name, of]) => [Buffer.from(name), Buffer.from(of)]),
          ),
        }),
  }));
  return produceV9.api.async(connection, -1, 30_000, messages, {
    ...options,
    ...(compression && { compression }),
  });
}

/** Repeats what was refused for the moment. */
export async function retried<R>(attempt: () => Promise<R>): Promise<R> {
  for (let tried = 1; ; tried += 1) {
    try {
      return await attempt();
    } catch (error) {
      if (tried === ATTEMPTS_MAX || !NOT_YET.test(apiErrorOf(error) ?? '')) throw error;
      await sleep(systemClock, RETRY_MS);
    }
  }
}

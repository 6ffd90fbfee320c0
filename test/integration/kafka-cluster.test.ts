/*
 * Goal: while leaders move from broker to broker, since one after the other is killed, the source reads what is
 * written, each record once and in the order of its partition, and the job notices nothing.
 * Method: three real brokers, a writer that goes on all the time, kill -9. In the end everything is read again from
 * the beginning and compared.
 * Needs: Java 17 or later and Maven; Kafka is fetched once.
 * Replay: npm run test:integration -- kafka-cluster
 */
import { produceV9 } from '@platformatic/kafka';
import { expect, it } from 'vitest';
import { systemClock } from '../../src/common/clock.ts';
import { nodeFileSystem } from '../../src/common/node-file-system.ts';
import { systemRandom } from '../../src/common/random.ts';
import { BrokerAccess } from '../../src/connectors/kafka/client/broker-access.ts';
import { CONNECTION_PROPERTIES } from '../../src/connectors/kafka/client/connection-properties.ts';
import { KafkaClient } from '../../src/connectors/kafka/client/kafka-client.ts';
import { readProperties } from '../../src/connectors/kafka/client/properties.ts';
import { kafkaSource, type StopAt } from '../../src/connectors/kafka/kafka.ts';
import { DrivenSource } from '../support/driven-source.ts';
import { KafkaCluster } from '../support/kafka-cluster.ts';

const NODES = 3;
const PARTITIONS = 6;
const PER_BATCH = 20;
const BATCHES_BETWEEN = 60;
const TOPIC = 'led';
const TEST_MS = 600_000;

const cluster = new KafkaCluster();

function source(bounded?: StopAt) {
  return kafkaSource({
    brokers: cluster.bootstrap,
    topics: TOPIC,
    groupId: 'cluster',
    deserializer: ({ partition, offset }) => ({ partition, offset }),
    ...(bounded === undefined ? {} : { bounded }),
  });
}

/** Goes on writing to all partitions; a batch may be there twice when its answer was lost. */
class Writing {
  batches = 0;
  readonly #client: KafkaClient;
  #stopped = false;
  readonly #done: Promise<void>;

  constructor() {
    this.#client = new KafkaClient({
      access: new BrokerAccess(cluster.bootstrap, readProperties({}, CONNECTION_PROPERTIES)),
      world: { clock: systemClock, random: systemRandom, fs: nodeFileSystem },
      clientId: 'writer',
    });
    this.#done = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#done;
    await this.#client.close();
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      const partition = this.batches % PARTITIONS;
      const messages = Array.from({ length: PER_BATCH }, (_, index) => ({
        topic: TOPIC,
        partition,
        value: Buffer.from(`${this.batches} ${index}`),
      }));
      await this.#client.call({
        to: { kind: 'leader', topic: TOPIC, partition },
        doing: 'write',
        send: (connection) => produceV9.api.async(connection, -1, 10_000, messages, {}),
      });
      this.batches += 1;
    }
  }
}

it(
  'is read in order while its leaders are killed one after the other',
  async () => {
    await cluster.createTopic(TOPIC, PARTITIONS, {});
    const writing = new Writing();
    const driven = await new DrivenSource(source(), 2).start();
    const written = async (more: number): Promise<void> => {
      const until = writing.batches + more;
      await driven.until(() => writing.batches >= until);
    };
    await written(BATCHES_BETWEEN);
    for (let node = 1; node <= NODES; node += 1) {
      await cluster.kill(node);
      await written(BATCHES_BETWEEN);
      await cluster.restart(node);
      // Or the next kill would take the last one that has all.
      await cluster.untilInSync(TOPIC);
      await written(BATCHES_BETWEEN);
    }
    await writing.stop();
    const again = await new DrivenSource(source('latest'), 1).start();
    await again.until(() => again.hasEnded);
    await driven.until(() => driven.values.length >= again.values.length);
    driven.snapshot(1);
    driven.completed(1);
    for (let partition = 0; partition < PARTITIONS; partition += 1) {
      const of = (one: typeof driven): number[] =>
        one.values.filter((value) => value.partition === partition).map(({ offset }) => offset);
      const offsets = of(driven);
      expect(offsets).toEqual(Array.from(offsets, (_, index) => index));
      expect(offsets).toEqual(of(again));
      expect(offsets.length).toBeGreaterThanOrEqual(BATCHES_BETWEEN);
    }
    await driven.stop();
    await again.stop();
  },
  TEST_MS,
);

/**
 * Goal: on several brokers, whose leaders and transaction coordinators move, by kill -9 and by elections, a reader of
 * committed records sees each record at most once at every look, and in the end each once, in the order of its writer.
 * Method: three real brokers, three replicas, two of which must be in sync. Writers and committers of the sink, then a whole
 * job from Kafka to Kafka, while the broker that leads or coordinates is killed again and again.
 * Needs: Java 17 or later and Maven; Kafka is fetched once.
 * Replay: npm run test:integration -- kafka-sink-cluster. Nothing is drawn; what the brokers do is the machine's.
 */
import { afterEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../src/common/clock.ts';
import { nodeFileSystem } from '../../src/common/node-file-system.ts';
import { systemRandom } from '../../src/common/random.ts';
import { kafkaSink } from '../../src/connectors/kafka/sink/kafka-sink.ts';
import type { OpenTransaction } from '../../src/connectors/kafka/sink/open-transaction.ts';
import type { CommitResult, SinkWriter } from '../../src/contracts/sink.ts';
import { KafkaCluster } from '../support/kafka-cluster.ts';
import { KafkaCounts } from '../support/kafka-counts.ts';
import { expectNothingOpen, recordsOf } from '../support/kafka-records.ts';
import { untilAnswered } from '../support/kafka-sink-under-test.ts';
import type { NodeProcess } from '../support/tidemark-process.ts';

const world = { clock: systemClock, random: systemRandom, fs: nodeFileSystem };
const cluster = new KafkaCluster({
  'transaction.state.log.min.isr': '2',
  'min.insync.replicas': '2',
});
const TRANSACTIONS = '__transaction_state';
const TRANSACTION_PARTITIONS = 4;
const KILLS = 6;
const RECORDS_PER_KILL = 4_000;
const RATE = 800;
const TEST_MS = 600_000;

const running: NodeProcess[] = [];

afterEach(async () => {
  for (const job of running.splice(0)) await job.kill('SIGKILL');
});

type Writer = SinkWriter<number, OpenTransaction>;

function sinkTo(topic: string) {
  return kafkaSink<number>({
    brokers: cluster.bootstrap,
    topic,
    key: String,
    value: String,
    delivery: 'exactly-once',
    batchSizeBytes: 400,
    lingerMs: 2,
    // Longer than a broker takes to come back.
    deliveryTimeoutMs: 600_000,
  });
}

async function writerTo(topic: string): Promise<Writer> {
  const context = { world, uid: topic, subtask: 0, parallelism: 1, writerId: 'l-1-0' };
  const writer = sinkTo(topic).writer(context);
  await writer.open?.();
  return writer;
}

async function write(writer: Writer, from: number, to: number): Promise<void> {
  for (let n = from; n < to; n += 1) await writer.write(n, undefined);
}

async function commit(topic: string, all: readonly OpenTransaction[]): Promise<CommitResult[]> {
  const context = { world, uid: topic, lineage: 'l', isLeftover: () => true };
  const committer = sinkTo(topic).committer?.(context);
  if (committer === undefined) throw new TypeError('a sink without committer');
  const stamped = all.map((committable) => ({ checkpointId: 1, subtask: 0, committable }));
  try {
    return await untilAnswered(() => committer.commit(stamped));
  } finally {
    await committer.close?.();
  }
}

/** All of 0 to `count`, once, and within a partition in the order of the writes. */
async function expectNumbers(topic: string, count: number): Promise<void> {
  const committed = (): ReturnType<typeof recordsOf> => recordsOf(cluster.bootstrap, topic);
  await cluster.until('committed', async () => (await committed()).length >= count);
  const records = await committed();
  const numbers = records.map(({ value }) => Number(value));
  expect(numbers.toSorted((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, n) => n));
  for (const partition of new Set(records.map((one) => one.partition))) {
    const own = numbers.filter((_, index) => records[index]?.partition === partition);
    expect(own).toEqual(own.toSorted((a, b) => a - b));
  }
}

/** The broker that coordinates an id, and not another one any more: the one whose partition of the transaction log has it. */
async function coordinatorOf(transactionalId: string, not?: number): Promise<number> {
  let hash = 0;
  for (const char of transactionalId) hash = (Math.imul(31, hash) + char.charCodeAt(0)) | 0;
  const partition = (hash & 0x7fffffff) % TRANSACTION_PARTITIONS;
  return cluster.leaderOf(TRANSACTIONS, partition, not);
}

async function revive(nodeId: number, ...topics: readonly string[]): Promise<void> {
  await cluster.restart(nodeId);
  for (const topic of topics) await cluster.untilInSync(topic);
}

describe('a transaction', () => {
  test(
    'whose coordinator is killed is committed by the next one, and by the one after that',
    async () => {
      const topic = 'coordinated';
      await cluster.createTopic(topic, 2);
      const writer = await writerTo(topic);
      await write(writer, 0, 500);
      const held = await writer.prepareCommit(1, 'checkpoint');
      const id = held[0]?.transactionalId ?? '';
      const first = await coordinatorOf(id);
      await cluster.kill(first);
      // Nothing was told to stop: the next transaction is opened meanwhile.
      await write(writer, 500, 1_000);
      expect(await commit(topic, held)).toEqual(['done']);
      await expectNumbers(topic, 500);
      const second = await coordinatorOf(id, first);
      await revive(first, topic, TRANSACTIONS);
      await cluster.kill(second);
      // What a restored checkpoint does.
      expect(['done', 'already']).toContain((await commit(topic, held))[0]);
      const next = await writer.prepareCommit(2, 'checkpoint');
      expect(await commit(topic, next)).toEqual(['done']);
      await expectNumbers(topic, 1_000);
      await writer.close();
      await revive(second, topic, TRANSACTIONS);
    },
    TEST_MS,
  );

  test(
    'whose leaders are killed and elected while it is written has each record once, in order',
    async () => {
      const topic = 'led';
      await cluster.createTopic(topic, 3);
      const writer = await writerTo(topic);
      let written = 0;
      const more = async (count: number): Promise<void> => {
        await write(writer, written, written + count);
        written += count;
      };
      for (let partition = 0; partition < 3; partition += 1) {
        await more(1_000);
        const leaderId = await cluster.leaderOf(topic, partition);
        const killing = cluster.kill(leaderId);
        await more(1_000);
        await killing;
        await more(1_000);
        await revive(leaderId, topic, TRANSACTIONS);
        // Back to where they were, under load.
        const electing = cluster.electPreferredLeaders();
        await more(1_000);
        await electing;
        await more(1_000);
      }
      const held = await writer.prepareCommit(1, 'checkpoint');
      expect(await recordsOf(cluster.bootstrap, topic)).toEqual([]);
      expect(await commit(topic, held)).toEqual(['done']);
      await expectNumbers(topic, written);
      await writer.close();
    },
    TEST_MS,
  );
});

test(
  'records that too few replicas take are written once, when there are enough again',
  async () => {
    const topic = 'few';
    await cluster.createTopic(topic, 2, { 'min.insync.replicas': '3' });
    const writer = await writerTo(topic);
    await write(writer, 0, 500);
    await cluster.kill(2);
    // Refused before they are written, or after: NOT_ENOUGH_REPLICAS, NOT_ENOUGH_REPLICAS_AFTER_APPEND.
    await write(writer, 500, 1_500);
    let isPrepared = false;
    const preparing = writer.prepareCommit(1, 'checkpoint').then((all) => {
      isPrepared = true;
      return all;
    });
    await cluster.until('shrunk', async () => {
      return (await cluster.partition(topic, 0)).inSync.length < 3;
    });
    expect(isPrepared).toBe(false);
    await revive(2, topic, TRANSACTIONS);
    expect(await commit(topic, await preparing)).toEqual(['done']);
    await expectNumbers(topic, 1_500);
    await writer.close();
  },
  TEST_MS,
);

test(
  `a job counts each record once through ${KILLS} kills of leaders and coordinators, without a restart`,
  async () => {
    const counts = await KafkaCounts.make('counts', {
      folder: cluster.folder,
      bootstrap: () => cluster.bootstrap,
      createTopic: (name, partitions) => cluster.createTopic(name, partitions),
      started: (job) => running.push(job),
    });
    const topics = [counts.input, counts.output, TRANSACTIONS];
    await counts.write(2 * RECORDS_PER_KILL);
    const engine = {
      // A checkpoint waits for output whose leader is being elected.
      'execution.checkpointing.timeout': '60s',
    };
    const job = counts.start(2, { job: { rate: String(RATE) }, engine });
    const untilCheckpoints = async (count: number, what: string): Promise<void> => {
      const from = job.count('checkpoint-completed');
      const hasCome = await job.until(() => job.count('checkpoint-completed') >= from + count);
      expect(hasCome, `${what}\n${JSON.stringify(job.events.slice(-3))}`).toBe(true);
    };
    await untilCheckpoints(2, 'at the start');
    for (let kill = 1; kill <= KILLS; kill += 1) {
      const role = kill % 2 === 0 ? 'leader' : 'coordinator';
      const topic = role === 'leader' ? counts.output : TRANSACTIONS;
      const leaderId = await cluster.leaderOf(topic, kill % 4);
      const what = `kill ${kill}, of ${role} ${leaderId}`;
      await cluster.kill(leaderId);
      await counts.expectPart(what);
      await untilCheckpoints(2, what);
      await counts.expectPart(`${what}, two checkpoints later`);
      await revive(leaderId, ...topics);
      await counts.write(RECORDS_PER_KILL);
      await cluster.electPreferredLeaders();
      await counts.expectPart(`${what}, after elections`);
      await untilCheckpoints(1, `${what}, after elections`);
    }
    await counts.expectAll('in the end', job);
    const failures = job.events.filter(({ kind }) => kind === 'failure');
    expect(failures).toEqual([]);
    // Cancelled, it leaves no transaction open that readers would wait for.
    await job.kill('SIGINT');
    await expectNothingOpen(cluster.bootstrap, counts.output);
  },
  TEST_MS,
);

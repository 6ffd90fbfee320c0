/*
 * Goal: when an unclean leader election has replaced records that were read, the source does not pass over the new ones
 * and count the lost ones in silence: the job fails and says so, or goes on where the two histories part.
 * Method: three real brokers. A topic with two replicas; one of them is killed and misses records; then the other one is
 * killed, and the first leads again, without them, and gets others.
 * Needs: Java 17 or later and Maven; Kafka is fetched once.
 * Replay: npm run test:integration -- kafka-truncation
 */
import { afterEach, describe, expect, it } from 'vitest';
import {
  fromString,
  type KafkaEnumeratorState,
  kafkaSource,
  type KafkaSplit,
} from '../../src/connectors/kafka/kafka.ts';
import { type DrivenSnapshot, DrivenSource } from '../support/driven-source.ts';
import { KafkaCluster } from '../support/kafka-cluster.ts';
import { numbered, type TextOptions } from '../support/kafka-fixture.ts';
import { writeToCluster } from '../support/kafka-writer.ts';

const cluster = new KafkaCluster();
const UNCLEAN = { 'unclean.leader.election.enable': 'true', 'min.insync.replicas': '1' };
const TEST_MS = 600_000;

type Driven = DrivenSource<string, KafkaSplit, KafkaEnumeratorState>;

const running: Driven[] = [];

afterEach(async () => {
  for (const driven of running.splice(0)) await driven.stop();
});

async function read(
  topic: string,
  options: TextOptions = {},
  from?: DrivenSnapshot,
): Promise<Driven> {
  const source = kafkaSource<string>({
    brokers: cluster.bootstrap,
    topics: topic,
    deserializer: fromString(),
    ...options,
  });
  const driven: Driven = new DrivenSource(source, 1, from);
  running.push(driven);
  return driven.start();
}

interface History {
  readonly topic: string;
  /** Those that both replicas have. */
  readonly kept: readonly string[];
  readonly lost: readonly string[];
  readonly fresh: readonly string[];
}

/** As many new ones as were lost, and more: the old position is in the middle of what is new. */
function historyOf(topic: string): History {
  return {
    topic,
    kept: numbered('kept ', 10),
    lost: numbered('lost ', 5),
    fresh: numbered('fresh ', 20),
  };
}

async function begin({ topic, kept, lost }: History): Promise<{ behind: number; ahead: number }> {
  await cluster.createTopic(topic, 1, UNCLEAN, 2);
  await writeToCluster(cluster.bootstrap, { topic, values: kept });
  const { leaderId: ahead, replicas } = await cluster.partition(topic, 0);
  const behind = replicas.find((one) => one !== ahead) ?? -1;
  await cluster.kill(behind);
  await cluster.until('alone', async () => (await cluster.partition(topic, 0)).inSync.length === 1);
  await writeToCluster(cluster.bootstrap, { topic, values: lost });
  return { behind, ahead };
}

/** The one that lags behind leads, and is written to. */
async function replace({ topic, fresh }: History, behind: number, ahead: number): Promise<void> {
  await cluster.kill(ahead);
  await cluster.restart(behind);
  await cluster.until('led again', async () => {
    return (await cluster.partition(topic, 0)).leaderId === behind;
  });
  await writeToCluster(cluster.bootstrap, { topic, values: fresh });
}

describe('records that were read and are replaced', () => {
  it(
    'fail the job, which says where; a snapshot of before goes on, and so does a policy',
    async () => {
      const history = historyOf('replaced');
      const { topic, kept, lost, fresh } = history;
      const options: TextOptions = { unavailableAfterMs: 600_000 };
      const { behind, ahead } = await begin(history);
      const driven = await read(topic, options);
      await driven.until(() => driven.values.length === kept.length + lost.length);
      const after = driven.snapshot(1);
      const [split] = driven.splits(after);
      expect(split).toMatchObject({ offset: 15, leaderEpoch: expect.any(Number) });
      const early = await read(topic, { ...options, bounded: { offsets: { [`${topic}-0`]: 10 } } });
      await early.until(() => early.hasEnded);
      const before = early.snapshot(1);

      await replace(history, behind, ahead);
      const error = {
        code: 'KAF-019',
        details: { partition: `${topic}-0`, offset: 15, divergesAt: 10 },
      };
      expect(await driven.untilFailed()).toMatchObject(error);
      expect(driven.values).toEqual([...kept, ...lost]);
      // The same from the snapshot, in a process that has not seen the election.
      const restored = await read(topic, options, after);
      expect(await restored.untilFailed()).toMatchObject(error);
      expect(restored.values).toEqual([]);

      const lenient = await read(topic, { ...options, onOffsetOutOfRange: 'earliest' }, after);
      await lenient.until(() => lenient.values.length >= fresh.length);
      expect(lenient.values).toEqual(fresh);
      const whole = await read(topic, options, before);
      await whole.until(() => whole.values.length >= fresh.length);
      expect(whole.values).toEqual(fresh);
      await cluster.restart(ahead);
      await cluster.untilInSync(topic, 2);
    },
    TEST_MS,
  );

  it(
    'are no failure if they were only read ahead',
    async () => {
      const history = historyOf('ahead');
      const { topic, kept, fresh } = history;
      const { behind, ahead } = await begin(history);
      const driven = await read(topic, { unavailableAfterMs: 600_000 });
      driven.pauseAt = 10;
      await driven.until(() => driven.paused);
      expect(driven.values).toEqual(kept);
      await replace(history, behind, ahead);
      // The reader has the lost ones in memory; it drops them when the new leader has been asked.
      await driven.until(() => {
        const metrics = driven.readers[0]?.metrics?.() ?? [];
        return metrics.some(
          ({ name, value }) => name === 'pendingRecords' && value === fresh.length,
        );
      });
      await cluster.restart(ahead);
      await cluster.untilInSync(topic, 2);
      driven.paused = false;
      await driven.until(() => driven.values.length >= 30);
      expect(driven.values).toEqual([...kept, ...fresh]);
    },
    TEST_MS,
  );

  it(
    'and are more than the new ones are missed in the same way',
    async () => {
      const history = { ...historyOf('shorter'), lost: numbered('lost ', 30) };
      const { topic, kept, lost } = history;
      const { behind, ahead } = await begin(history);
      const driven = await read(topic, { unavailableAfterMs: 600_000 });
      await driven.until(() => driven.values.length === kept.length + lost.length);
      await replace(history, behind, ahead);
      expect(await driven.untilFailed()).toMatchObject({
        code: 'KAF-019',
        details: { offset: 40, divergesAt: 10 },
      });
      await cluster.restart(ahead);
      await cluster.untilInSync(topic, 2);
    },
    TEST_MS,
  );
});

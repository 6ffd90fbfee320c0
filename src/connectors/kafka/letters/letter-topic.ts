import type { LetterPlace } from '../../../contracts/letter-place.ts';
import { parseLetter } from '../../../contracts/letter-place.ts';
import type { World } from '../../../contracts/source.ts';
import { noSuchTopic } from '../client/errors.ts';
import { KafkaClient } from '../client/kafka-client.ts';
import type { KafkaProperties } from '../client/properties.ts';
import { checkSourceOptions } from '../source/source-options.ts';
import { ReplayTopic, replayTopicOf } from './replay-topic.ts';
import { TopicReader } from './topic-reader.ts';

export interface LetterTopicOptions {
  readonly brokers: string | readonly string[];
  readonly topic: string;
  readonly properties?: KafkaProperties;
}

/**
 * Letters in a topic as a place for commands. What is not committed is not seen.
 *
 * @throws {EngineError} `KAF-001`, `KAF-002` (`invalid`); `KAF-003` to `KAF-009` when it is read.
 */
export function letterTopic(options: LetterTopicOptions, world: World): LetterPlace {
  const { topic } = options;
  const replays = replayTopicOf(topic);
  // Retention may take away what was to be read next; of replays it is checked.
  const settings = checkSourceOptions({
    ...options,
    topics: [topic, replays],
    // Without an end, that of a split would not count.
    bounded: 'latest',
    onOffsetOutOfRange: 'earliest',
  });
  const client = new KafkaClient({ access: settings.access, world, clientId: 'tidemark-dlq' });
  const shared = { settings, world, client };
  const letters = new TopicReader({ ...shared, topic });
  const replayTopic = new ReplayTopic({
    topic: replays,
    client,
    world,
    reader: new TopicReader({ ...shared, topic: replays, keysOnly: true }),
    newPartitions: async () => {
      const count = await letters.partitions();
      if (count === undefined) throw noSuchTopic(topic);
      return count;
    },
  });
  return {
    name: `topic ${topic}`,
    replaysFrom: replaysFrom(topic),
    async *letters() {
      for await (const { partition, offset, value } of letters.all()) {
        if (value !== null) yield parseLetter(value, `${topic}-${partition}`, offset);
      }
    },
    replayed: () => replayTopic.ids(),
    replay: async (chosen) => ({ letters: await replayTopic.add(chosen), to: `topic ${replays}` }),
    close: () => client.close(),
  };
}

export function replaysFrom(topic: string): string {
  return `topic ${replayTopicOf(topic)}`;
}

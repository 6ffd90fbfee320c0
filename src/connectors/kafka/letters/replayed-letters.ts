import { parseLetter } from '../../../contracts/letter-place.ts';
import type { Source } from '../../../contracts/source.ts';
import type { InferOutput, StandardSchema } from '../../../serde/standard-schema.ts';
import { fromTypedJson } from '../../../serde/typed-json.ts';
import type { KafkaProperties } from '../client/properties.ts';
import { type KafkaDeserializer, validated } from '../source/deserializers.ts';
import { sourceOf } from '../source/kafka-source.ts';
import type { KafkaEnumeratorState, KafkaSplit } from '../source/kafka-split.ts';
import { checkSourceOptions } from '../source/source-options.ts';
import { replaysFrom } from './letter-topic.ts';
import { replayTopicOf } from './replay-topic.ts';

export interface KafkaReplayedLettersOptions {
  /** `host:port` of some brokers, with commas or as a list. */
  readonly brokers: string | readonly string[];
  /** The topic of the dead letters; replays are in `<topic>-replay`, which `tidemark dlq replay` makes. */
  readonly topic: string;
  /** The uid of the operator whose letters these are, and to which this source leads. */
  readonly operator: string;
  /** How it waits for replays. `everyMs`: looks for the topic and for new partitions so often; a look is a request. Default: each second, for ever; `none`: what is there at the start. */
  readonly watch?: { readonly everyMs: number } | 'none';
  /** Kafka's own client properties. */
  readonly properties?: KafkaProperties;
}

const WATCH_MS = 1_000;

/**
 * The way back for dead letters in a topic: emits the records that `tidemark dlq replay kafka://…` has chosen,
 * with the timestamps they had. Unite it with the input of the operator at which they failed.
 *
 * ```ts
 * import { defineJob, monotonous } from 'tidemark';
 * import { deadLetterTopic, fromJson, kafkaReplayedLetters, kafkaSink, kafkaSource } from 'tidemark/kafka';
 * import { z } from 'zod';
 *
 * const Line = z.object({ text: z.string() });
 * const brokers = 'localhost:9092';
 * const letters = { brokers, topic: 'dlq' };
 *
 * export default defineJob('lines', (env) => {
 *   const replayed = env.fromSource(
 *     'replayed',
 *     kafkaReplayedLetters(Line, { ...letters, operator: 'parse' }),
 *     monotonous(undefined, { idlenessMs: 1 }),
 *   );
 *   env
 *     .fromSource('lines', kafkaSource({ brokers, topics: 'lines', deserializer: fromJson(Line) }))
 *     .union(replayed)
 *     .map('parse', ({ text }) => JSON.parse(text) as unknown)
 *     .onError('dead-letter');
 *   env.deadLetters().sinkTo('dlq', kafkaSink(deadLetterTopic(letters)));
 * });
 * ```
 *
 * @param schema Of the records. One that does not fit any more fails the job.
 * @throws {EngineError} `KAF-001`, `KAF-002` at once; when it runs: `DLQ-004`, `DLQ-005`, `KAF-003` to `KAF-020`.
 */
export function kafkaReplayedLetters<S extends StandardSchema>(
  schema: S,
  options: KafkaReplayedLettersOptions,
): Source<InferOutput<S>, KafkaSplit, KafkaEnumeratorState> {
  const { brokers, topic, operator, watch = { everyMs: WATCH_MS }, properties } = options;
  const settings = checkSourceOptions({
    brokers,
    topics: [replayTopicOf(topic)],
    ...(properties !== undefined && { properties }),
    ...(watch === 'none' ? { bounded: 'latest' } : { partitionDiscoveryIntervalMs: watch.everyMs }),
  });
  const source = sourceOf(
    { ...settings, topicsMayBeAbsent: true },
    recordsOf(schema, operator),
    'fail',
  );
  return { ...source, kind: 'dead-letters', replaysFrom: replaysFrom(topic) };
}

function recordsOf<S extends StandardSchema>(
  schema: S,
  operator: string,
): KafkaDeserializer<InferOutput<S>> {
  const check = validated(schema);
  return (record) => {
    const text = record.valueText();
    if (text === null) return undefined;
    const letter = parseLetter(text, `${record.topic}-${record.partition}`, record.offset);
    return letter.operator === operator ? check(fromTypedJson(letter.record)) : undefined;
  };
}

import type { DeadLetter } from '../../../contracts/dead-letter.ts';
import type { KafkaProperties } from '../client/properties.ts';
import type { KafkaSinkOptions } from '../sink/sink-options.ts';

export interface DeadLetterTopicOptions {
  /** `host:port` of some brokers, with commas or as a list. */
  readonly brokers: string | readonly string[];
  readonly topic: string;
  readonly properties?: KafkaProperties;
}

/**
 * The options of a `kafkaSink` for `env.deadLetters()`: letters as JSON, each once, with their ids as keys and
 * the time of the failure as the record's time, which is what retention counts from.
 *
 * ```ts
 * const letters = kafkaSink(deadLetterTopic({ brokers: 'localhost:9092', topic: 'dlq' }));
 * ```
 */
export function deadLetterTopic(options: DeadLetterTopicOptions): KafkaSinkOptions<DeadLetter> {
  return {
    ...options,
    delivery: 'exactly-once',
    key: ({ id }) => id,
    timestamp: ({ failedAt }) => Date.parse(failedAt),
  };
}

/**
 * The job of the benchmark `kafka`: text from a topic, keyBy, a count per key in ValueState, text to a topic,
 * exactly once. A module of its own, so that slots can import it.
 */
import { z } from 'zod';
import { defineJob } from '../../src/api/job-definition.ts';
import { valueState } from '../../src/api/state-descriptors.ts';
import { fromString, kafkaSink, kafkaSource } from '../../src/connectors/kafka/kafka.ts';
import { serializerOf } from '../../src/serde/structural-serializer.ts';

const KafkaCountSettings = z.object({ brokers: z.string(), input: z.string(), output: z.string() });

const KEY_CHARS = 9;
const REST_FROM = 24;

function keyOf(value: string): string {
  return value.slice(0, KEY_CHARS);
}

/** What the input holds: 100 characters, of which the first are the key. */
export function inputOf(key: number): string {
  return `k${String(key).padStart(KEY_CHARS - 1, '0')},`.padEnd(100, 'abcdefghij');
}

export default defineJob(
  'kafka-count',
  { settings: KafkaCountSettings },
  (env, { settings: { brokers, input, output } }) => {
    const seen = valueState('count', serializerOf({ kind: 'float64' }));
    env
      .fromSource('input', kafkaSource({ brokers, topics: [input], deserializer: fromString() }))
      .keyBy(keyOf)
      .process(
        'count',
        { seen },
        serializerOf({ kind: 'string' }),
        (value, { state, out, key }) => {
          const count = (state.seen.value() ?? 0) + 1;
          state.seen.update(count);
          out.emit(`${key},${count},${value.slice(REST_FROM)}`);
        },
      )
      .sinkTo(
        'output',
        kafkaSink<string>({
          brokers,
          topic: output,
          key: keyOf,
          value: (text) => text,
          delivery: 'exactly-once',
          transactionTimeoutMs: 600_000,
          batchSizeBytes: 262_144,
          lingerMs: 10,
        }),
      );
  },
);

/** Counts records of a topic by key, into another topic. */
import { defineJob, rateLimited, setupCheckpointAndRecovery, valueState } from 'tidemark';
import { fromString, kafkaSink, kafkaSource } from 'tidemark/kafka';
import { z } from 'zod';

const CountsSettings = z.object({
  brokers: z.string(),
  input: z.string(),
  output: z.string(),
  delivery: z.enum(['exactly-once', 'at-least-once']).default('exactly-once'),
  transactionTimeoutMs: z.number().default(60_000),
  /** Records a second. */
  rate: z.number().default(1_000_000),
});
const Count = z.object({ value: z.string(), key: z.string(), count: z.int32() });
const count = valueState('count', z.int32());

export default defineJob(
  'kafka-counts',
  { settings: CountsSettings },
  (env, { settings, flink }) => {
    setupCheckpointAndRecovery(env, flink);
    const { brokers, input, output, delivery, transactionTimeoutMs, rate } = settings;
    const records = kafkaSource({ brokers, topics: [input], deserializer: fromString() });
    env
      .fromSource('input', rateLimited(records, rate))
      .keyBy((value) => value.slice(0, value.indexOf(':')))
      .process('count', { count }, Count, (value, { state, out, key }) => {
        const next = (state.count.value() ?? 0) + 1;
        state.count.update(next);
        out.emit({ value, key, count: next });
      })
      .sinkTo(
        'output',
        kafkaSink<{ value: string; key: string; count: number }>({
          brokers,
          topic: output,
          key: (one) => one.key,
          value: (one) => `${one.value}=${one.count}`,
          delivery,
          transactionTimeoutMs,
        }),
      );
  },
);

/* Dead letters of a topic into a topic, with a way back. It goes on until it is ended. */
import { defineJob, monotonous, setupCheckpointAndRecovery, valueState } from 'tidemark';
import {
  deadLetterTopic,
  fromJson,
  kafkaReplayedLetters,
  kafkaSink,
  kafkaSource,
} from 'tidemark/kafka';
import { z } from 'zod';

const Settings = z.object({
  brokers: z.string(),
  input: z.string(),
  output: z.string(),
  dlq: z.string(),
  fixed: z.boolean().default(false).describe('takes what it failed on before'),
});
const Row = z.object({ n: z.number(), key: z.string(), value: z.number() });
const Broken = z.object({ text: z.string(), reason: z.string(), place: z.string() });
const Incoming = z.union([Row, Broken]);
const total = valueState('total', z.number());

export default defineJob('letters-kafka', { settings: Settings }, (env, { settings, flink }) => {
  setupCheckpointAndRecovery(env, flink);
  const { brokers, input, output, dlq, fixed } = settings;
  const letters = { brokers, topic: dlq };
  const back = <S extends z.ZodType>(uid: string, schema: S, operator: string) =>
    env.fromSource(
      uid,
      kafkaReplayedLetters(schema, { ...letters, operator, watch: { everyMs: 50 } }),
      monotonous(undefined, { idlenessMs: 1 }),
    );
  const rows = kafkaSource({
    brokers,
    topics: input,
    deserializer: fromJson(Row),
    onInvalid: ({ topic, partition, offset, reason, value }) => ({
      text: Buffer.from(value ?? []).toString(),
      reason,
      place: `${topic}-${partition}@${offset}`,
    }),
  });
  env
    .fromSource('rows', rows, monotonous(undefined, { idlenessMs: 1 }))
    // Chained to the source, so that its letters know their place.
    .map('check', Incoming, (one) => {
      if ('n' in one && one.key === '') throw new RangeError('no key');
      return one;
    })
    .onError('dead-letter')
    .union(back('again-read', Incoming, 'read'))
    .map('read', Row, (one) => {
      if ('n' in one) return one;
      if (!fixed) throw new SyntaxError(`${one.place}: ${one.reason}`);
      return Row.parse(JSON.parse(`${one.text}}`));
    })
    .onError('dead-letter')
    .union(back('again-sum', Row, 'sum'))
    .keyBy(({ key }) => key)
    .process('sum', { total }, Row, (row, { state, out }) => {
      const sum = (state.total.value() ?? 0) + row.value;
      state.total.update(sum);
      out.emit({ ...row, value: sum });
      if (row.value < 0 && !fixed) throw new RangeError('less than nothing');
    })
    .onError('dead-letter')
    .sinkTo(
      'sums',
      kafkaSink<z.infer<typeof Row>>({ brokers, topic: output, delivery: 'exactly-once' }),
    );
  env.deadLetters().sinkTo('dlq', kafkaSink(deadLetterTopic(letters)));
});

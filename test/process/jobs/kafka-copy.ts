/** Copies a topic to files, to where it ended when the job was first started, or for ever; as slowly as it is told to. */
import { defineJob, fileSink, rateLimited, setupCheckpointAndRecovery } from 'tidemark';
import { fromString, kafkaSource } from 'tidemark/kafka';
import { z } from 'zod';

const CopySettings = z.object({
  brokers: z.string(),
  topic: z.string(),
  out: z.string(),
  group: z.string().optional(),
  rate: z.number().default(1_000_000),
  end: z.enum(['latest', 'never']).default('latest'),
  unavailable: z.number().default(60_000),
});

export default defineJob('kafka-copy', { settings: CopySettings }, (env, { settings, flink }) => {
  setupCheckpointAndRecovery(env, flink);
  const { brokers, topic, group, out, rate, end, unavailable } = settings;
  const records = kafkaSource({
    brokers,
    topics: [topic],
    deserializer: fromString(),
    unavailableAfterMs: unavailable,
    ...(end === 'latest' && { bounded: end }),
    ...(group === undefined ? {} : { groupId: group }),
    // Many small answers: a kill shall find every state of them.
    properties: { 'max.partition.fetch.bytes': 4_096 },
  });
  env
    .fromSource('records', rateLimited(records, rate))
    .map('row', (value) => ({ value }))
    .sinkTo('copy', fileSink({ path: out, format: 'json-lines' }));
});

import { icebergSchema, t } from './columns.ts';

/**
 * The columns of a table of dead letters: `docs/formats/dead-letters.md`, with times as timestamptz.
 *
 * ```ts
 * import { defineJob } from 'tidemark';
 * import { day, deadLetterColumns, hadoop, icebergSink } from 'tidemark/iceberg';
 *
 * export default defineJob('checked', (env) => {
 *   env
 *     .fromElements('texts', ['1', 'x'])
 *     .map('parse', (text) => JSON.parse(text) as unknown)
 *     .onError('dead-letter');
 *   env.deadLetters().sinkTo(
 *     'dlq',
 *     icebergSink({
 *       catalog: hadoop({ warehouse: 'lake' }),
 *       table: 'ops.dead_letters',
 *       schema: deadLetterColumns,
 *       partitionBy: [day('failedAt')],
 *     }),
 *   );
 * });
 * ```
 */
export const deadLetterColumns = icebergSchema({
  version: t.int(),
  id: t.string(),
  job: t.string(),
  operator: t.string(),
  subtask: t.int(),
  attempt: t.int(),
  failedAt: t.timestamptz(),
  errorName: t.string(),
  errorCode: t.string().optional(),
  errorMessage: t.string(),
  errorStack: t.string().optional(),
  eventTime: t.timestamptz().optional(),
  key: t.string().optional(),
  source: t.string().optional(),
  position: t.string().optional(),
  record: t.string(),
  recordExact: t.boolean(),
});

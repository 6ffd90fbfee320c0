import type { Sink } from '../../../contracts/sink.ts';
import { KafkaCommitter } from './kafka-committer.ts';
import { type KafkaSinkOptions, type KafkaSinkPlan, planKafkaSink } from './sink-options.ts';
import { KafkaWriter } from './kafka-writer.ts';
import { preflightKafkaSink } from './preflight.ts';
import { type OpenTransaction, openTransactions } from './open-transaction.ts';

/**
 * Writes records to Kafka topics.
 *
 * ```ts
 * const totals = kafkaSink<{ word: string; count: number }>({
 *   brokers: 'localhost:9092',
 *   topic: 'totals',
 *   key: ({ word }) => word,
 *   delivery: 'exactly-once',
 * });
 * ```
 *
 * With `exactly-once` records become visible when their checkpoint is complete, to consumers with
 * `isolation.level=read_committed`. Others see them at once, and also those of attempts that failed.
 *
 * @throws {EngineError} `KAF-001`, `KAF-002` and `KAF-050` for an option; before the job starts: `KAF-057` to
 * `KAF-059`; when it runs: `KAF-003` to `KAF-010`, `KAF-051` to `KAF-056`, and
 * with Avro `KAF-030` to `KAF-036`.
 */
export function kafkaSink<T>(options: KafkaSinkOptions<T>): Sink<T, OpenTransaction> {
  const plan = planKafkaSink(options);
  // Neither commits nor looks at records.
  const anyPlan = plan as KafkaSinkPlan<never>;
  const isTransactional = plan.delivery === 'exactly-once';
  return {
    kind: 'kafka',
    committables: isTransactional ? openTransactions : undefined,
    writer: (context) => new KafkaWriter(context, plan),
    ...(isTransactional && {
      committer: (context) => new KafkaCommitter(context, anyPlan),
      preflight: (context) => preflightKafkaSink(context, anyPlan),
    }),
  };
}

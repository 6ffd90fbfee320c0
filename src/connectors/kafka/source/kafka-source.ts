import type { ReaderContext, Source } from '../../../contracts/source.ts';
import { KafkaClient } from '../client/kafka-client.ts';
import { KafkaEnumerator } from './kafka-enumerator.ts';
import { type KafkaFormat, openFormat } from './kafka-format.ts';
import { KafkaSourceReader } from './kafka-reader.ts';
import {
  type KafkaEnumeratorState,
  kafkaEnumeratorState,
  type KafkaSplit,
  kafkaSplits,
  splitIdOf,
} from './kafka-split.ts';
import type { KafkaDeserializer } from './deserializers.ts';
import { type OnInvalidRecord, RecordHandler } from './record-handler.ts';
import {
  checkSourceOptions,
  type KafkaSourceOptions,
  type KafkaSourceSettings,
} from './source-options.ts';

/**
 * Reads topics of Kafka, each partition in order and each record once for the job's state, whatever fails.
 * A partition is a split: it has its own offset in the checkpoint, its own watermark and idleness.
 *
 * ```ts
 * const Order = z.object({ id: z.string(), amount: z.number() });
 * env.fromSource(
 *   'orders',
 *   kafkaSource({
 *     brokers: 'kafka-1:9092,kafka-2:9092',
 *     topics: ['orders'],
 *     groupId: 'billing',
 *     deserializer: fromJson(Order),
 *   }),
 * );
 * ```
 *
 * Elements have the timestamp of their record, unless the watermark strategy takes another one.
 *
 * @throws {EngineError} `KAF-001`, `KAF-002` at once; `KAF-003` to `KAF-020`, and with Avro
 * `KAF-030` to `KAF-035`, when it runs.
 */
export function kafkaSource<T, B = never>(
  options: KafkaSourceOptions<T, B>,
): Source<T | B, KafkaSplit, KafkaEnumeratorState> {
  const { deserializer, onInvalid = 'fail' } = options;
  return sourceOf<T | B>(checkSourceOptions(options), deserializer, onInvalid);
}

/** The same of options that are checked already. */
export function sourceOf<T>(
  settings: KafkaSourceSettings,
  deserializer: KafkaDeserializer<T> | KafkaFormat<T>,
  onInvalid: OnInvalidRecord<T>,
): Source<T, KafkaSplit, KafkaEnumeratorState> {
  const clientOf = ({ world, uid }: Pick<ReaderContext, 'world' | 'uid'>, who: string) =>
    new KafkaClient({ access: settings.access, world, clientId: `tidemark-${uid}-${who}` });
  return {
    kind: 'kafka',
    boundedness: settings.bounded === undefined ? 'unbounded' : 'bounded',
    splits: kafkaSplits,
    enumeratorState: kafkaEnumeratorState,
    splitId: splitIdOf,
    enumerator: (context, from) =>
      new KafkaEnumerator(context, settings, clientOf(context, 'enumerator'), from),
    reader: (context) =>
      new KafkaSourceReader<T>({
        context,
        settings,
        client: clientOf(context, String(context.subtask)),
        records: new RecordHandler<T>(openFormat<T>(deserializer, context), onInvalid),
      }),
  };
}

/** `tidemark/kafka`: cheap to import, as its library is loaded when something connects to a broker. */
export { kafkaSource } from './source/kafka-source.ts';
export type { KafkaSourceOptions } from './source/source-options.ts';
export { fromBytes, fromJson, fromString, type KafkaDeserializer } from './source/deserializers.ts';
export { fromAvro, type FromAvroOptions } from './avro/from-avro.ts';
export { toAvro, type ToAvroOptions } from './avro/to-avro.ts';
export type { AvroLongs } from './avro/avro-types.ts';
export type { RegistryOptions, RegistryTls } from './avro/registry-access.ts';
export type { KafkaFormat, LATER, OpenKafkaFormat } from './source/kafka-format.ts';
export type { KafkaValueFormat, OpenValueFormat, WriteValue } from './sink/value-format.ts';
export type { KafkaHeader, KafkaRecord } from './source/kafka-record.ts';
export type { InvalidKafkaRecord, OnInvalidRecord } from './source/record-handler.ts';
export type { Isolation, OffsetsByPartition, StartFrom, StopAt } from './source/offsets.ts';
export type { KafkaEnumeratorState, KafkaSplit } from './source/kafka-split.ts';
export type { KafkaProperties } from './client/properties.ts';
export { kafkaSink } from './sink/kafka-sink.ts';
export type { KafkaCompression, KafkaDelivery, KafkaSinkOptions } from './sink/sink-options.ts';
export type { KafkaBytes, KafkaHeaders } from './sink/record-batch-builder.ts';
export type { OpenTransaction, WrittenRange } from './sink/open-transaction.ts';
export { deadLetterTopic, type DeadLetterTopicOptions } from './letters/dead-letter-topic.ts';
export {
  kafkaReplayedLetters,
  type KafkaReplayedLettersOptions,
} from './letters/replayed-letters.ts';

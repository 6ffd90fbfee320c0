import { BrokerAccess } from '../client/broker-access.ts';
import { CONNECTION_PROPERTIES } from '../client/connection-properties.ts';
import { library } from '../client/library.ts';
import { count, type KafkaProperties, oneOf, readProperties } from '../client/properties.ts';
import type { BatchCompression, KafkaBytes, KafkaHeaders } from './record-batch-builder.ts';
import type { KafkaValueFormat } from './value-format.ts';
import { badSinkOption } from './errors.ts';

/**
 * What a reader of the topic sees after failures. `exactly-once`: each record once, when the checkpoint it
 * belongs to is complete, if it reads committed records only. `at-least-once`: all of them, some twice.
 * `none`: some may be missing.
 */
export type KafkaDelivery = 'exactly-once' | 'at-least-once' | 'none';

export type KafkaCompression = 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd';

export interface KafkaSinkOptions<T> {
  /** `host:port` of some brokers, with commas between them or as an array. The others are found. */
  readonly brokers: string | readonly string[];
  /** One topic, or each record's. */
  readonly topic: string | ((record: T) => string);
  /** Records of one key go to one partition, the same as with Kafka's Java producer. Default: none. */
  readonly key?: (record: T) => KafkaBytes;
  /** A function, or a format such as `toAvro`. `null` deletes the key in a compacted topic. Default: the record as JSON. */
  readonly value?: ((record: T) => KafkaBytes) | KafkaValueFormat<T>;
  readonly headers?: (record: T) => KafkaHeaders | undefined;
  /** Instead of Kafka's choice by key. */
  readonly partitioner?: (record: T, key: KafkaBytes, partitions: number) => number;
  /** Milliseconds. Default: the record's event time, or where it has none, the time of the write. */
  readonly timestamp?: (record: T, timestampMs: number | undefined) => number;
  /** Required: exactly-once asks something of those who read, and of the checkpoints. */
  readonly delivery: KafkaDelivery;
  /**
   * What the names of transactions begin with, which is what an ACL must allow. Default: `tidemark`.
   * Names also hold the sink's uid and the job's lineage, so jobs may share a prefix.
   */
  readonly transactionalIdPrefix?: string;
  /**
   * Milliseconds after which Kafka aborts a transaction that nobody has committed. Output whose job is down
   * for longer than this, between a checkpoint and its commit, is lost, which the job reports. While one is
   * open, readers of committed records wait behind it. At most `transaction.max.timeout.ms` of the brokers.
   * Default: 900000, a quarter of an hour, which is that limit unless it was changed.
   */
  readonly transactionTimeoutMs?: number;
  /** Default: `none`. */
  readonly compression?: KafkaCompression;
  /**
   * A batch of one partition is sent when it has so many bytes. Small ones cost the broker more, large ones
   * take memory per partition. Below `max.message.bytes` of the topic. Default: 262144.
   */
  readonly batchSizeBytes?: number;
  /** A batch that is not full is sent after so many milliseconds. Default: 10. */
  readonly lingerMs?: number;
  /** More than this on its way to the brokers holds the subtask back. Default: 32 MiB. */
  readonly bufferBytesMax?: number;
  /** Of one request, and so of one record. Default: 1048576, as brokers allow. */
  readonly requestBytesMax?: number;
  /** How long a record is tried again before the job fails and restarts. Default: 120000. */
  readonly deliveryTimeoutMs?: number;
  /** Kafka's client properties: security, timeouts, and the options above by Kafka's names. */
  readonly properties?: KafkaProperties;
}

/** Names of Kafka's producer for options above. */
const PRODUCER_PROPERTIES = {
  'transaction.timeout.ms': count(900_000, 1_000),
  'compression.type': oneOf(['none', 'gzip', 'snappy', 'lz4', 'zstd'], 'none'),
  'batch.size': count(256 * 1024, 1),
  'linger.ms': count(10),
  'buffer.memory': count(32 * 1024 * 1024, 1),
  'max.request.size': count(1024 * 1024, 1),
  'delivery.timeout.ms': count(120_000, 1),
};

/** Checked, with all defaults. */
export interface KafkaSinkPlan<T> extends KafkaSinkOptions<T> {
  readonly access: BrokerAccess;
  readonly transactionalIdPrefix: string;
  readonly transactionTimeoutMs: number;
  readonly batchSizeBytes: number;
  readonly lingerMs: number;
  readonly bufferBytesMax: number;
  readonly requestBytesMax: number;
  readonly deliveryTimeoutMs: number;
  readonly requestTimeoutMs: number;
  readonly batchCompression: BatchCompression | undefined;
}

/** What a batch's attributes say. */
const COMPRESSION_BITS: Readonly<Record<KafkaCompression, number>> = {
  none: 0,
  gzip: 1,
  snappy: 2,
  lz4: 3,
  zstd: 4,
};

const DELIVERIES: readonly string[] = ['exactly-once', 'at-least-once', 'none'];
const TRANSACTION_TIMEOUT_MS_MIN = 1_000;

/** @throws {EngineError} `KAF-001`, `KAF-002`, `KAF-050` */
export function planKafkaSink<T>(options: KafkaSinkOptions<T>): KafkaSinkPlan<T> {
  const values = readProperties(options.properties ?? {}, {
    ...CONNECTION_PROPERTIES,
    ...PRODUCER_PROPERTIES,
  });
  const { delivery, topic, transactionalIdPrefix = 'tidemark' } = options;
  if (!DELIVERIES.includes(delivery)) throw badSinkOption('delivery', delivery, "'exactly-once'");
  if (typeof topic === 'string' && !isTopicName(topic)) {
    throw badSinkOption('topic', topic, "'orders'");
  }
  if (!/^[^\s/]+$/.test(transactionalIdPrefix)) {
    throw badSinkOption('transactionalIdPrefix', transactionalIdPrefix, "'billing'");
  }
  const compression = options.compression ?? values['compression.type'];
  if (!Object.hasOwn(COMPRESSION_BITS, compression)) {
    throw badSinkOption('compression', compression, "'lz4'");
  }
  const plan = {
    ...options,
    access: new BrokerAccess(options.brokers, values),
    transactionalIdPrefix,
    transactionTimeoutMs: options.transactionTimeoutMs ?? values['transaction.timeout.ms'],
    batchSizeBytes: options.batchSizeBytes ?? values['batch.size'],
    lingerMs: options.lingerMs ?? values['linger.ms'],
    bufferBytesMax: options.bufferBytesMax ?? values['buffer.memory'],
    requestBytesMax: options.requestBytesMax ?? values['max.request.size'],
    deliveryTimeoutMs: options.deliveryTimeoutMs ?? values['delivery.timeout.ms'],
    requestTimeoutMs: values['request.timeout.ms'],
    batchCompression: compressionOf(compression),
  };
  checkNumbers(plan);
  return plan;
}

function checkNumbers(plan: KafkaSinkPlan<never>): void {
  const least = {
    transactionTimeoutMs: TRANSACTION_TIMEOUT_MS_MIN,
    batchSizeBytes: 1,
    lingerMs: 0,
    bufferBytesMax: 1,
    requestBytesMax: 1,
    deliveryTimeoutMs: 1,
  };
  for (const [option, minimum] of Object.entries(least)) {
    const value = plan[option as keyof typeof least];
    if (Number.isSafeInteger(value) && value >= minimum && value < 2 ** 31) continue;
    throw badSinkOption(option, value, String(minimum));
  }
}

function compressionOf(name: KafkaCompression): BatchCompression | undefined {
  if (name === 'none') return undefined;
  return {
    bits: COMPRESSION_BITS[name],
    compress: (bytes) => library().compressionsAlgorithms[name].compressSync(bytes),
  };
}

export function isTopicName(name: unknown): name is string {
  return typeof name === 'string' && /^(?!\.{1,2}$)[a-zA-Z0-9._-]{1,249}$/.test(name);
}

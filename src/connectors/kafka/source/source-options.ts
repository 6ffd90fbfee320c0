import { badProperty } from '../client/errors.ts';
import { BrokerAccess } from '../client/broker-access.ts';
import { CONNECTION_PROPERTIES } from '../client/connection-properties.ts';
import { count, flag, type KafkaProperties, readProperties } from '../client/properties.ts';
import type { KafkaDeserializer } from './deserializers.ts';
import type { KafkaFormat } from './kafka-format.ts';
import type { Isolation, StartFrom, StopAt } from './offsets.ts';
import type { OnInvalidRecord } from './record-handler.ts';

export interface KafkaSourceOptions<T, B = never> {
  /** `host:port` of some brokers, with commas or as a list; the others are found through them. */
  readonly brokers: string | readonly string[];
  /** The topics to read, or a pattern that a whole name must match. Internal topics are left out. */
  readonly topics?: readonly string[] | string;
  readonly topicPattern?: RegExp;
  /** Makes the stream's elements of records. */
  readonly deserializer: KafkaDeserializer<T> | KafkaFormat<T>;
  /**
   * What to do with a record that cannot be read: `fail` the job, `skip` it, or make a value of it, for
   * instance for a dead letter queue. Default: `fail`.
   */
  readonly onInvalid?: OnInvalidRecord<B>;
  /**
   * The group that is told the offsets of complete checkpoints, for monitoring. No group is joined: two jobs
   * with one group both read everything. Default: nobody is told.
   */
  readonly groupId?: string;
  /** Where to begin without state. Default: `earliest`, as in Flink. */
  readonly startFrom?: StartFrom;
  /**
   * Ends at these offsets, which are looked up once and stored in the state: a restart does not move them. Started
   * from a snapshot with another `bounded`, they are looked up again. Default: goes on for ever.
   */
  readonly bounded?: StopAt;
  /** Records of open and of aborted transactions are not read. Default: `read_committed`. */
  readonly isolation?: Isolation;
  /**
   * Milliseconds between two looks for new partitions and topics; `Infinity`: none. Each look is one
   * request; new partitions wait for it. Default: 300,000, as in Flink.
   */
  readonly partitionDiscoveryIntervalMs?: number;
  /**
   * When the offset to go on at is not there any more, since retention was faster: `fail`, or go on at the
   * first or next offset that is there, with a gap in the data. When an unclean leader election has replaced records that were
   * read: `fail`, or go on at the first one that is another. Default: `fail`.
   */
  readonly onOffsetOutOfRange?: 'fail' | 'earliest' | 'latest';
  /**
   * For how many milliseconds a partition may be unreachable before the job fails, and its restart strategy
   * decides. `Infinity`: it waits for ever. Default: 300,000.
   */
  readonly unavailableAfterMs?: number;
  /**
   * Bytes that a subtask reads ahead, of all its partitions. Smaller: more requests; larger: more memory
   * for each subtask. A partition has at least one answer in it, however large. Default: 32 MiB.
   */
  readonly prefetchBytes?: number;
  /**
   * Bytes that the records of one batch may unpack to; more fails the job. A subtask has one such batch in memory at a
   * time. Default: 128 MiB.
   */
  readonly decompressedBytesMax?: number;
  /** Kafka's own client properties: security, time limits, sizes of fetches. */
  readonly properties?: KafkaProperties;
}

const MIB = 2 ** 20;
const DISCOVERY_MS = 300_000;
const UNAVAILABLE_MS = 300_000;
const PREFETCH_BYTES = 32 * MIB;
const DECOMPRESSED_BYTES = 128 * MIB;

const SOURCE_PROPERTIES = {
  ...CONNECTION_PROPERTIES,
  'fetch.min.bytes': count(1, 1),
  'fetch.max.bytes': count(16 * MIB, 1),
  'fetch.max.wait.ms': count(500),
  'max.partition.fetch.bytes': count(MIB, 1),
  'check.crcs': flag(true),
};

/** Options, checked and complete. */
export interface KafkaSourceSettings {
  readonly access: BrokerAccess;
  readonly topics: readonly string[] | RegExp;
  /** Topics that are not there are waited for, also at the start. Default: they fail it. */
  readonly topicsMayBeAbsent?: boolean;
  readonly groupId: string | undefined;
  readonly startFrom: StartFrom;
  readonly bounded: StopAt | undefined;
  readonly isolation: Isolation;
  readonly partitionDiscoveryIntervalMs: number;
  readonly onOffsetOutOfRange: 'fail' | 'earliest' | 'latest';
  readonly unavailableAfterMs: number;
  readonly prefetchBytes: number;
  readonly decompressedBytesMax: number;
  readonly fetch: {
    readonly minBytes: number;
    readonly maxBytes: number;
    readonly maxWaitMs: number;
    readonly partitionMaxBytes: number;
    readonly checksCrc: boolean;
  };
}

/** @throws {EngineError} `KAF-001`, `KAF-002` */
export function checkSourceOptions(
  options: Omit<KafkaSourceOptions<unknown, unknown>, 'deserializer'>,
): KafkaSourceSettings {
  const properties = readProperties(options.properties ?? {}, SOURCE_PROPERTIES);
  const { groupId, startFrom = 'earliest', bounded } = options;
  const isCommitted = typeof startFrom === 'object' ? 'committedOr' in startFrom : false;
  if ((startFrom === 'committed' || isCommitted) && groupId === undefined) {
    throw badProperty('groupId', 'nothing', '"my-job", since startFrom asks for its offsets');
  }
  return {
    access: new BrokerAccess(options.brokers, properties),
    topics: checkTopics(options),
    groupId,
    startFrom,
    bounded,
    isolation: options.isolation ?? 'read_committed',
    partitionDiscoveryIntervalMs: positive(options, 'partitionDiscoveryIntervalMs', DISCOVERY_MS),
    onOffsetOutOfRange: options.onOffsetOutOfRange ?? 'fail',
    unavailableAfterMs: positive(options, 'unavailableAfterMs', UNAVAILABLE_MS),
    prefetchBytes: positive(options, 'prefetchBytes', PREFETCH_BYTES),
    decompressedBytesMax: wholeNumber(options, 'decompressedBytesMax', DECOMPRESSED_BYTES),
    fetch: {
      minBytes: properties['fetch.min.bytes'],
      maxBytes: properties['fetch.max.bytes'],
      maxWaitMs: properties['fetch.max.wait.ms'],
      partitionMaxBytes: properties['max.partition.fetch.bytes'],
      checksCrc: properties['check.crcs'],
    },
  };
}

function checkTopics(options: {
  readonly topics?: readonly string[] | string;
  readonly topicPattern?: RegExp;
}): readonly string[] | RegExp {
  const { topics, topicPattern } = options;
  if ((topics === undefined) === (topicPattern === undefined)) {
    throw badProperty('topics', 'neither or both', '["orders"], or topicPattern to /orders-.*/');
  }
  if (topicPattern !== undefined) {
    const flags = topicPattern.flags.replaceAll(/[gy]/g, '');
    return new RegExp(`^(?:${topicPattern.source})$`, flags);
  }
  const names = typeof topics === 'string' ? topics.split(',').map((one) => one.trim()) : topics;
  const bad = names?.find((name) => !/^[\w.-]{1,249}$/.test(name));
  if (names === undefined || names.length === 0 || bad !== undefined) {
    throw badProperty('topics', bad ?? '[]', '["orders", "payments"]');
  }
  return [...new Set(names)];
}

function wholeNumber<K extends string>(
  options: Readonly<Partial<Record<K, number>>>,
  name: K,
  otherwise: number,
): number {
  const value = positive(options, name, otherwise);
  if (!Number.isSafeInteger(value)) throw badProperty(name, String(value), String(otherwise));
  return value;
}

function positive<K extends string>(
  options: Readonly<Partial<Record<K, number>>>,
  name: K,
  otherwise: number,
): number {
  const value = options[name] ?? otherwise;
  if (!(value > 0)) throw badProperty(name, String(value), String(otherwise));
  return value;
}

import { EngineError } from '../../../common/errors.ts';

export function invalidRecord(
  where: { readonly topic: string; readonly partition: number; readonly offset: number },
  reason: string,
  cause: unknown,
) {
  const { topic, partition, offset } = where;
  return new EngineError('KAF-011', 'invalid', 'a Kafka record cannot be read', {
    details: { topic, partition, offset, reason },
    hint: 'Correct the deserializer, or set onInvalid to "skip" or to a function that makes a value of it.',
    cause,
  });
}

export function corruptBatch(splitId: string, offset: number, reason: string, cause?: unknown) {
  return new EngineError('KAF-012', 'corrupt', 'a batch of Kafka records is damaged', {
    details: { partition: splitId, offset, reason },
    hint: 'Check the disks of the brokers; move the start behind this batch to go on without it.',
    cause,
  });
}

export function unknownCodec(splitId: string, offset: number, codec: number) {
  return new EngineError('KAF-013', 'invalid', 'the compression of a Kafka batch is not known', {
    details: { partition: splitId, offset, codec },
    hint: 'Produce with gzip, snappy, lz4 or zstd; zstd needs Node 22.15 or later.',
  });
}

/** @param sizes Of the batch as it came, and what it may unpack to. */
export function batchTooLarge(
  splitId: string,
  offset: number,
  sizes: { readonly packedBytes: number; readonly bytesMax: number },
) {
  return new EngineError('KAF-020', 'invalid', 'a batch of Kafka records unpacks to too much', {
    details: { partition: splitId, offset, ...sizes },
    hint: 'Raise decompressedBytesMax of the source if the memory is there, or start behind this batch.',
  });
}

/** @param where Where we were, and from where on the leader has other records than those that were read. */
export function logTruncated(
  splitId: string,
  where: { readonly offset: number; readonly leaderEpoch: number; readonly divergesAt: number },
) {
  return new EngineError('KAF-019', 'invalid', 'Kafka has lost records that were read', {
    details: { partition: splitId, ...where },
    hint: 'Restore a snapshot from before the loss, or set onOffsetOutOfRange to "earliest" to go on with the records that came instead.',
  });
}

export function offsetOutOfRange(splitId: string, offset: number, earliest: number) {
  return new EngineError('KAF-014', 'invalid', 'a Kafka partition does not have this offset', {
    details: { partition: splitId, offset, earliest },
    hint: 'Restore a newer snapshot, or set onOffsetOutOfRange to "earliest" or "latest" and accept the gap.',
  });
}

export function topicReplaced(splitId: string, offset: number) {
  return new EngineError('KAF-015', 'invalid', 'a Kafka topic was deleted and made anew', {
    details: { partition: splitId, offset },
    hint: 'Start without the state of this source, or set onOffsetOutOfRange to "earliest".',
  });
}

export function noCommittedOffset(splitId: string, groupId: string) {
  return new EngineError('KAF-016', 'invalid', 'the group has no offset for a Kafka partition', {
    details: { partition: splitId, groupId },
    hint: 'Set startFrom to { committedOr: "earliest" } or { committedOr: "latest" }.',
  });
}

export function noTopics(wanted: string) {
  return new EngineError('KAF-017', 'invalid', 'no Kafka topic is to be read', {
    details: { wanted },
    hint: 'Create the topic, or correct topics or topicPattern.',
  });
}

export function asyncSchema() {
  return new EngineError(
    'KAF-018',
    'invalid',
    'the schema of Kafka records validates asynchronously',
    {
      hint: 'Use a schema without async checks, and do these in an asyncMap behind the source.',
    },
  );
}

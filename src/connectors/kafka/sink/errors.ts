import { EngineError } from '../../../common/errors.ts';

export function badSinkOption(option: string, value: unknown, good: string) {
  return new EngineError('KAF-050', 'invalid', 'an option of the Kafka sink cannot be used', {
    details: { option, value: typeof value === 'string' ? value : JSON.stringify(value) },
    hint: `Set ${option} to something like ${good}.`,
  });
}

/** @param error Kafka's word for it. */
export function transactionGone(transactionalId: string, error: string, cause?: unknown) {
  return new EngineError('KAF-051', 'unavailable', 'Kafka has ended a transaction by itself', {
    details: { transactionalId, error },
    hint: 'Raise transactionTimeoutMs above the longest time between two checkpoints; the job goes on from its last one.',
    cause,
  });
}

export function recordTooLarge(topic: string, sizeBytes: number, limitBytes: number) {
  return new EngineError('KAF-052', 'invalid', 'a record is too large for Kafka', {
    details: { topic, sizeBytes, limitBytes },
    hint: 'Make the record smaller, or raise max.message.bytes of the topic and requestBytesMax of the sink.',
  });
}

export function batchTooLarge(target: string, sizeBytes: number, records: number) {
  return new EngineError('KAF-053', 'invalid', 'Kafka refuses a batch because of its size', {
    details: { target, sizeBytes, records },
    hint: 'Raise max.message.bytes of the topic, or set batchSizeBytes of the sink below it.',
  });
}

export function sequenceBroken(target: string, error: string) {
  return new EngineError('KAF-054', 'unavailable', 'Kafka does not know what was written before', {
    details: { target, error },
    hint: 'Look for an unclean leader election or removed segments; the job goes on from its last checkpoint.',
  });
}

export function cannotEncode(uid: string, part: string, cause: unknown) {
  return new EngineError('KAF-055', 'invalid', 'a value cannot be written to Kafka', {
    details: { uid, part },
    hint: 'Return a string, a Uint8Array or null from key, value and headers; without value, records must be plain JSON.',
    cause,
  });
}

export function badPartition(topic: string, partition: unknown, partitions: number) {
  return new EngineError(
    'KAF-056',
    'invalid',
    'a partitioner names a partition that is not there',
    {
      details: { topic, partition: String(partition), partitions },
      hint: 'Return a whole number from 0 to one less than the number of partitions.',
    },
  );
}

export function timeoutAboveBroker(timeoutMs: number, brokerMs: number) {
  return new EngineError(
    'KAF-057',
    'invalid',
    'Kafka allows no transactions that are open so long',
    {
      details: { transactionTimeoutMs: timeoutMs, 'transaction.max.timeout.ms': brokerMs },
      hint: `Set transactionTimeoutMs to ${brokerMs} or less, or raise transaction.max.timeout.ms of the brokers.`,
    },
  );
}

export function timeoutBelowCheckpoints(timeoutMs: number, neededMs: number, intervalMs: number) {
  return new EngineError(
    'KAF-058',
    'invalid',
    'Kafka transactions would end before their checkpoint',
    {
      details: {
        transactionTimeoutMs: timeoutMs,
        neededMs,
        'execution.checkpointing.interval': intervalMs,
      },
      hint: `Set transactionTimeoutMs to ${neededMs} or more, or take checkpoints more often.`,
    },
  );
}

export function noCheckpoints() {
  return new EngineError('KAF-059', 'invalid', 'exactly-once output to Kafka needs checkpoints', {
    hint: "Set execution.checkpointing.interval, or set delivery of the sink to 'at-least-once'.",
  });
}

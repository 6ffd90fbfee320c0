import { EngineError } from '../../../common/errors.ts';
import type { Fault } from './fault.ts';

export function badProperty(property: string, value: string, good: string) {
  return new EngineError('KAF-001', 'invalid', 'a Kafka option cannot be used', {
    details: { option: property, value },
    hint: `Set ${property} to something like ${good}.`,
  });
}

export function unknownProperty(property: string, near: string | undefined) {
  return new EngineError('KAF-002', 'invalid', 'there is no such Kafka property here', {
    details: { property },
    hint: near === undefined ? 'Remove it from properties.' : `Write ${near}, or remove it.`,
  });
}

/** @param doing Such as `commit offsets`. */
export function noBroker(doing: string, brokers: string, cause: unknown) {
  return new EngineError('KAF-003', 'unavailable', 'no Kafka broker answers', {
    details: { doing, brokers },
    hint: 'Check that brokers names running brokers, and that security.protocol is what they listen with.',
    cause,
  });
}

export function notAuthenticated(broker: string, cause: unknown) {
  return new EngineError('KAF-004', 'invalid', 'a Kafka broker refuses the credentials', {
    details: { broker },
    hint: 'Check sasl.mechanism and sasl.jaas.config, or sasl.username and sasl.password.',
    cause,
  });
}

export function tlsFailed(broker: string, reason: string, cause: unknown) {
  return new EngineError('KAF-005', 'invalid', 'TLS with a Kafka broker fails', {
    details: { broker, reason },
    hint: 'Check security.protocol, ssl.truststore.location and the name in the certificate of the broker.',
    cause,
  });
}

export function notAuthorized(doing: string, target: string, error: string, cause: unknown) {
  return new EngineError('KAF-006', 'invalid', 'the Kafka user may not do this', {
    details: { doing, target, error },
    hint: 'Give the user the ACL for this topic, group or transactional id.',
    cause,
  });
}

export function noSuchTopic(target: string, cause?: unknown) {
  return new EngineError('KAF-007', 'invalid', 'there is no such Kafka topic or partition', {
    details: { target },
    hint: 'Create the topic, or correct its name.',
    cause,
  });
}

/** A broker says no, or says "not yet" for too long. */
export function requestFailed(doing: string, target: string, fault: Fault, cause: unknown) {
  const { apiError = 'none' } = fault;
  return new EngineError(
    'KAF-008',
    fault.retriable ? 'unavailable' : 'invalid',
    'a Kafka broker refuses a request',
    {
      details: { doing, target, error: apiError },
      hint: 'Look the error up in the documentation of the Kafka protocol, and in the log of the broker.',
      cause,
    },
  );
}

export function brokerTooOld(broker: string, api: string, wanted: number, has: string) {
  return new EngineError('KAF-009', 'invalid', 'a Kafka broker is of another version', {
    details: { broker, api, wanted, has },
    hint: 'Use brokers of Kafka 3.7 or later.',
  });
}

export function unreadableSecret(property: string, path: string, cause: unknown) {
  return new EngineError('KAF-010', 'invalid', 'a file for TLS cannot be read', {
    details: { property, path },
    hint: 'Correct the path, or give the user that runs the job the permission.',
    cause,
  });
}

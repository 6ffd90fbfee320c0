import { EngineError } from '../../../common/errors.ts';

export function registryUnavailable(doing: string, urls: string, reason: string, cause: unknown) {
  return new EngineError('KAF-030', 'unavailable', 'no schema registry answers', {
    details: { doing, registry: urls, reason },
    hint: 'Check that registry names one that runs; raise unavailableAfterMs to wait longer for it.',
    cause,
  });
}

export function registryRefusesCredentials(doing: string, url: string, status: number) {
  return new EngineError('KAF-031', 'invalid', 'the schema registry refuses the credentials', {
    details: { doing, registry: url, status },
    hint: 'Check username and password, or token, and what this user may do.',
  });
}

export function registryTlsFailed(url: string, reason: string, cause: unknown) {
  return new EngineError('KAF-032', 'invalid', 'TLS with the schema registry fails', {
    details: { registry: url, reason },
    hint: 'Check tls.caFile, tls.certFile and the name in the certificate of the registry.',
    cause,
  });
}

/** @param message What the registry says. */
export function registryRefuses(doing: string, url: string, status: number, message: string) {
  return new EngineError('KAF-033', 'invalid', 'the schema registry refuses a request', {
    details: { doing, registry: url, status, message },
    hint: 'Read its message; check that the address ends where its paths /subjects and /schemas begin.',
  });
}

export function schemaNotRegistered(subject: string) {
  return new EngineError('KAF-034', 'invalid', 'the schema registry has no such schema', {
    details: { subject },
    hint: 'Register the schema under this subject, or set autoRegister: true.',
  });
}

export function badAvroSchema(where: string, reason: string, cause: unknown) {
  return new EngineError('KAF-035', 'invalid', 'an Avro schema cannot be used', {
    details: { where, reason },
    hint: 'Correct the schema: it is the JSON of one Avro type, with all names that it refers to.',
    cause,
  });
}

export function unfitForAvro(topic: string, path: string, expected: string, cause: unknown) {
  return new EngineError('KAF-036', 'invalid', 'a record does not fit its Avro schema', {
    details: { topic, path, expected },
    hint: 'Correct the record or the schema: longs beyond 2^53 must be bigints, decimals are texts.',
    cause,
  });
}

/** Why a record's bytes cannot be read: a finding about the record, no failure of the job. */
export class UnreadableAvro extends Error {
  override readonly name = 'UnreadableAvro';
}

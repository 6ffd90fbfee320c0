import { EngineError, type ErrorKind } from '../../common/errors.ts';
import { pathConflictError } from '../storage-errors.ts';
import type { S3Effect } from './s3-client.ts';
import { failureOf, type S3Failure, type S3FailureKind } from './s3-failure.ts';

export interface FailedS3Operation {
  readonly operation: string;
  readonly url: string;
  /** Of a write. */
  readonly effect?: S3Effect | undefined;
}

interface Meaning {
  readonly code: string;
  readonly kind: ErrorKind;
  readonly summary: string;
}

/** What the user has to change, whatever was asked. */
const MEANINGS: Partial<Record<S3FailureKind, Meaning>> = {
  credentials: {
    code: 'STO-020',
    kind: 'invalid',
    summary: 'the S3 store does not take the keys, or there are none',
  },
  'no-bucket': { code: 'STO-021', kind: 'invalid', summary: 'the S3 store has no such bucket' },
  region: { code: 'STO-022', kind: 'invalid', summary: 'the S3 bucket is in another region' },
  clock: {
    code: 'STO-023',
    kind: 'invalid',
    summary: "the S3 store refuses requests: this machine's clock is wrong",
  },
};

/**
 * What a failed request means to the caller of the store.
 *
 * A write that certainly took no effect is `STO-006`, whatever kept it from that: its caller has to know.
 */
export function s3Error(error: unknown, operation: FailedS3Operation): EngineError {
  if (error instanceof EngineError) return error;
  const failure = failureOf(error);
  const { url, effect } = operation;
  if (failure.kind === 'folder') return pathConflictError(url, failure);
  const meaning = MEANINGS[failure.kind];
  const cause = meaning === undefined ? failure : meantError(meaning, failure, operation);
  if (meaning !== undefined && effect === undefined) return cause as EngineError;
  const isRefused = effect?.isPossible === false;
  const facts = { details: detailsOf(failure, operation), hint: hintOf(failure), cause };
  return isRefused
    ? new EngineError('STO-006', 'unavailable', 'the blob store could not take a write', facts)
    : new EngineError('STO-001', 'unavailable', 'the blob store does not answer', facts);
}

function meantError(
  { code, kind, summary }: Meaning,
  failure: S3Failure,
  operation: FailedS3Operation,
): EngineError {
  return new EngineError(code, kind, summary, {
    details: detailsOf(failure, operation),
    hint: hintOf(failure),
    cause: failure,
  });
}

/** A write met another one, and nobody can tell which was first. */
export function overtakenError({ operation, url }: FailedS3Operation): EngineError {
  return new EngineError('STO-001', 'unavailable', 'the blob store does not answer', {
    details: { operation, url, problem: 'an answer was lost, and another write came after' },
    hint: 'Look what is there now, and decide on that.',
  });
}

/** The store took two writes of which one excludes the other. */
export function unconditionalError(url: string, header: string): EngineError {
  return new EngineError('STO-024', 'invalid', 'the S3 store does not keep conditions of writes', {
    details: { url, header },
    hint: 'Update the server to a version with conditional writes: without them two processes would both lead a job.',
  });
}

function detailsOf(
  failure: S3Failure,
  { operation, url }: FailedS3Operation,
): Readonly<Record<string, string | number>> {
  const { problem, status, region } = failure;
  return {
    operation,
    url,
    problem,
    ...(status === undefined ? {} : { status }),
    ...(failure.kind !== 'region' || region === undefined ? {} : { region }),
  };
}

function hintOf({ kind, problem, region }: S3Failure): string {
  switch (kind) {
    case 'credentials':
      return credentialsHint(problem);
    case 'no-bucket':
      return 'Create the bucket, or correct its name in the s3:// address; s3.endpoint says which server is asked.';
    case 'region':
      return `Set s3.endpoint.region${region === undefined ? " to the bucket's region" : `=${region}`}.`;
    case 'clock':
      return 'Set the clock of this machine, by NTP; S3 takes a difference of 15 minutes.';
    case 'denied':
      return 'Grant these keys s3:GetObject, s3:PutObject, s3:DeleteObject, s3:AbortMultipartUpload on the folder and s3:ListBucket on the bucket.';
    case 'passing':
      return passingHint(problem);
    default:
      return /CERT|TLS|SSL|UNABLE_TO|EPROTO/.test(problem)
        ? 'Set tidemark.s3.ca-file to the certificate of the server, or s3.endpoint to http:// if it has none.'
        : 'Look at the server: it refuses this request.';
  }
}

function credentialsHint(problem: string): string {
  if (problem === 'CredentialsProviderError')
    return 'Set s3.access-key and s3.secret-key, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give the machine a role.';
  if (/Expired|Refresh/.test(problem))
    return 'Renew the session token, or use keys or a role that last.';
  return 'Correct s3.access-key and s3.secret-key (and s3.session.token, if the keys are temporary).';
}

function passingHint(problem: string): string {
  switch (problem) {
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return 'Check the host in s3.endpoint; for a server like MinIO set s3.path.style.access=true too.';
    case 'ECONNREFUSED':
      return 'Check that the server at s3.endpoint runs, and that the port is right.';
    case 'SlowDown':
      return 'Take checkpoints less often, or lower s3.connection.maximum: the store is asked too much.';
    default:
      return 'Check that the server at s3.endpoint is well; what was asked was tried again for tidemark.s3.retry-timeout.';
  }
}

/** What the failure of a request to S3 means. S3's words and Node's are read here and nowhere else. */

export type S3FailureKind =
  /** `If-Match` or `If-None-Match` did not hold. */
  | 'condition'
  | 'no-object'
  | 'no-upload'
  | 'bad-range'
  /** Another request changes the same object just now: begin again. */
  | 'conflict'
  /** A server that keeps objects as files has a folder where an object is to be, or the other way round. */
  | 'folder'
  /** Worth another try after a while. */
  | 'passing'
  | 'credentials'
  | 'clock'
  | 'no-bucket'
  | 'region'
  | 'denied'
  | 'other';

/** A request failed, after all its tries. */
export class S3Failure extends Error {
  override readonly name = 'S3Failure';
  readonly kind: S3FailureKind;
  /** S3's word or Node's: `SlowDown`, `ECONNRESET`. */
  readonly problem: string;
  readonly status: number | undefined;
  /** Whether the last try certainly took no effect, and never will. */
  readonly isCertain: boolean;
  /** The region of the bucket, where the answer names it. */
  readonly region: string | undefined;

  constructor(cause: unknown) {
    const facts = factsOf(cause);
    super(`${facts.problem}: ${messageOf(cause)}`, { cause });
    this.kind = facts.kind;
    this.problem = facts.problem;
    this.status = facts.status;
    this.isCertain = facts.isCertain;
    this.region = facts.region;
  }
}

/** What a try came to that failed: as it is, or with what it means. */
export function failureOf(error: unknown): S3Failure {
  return error instanceof S3Failure ? error : new S3Failure(error);
}

/** A try that had no answer in time. */
export class S3Timeout extends Error {
  override readonly name = 'S3Timeout';
}

interface Facts {
  readonly kind: S3FailureKind;
  readonly problem: string;
  readonly status: number | undefined;
  readonly isCertain: boolean;
  readonly region: string | undefined;
}

const KINDS: Readonly<Record<string, S3FailureKind>> = {
  PreconditionFailed: 'condition',
  NoSuchKey: 'no-object',
  NoSuchUpload: 'no-upload',
  InvalidRange: 'bad-range',
  ConditionalRequestConflict: 'conflict',
  OperationAborted: 'conflict',
  ObjectParentIsFile: 'folder',
  ExistingObjectIsDirectory: 'folder',
  XMinioParentIsObject: 'folder',
  XMinioObjectExistsAsDirectory: 'folder',
  NoSuchBucket: 'no-bucket',
  PermanentRedirect: 'region',
  TemporaryRedirect: 'region',
  AuthorizationHeaderMalformed: 'region',
  IllegalLocationConstraintException: 'region',
  InvalidAccessKeyId: 'credentials',
  SignatureDoesNotMatch: 'credentials',
  ExpiredToken: 'credentials',
  InvalidToken: 'credentials',
  TokenRefreshRequired: 'credentials',
  InvalidClientTokenId: 'credentials',
  XAdminUserNotFound: 'credentials',
  CredentialsProviderError: 'credentials',
  RequestTimeTooSkewed: 'clock',
  RequestExpired: 'clock',
  AccessDenied: 'denied',
  AllAccessDisabled: 'denied',
  AccountProblem: 'denied',
  RequestTimeout: 'passing',
  RequestTimeoutException: 'passing',
  SlowDown: 'passing',
  SlowDownRead: 'passing',
  SlowDownWrite: 'passing',
  Throttling: 'passing',
  ThrottlingException: 'passing',
  RequestLimitExceeded: 'passing',
  TooManyRequests: 'passing',
  BadDigest: 'passing',
  XAmzContentSHA256Mismatch: 'passing',
  S3Timeout: 'passing',
  TimeoutError: 'passing',
  AbortError: 'passing',
  IncompleteBody: 'passing',
};

/** The connection was not made, so that nothing was asked. */
const NEVER_ASKED = [
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EADDRNOTAVAIL',
  'EMFILE',
  'CredentialsProviderError',
];
const CONNECTION_LOST = [
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ECONNABORTED',
  'ERR_STREAM_PREMATURE_CLOSE',
];
/** Nothing was asked of a server that is not the one it should be. */
const CERTIFICATE =
  /^(CERT_|ERR_TLS_|ERR_SSL_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_|HOSTNAME_MISMATCH)/;

function factsOf(error: unknown): Facts {
  const said = wordsOf(error);
  const { status } = said;
  const problem = said.words.find((word) => word in KINDS) ?? said.words[0] ?? `status ${status}`;
  const { region } = said;
  const isNeverAsked = NEVER_ASKED.includes(problem) || CERTIFICATE.test(problem);
  if (status === undefined) {
    const isConnection = NEVER_ASKED.includes(problem) || CONNECTION_LOST.includes(problem);
    const kind = KINDS[problem] ?? (isConnection || said.isGarbled ? 'passing' : 'other');
    return { kind, problem, status, isCertain: isNeverAsked, region };
  }
  const kind = KINDS[problem] ?? kindOfStatus(status);
  // A server that says no has done nothing. What fails inside it, or on the way back, may have been done.
  const isCertain = status >= 300 && status < 500 && status !== 408 && kind !== 'passing';
  return { kind, problem, status, isCertain: isCertain || status === 429, region };
}

/** Of an answer without S3's word for it: those to `HEAD`, and those of something in between. */
function kindOfStatus(status: number): S3FailureKind {
  switch (status) {
    case 301:
    case 307:
      return 'region';
    case 403:
      return 'denied';
    case 404:
      return 'no-object';
    case 408:
    case 429:
      return 'passing';
    case 409:
      return 'conflict';
    case 412:
      return 'condition';
    case 416:
      return 'bad-range';
    default:
      return status >= 500 || status < 300 ? 'passing' : 'other';
  }
}

interface Words {
  readonly words: readonly string[];
  readonly status: number | undefined;
  readonly region: string | undefined;
  /** An answer came, and it was not S3's. */
  readonly isGarbled: boolean;
}

function wordsOf(error: unknown): Words {
  const words: string[] = [];
  let status: number | undefined;
  let region: string | undefined;
  let isGarbled = false;
  let at: unknown = error;
  for (let depth = 0; depth < DEPTH_MAX && at !== null && typeof at === 'object'; depth += 1) {
    const fields = at as Readonly<Record<string, unknown>>;
    for (const name of ['Code', 'code', 'name']) {
      const word = fields[name];
      if (typeof word === 'string' && !VAGUE.includes(word)) words.push(word);
    }
    const metadata = fields['$metadata'] as { readonly httpStatusCode?: number } | undefined;
    status ??= metadata?.httpStatusCode;
    const response = fields['$response'] as
      | { readonly statusCode?: number; readonly headers?: Readonly<Record<string, string>> }
      | undefined;
    isGarbled ||= response !== undefined;
    status ??= response?.statusCode;
    region ??= response?.headers?.['x-amz-bucket-region'] ?? textOf(fields['Region']);
    at = fields['cause'];
  }
  return { words, status, region: region ?? regionIn(messageOf(error)), isGarbled };
}

const DEPTH_MAX = 5;
const VAGUE = ['Error', 'Unknown', 'UnknownError', 'NotFound', 'AggregateError', 'SyntaxError'];

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function regionIn(message: string): string | undefined {
  return /expecting ["']([a-z0-9-]+)["']/.exec(message)?.[1];
}

function messageOf(error: unknown): string {
  const message = (error as { readonly message?: unknown } | null | undefined)?.message;
  return typeof message === 'string' ? message : String(error);
}

/** How the S3 store that holds tables is reached. */
import { settings } from '../../settings/process-settings.ts';
import { s3SettingsOf, type S3Settings } from '../../storage/s3/s3-settings.ts';
import { badIcebergOption } from './errors.ts';

/** What is not said here is as the engine's settings (`s3.*`, `fs.s3a.*`, the environment) say. */
export interface S3Access {
  /** A URL, or a host with a port. */
  readonly endpoint?: string;
  readonly region?: string;
  /** Goes with `secretKey`. */
  readonly accessKey?: string;
  readonly secretKey?: string;
  /** Of temporary keys. */
  readonly sessionToken?: string;
  /** Buckets stand in the URL's path instead of its host, as MinIO needs it. */
  readonly pathStyleAccess?: boolean;
}

export function isS3Location(location: string): boolean {
  return /^s3[an]?:/i.test(location);
}

/**
 * @throws {EngineError} `ICE-001` (`invalid`) for one key without the other; `SET-001`, `SET-006`, `SET-007`
 * (`invalid`) if the settings cannot be read.
 */
export function s3Access(access: S3Access = {}): S3Settings {
  return toS3Settings(access, s3SettingsOf(settings.flink));
}

/** @throws {EngineError} `ICE-001` (`invalid`) for one key without the other. */
export function toS3Settings(access: S3Access, own: S3Settings): S3Settings {
  const { endpoint, region, pathStyleAccess } = access;
  return {
    ...own,
    s3Endpoint: endpoint ?? own.s3Endpoint,
    s3Region: region ?? own.s3Region,
    s3PathStyleAccess: pathStyleAccess ?? own.s3PathStyleAccess,
    ...keysOf(access),
  };
}

/** All of them or none: a token of the environment does not go with other keys. */
function keysOf({ accessKey, secretKey, sessionToken }: S3Access): Partial<S3Settings> {
  if (accessKey === undefined && secretKey === undefined && sessionToken === undefined) return {};
  const missing = accessKey === undefined ? 's3.accessKey' : 's3.secretKey';
  if (accessKey === undefined || secretKey === undefined) {
    throw badIcebergOption(missing, undefined, 'what goes with the other key');
  }
  return {
    s3AccessKey: accessKey,
    s3SecretKey: secretKey,
    s3SessionToken: sessionToken,
    s3CredentialsProvider: 'keys',
  };
}

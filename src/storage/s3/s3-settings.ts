/** How an S3 store is reached. Plain data; the engine's settings have these fields. */
export interface S3Settings {
  /** A URL, or a host with a port. Undefined: AWS, by the region. */
  readonly s3Endpoint: string | undefined;
  readonly s3Region: string | undefined;
  readonly s3AccessKey: string | undefined;
  readonly s3SecretKey: string | undefined;
  readonly s3SessionToken: string | undefined;
  /** `auto`: the keys if they are set, else the chain. */
  readonly s3CredentialsProvider: 'auto' | 'keys' | 'chain' | 'anonymous';
  /** Buckets stand in the URL's path instead of its host. */
  readonly s3PathStyleAccess: boolean;
  /** For an endpoint that names no scheme. */
  readonly s3SslEnabled: boolean;
  /** Certificates to trust besides those that Node trusts, as PEM. */
  readonly s3CaFile: string | undefined;
  readonly s3ConnectTimeoutMs: number;
  /** Without an answer for so long a request is given up, and tried again. */
  readonly s3RequestTimeoutMs: number;
  /** How long a request is tried again before its failure is reported. */
  readonly s3RetryTimeoutMs: number;
  /** Requests at a time, of one thread. */
  readonly s3ConnectionsMax: number;
  /** Larger blobs are uploaded in parts of this size. */
  readonly s3PartSizeBytes: number;
  /** Parts of one blob that are under way at a time, up or down. */
  readonly s3PartsMax: number;
}

/** The part of larger settings that concerns S3. */
export function s3SettingsOf(settings: S3Settings): S3Settings {
  return {
    s3Endpoint: settings.s3Endpoint,
    s3Region: settings.s3Region,
    s3AccessKey: settings.s3AccessKey,
    s3SecretKey: settings.s3SecretKey,
    s3SessionToken: settings.s3SessionToken,
    s3CredentialsProvider: settings.s3CredentialsProvider,
    s3PathStyleAccess: settings.s3PathStyleAccess,
    s3SslEnabled: settings.s3SslEnabled,
    s3CaFile: settings.s3CaFile,
    s3ConnectTimeoutMs: settings.s3ConnectTimeoutMs,
    s3RequestTimeoutMs: settings.s3RequestTimeoutMs,
    s3RetryTimeoutMs: settings.s3RetryTimeoutMs,
    s3ConnectionsMax: settings.s3ConnectionsMax,
    s3PartSizeBytes: settings.s3PartSizeBytes,
    s3PartsMax: settings.s3PartsMax,
  };
}

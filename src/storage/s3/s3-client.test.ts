import { describe, expect, it } from 'vitest';
import { configOf } from './s3-client.ts';
import { s3LocationOf, s3Url } from './s3-location.ts';
import type { S3Settings } from './s3-settings.ts';

const PLAIN: S3Settings = {
  s3Endpoint: undefined,
  s3Region: undefined,
  s3AccessKey: undefined,
  s3SecretKey: undefined,
  s3SessionToken: undefined,
  s3CredentialsProvider: 'auto',
  s3PathStyleAccess: false,
  s3SslEnabled: true,
  s3CaFile: undefined,
  s3ConnectTimeoutMs: 1,
  s3RequestTimeoutMs: 1,
  s3RetryTimeoutMs: 1,
  s3ConnectionsMax: 1,
  s3PartSizeBytes: 1,
  s3PartsMax: 1,
};
const keys = { s3AccessKey: 'a', s3SecretKey: 'b' };
const given = (changed: Partial<S3Settings>) => configOf({ ...PLAIN, ...changed });

describe('what the client is told', () => {
  it('of the server', () => {
    expect(given({})).toMatchObject({ region: 'us-east-1', forcePathStyle: false, maxAttempts: 1 });
    expect(given({ s3PathStyleAccess: true })).toMatchObject({ forcePathStyle: true });
    expect(given({})).not.toHaveProperty('endpoint');
    expect(given({ s3Endpoint: 'minio:9000' }).endpoint).toBe('https://minio:9000');
    expect(given({ s3Endpoint: 'minio:9000', s3SslEnabled: false }).endpoint).toBe(
      'http://minio:9000',
    );
    expect(given({ s3Endpoint: 'http://minio:9000' }).endpoint).toBe('http://minio:9000');
  });

  it('of who asks', () => {
    expect(given({})).not.toHaveProperty('credentials');
    expect(given({ s3AccessKey: 'a' })).not.toHaveProperty('credentials');
    expect(given(keys).credentials).toEqual({ accessKeyId: 'a', secretAccessKey: 'b' });
    expect(given({ ...keys, s3SessionToken: 'c' }).credentials).toHaveProperty('sessionToken', 'c');
    expect(given({ ...keys, s3CredentialsProvider: 'chain' })).not.toHaveProperty('credentials');
    expect(given({ ...keys, s3CredentialsProvider: 'anonymous' })).toHaveProperty('signer');
  });
});

describe('an address', () => {
  it.each([
    ['s3://bucket', 's3://bucket', ''],
    ['s3a://bucket/', 's3://bucket', ''],
    ['S3://bucket/a//b c/%20/', 's3://bucket/a/b c/%20', 'a/b c/%20/'],
  ])('%s is %s', (said, url, prefix) => {
    const location = s3LocationOf(said);
    expect(location).toEqual({ bucket: 'bucket', prefix });
    expect(s3Url(location)).toBe(url);
  });

  it.each(['s3://', 's3:///a', 's3://minio:9000/bucket', 's3:bucket/a'])(
    '%s is refused',
    (said) => {
      expect(() => s3LocationOf(said)).toThrow(/STO-026/);
    },
  );
});

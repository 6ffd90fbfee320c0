import { EngineError } from '../../common/errors.ts';

/** A folder in a bucket. */
export interface S3Location {
  readonly bucket: string;
  /** What every key begins with: empty, or with a `/` at its end. */
  readonly prefix: string;
}

/**
 * Reads `s3://bucket/folder`; `s3a://` and `s3n://` are Hadoop's names of the same. The folder is taken as it
 * stands: nothing in it is decoded.
 *
 * @throws {EngineError} `STO-026` (`invalid`)
 */
export function s3LocationOf(url: string): S3Location {
  const [, bucket, rest = ''] = /^s3[an]?:\/\/([a-z0-9][a-z0-9._-]+)(\/.*)?$/is.exec(url) ?? [];
  if (bucket === undefined) {
    throw new EngineError('STO-026', 'invalid', 'not an address of a folder in an S3 bucket', {
      details: { url },
      hint: 'Write s3://bucket/folder; where the server is, s3.endpoint says.',
    });
  }
  const folders = rest.split('/').filter((each) => each !== '');
  return { bucket, prefix: folders.map((each) => `${each}/`).join('') };
}

/** `s3://bucket/folder`, whatever it was called. */
export function s3Url({ bucket, prefix }: S3Location): string {
  return `s3://${bucket}/${prefix}`.replace(/\/$/, '');
}

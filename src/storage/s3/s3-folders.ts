import type { S3Objects } from './s3-objects.ts';

/** So many of a listing are asked for; more are for no eye. */
const NAMES_MAX = 500;

/**
 * Names of the folders right beneath a prefix, in byte order; the first of them, where there are many.
 *
 * @param prefix Empty, or with a `/` at its end.
 * @param begin Of the names that are meant.
 * @throws {S3Failure}
 */
export async function s3FoldersBelow(
  { connection, bucket }: S3Objects,
  prefix: string,
  begin = '',
): Promise<string[]> {
  const { CommonPrefixes = [] } = await connection.request({
    run: ({ sdk, client }, { signal }) => {
      const command = new sdk.ListObjectsV2Command({
        Bucket: bucket,
        Prefix: `${prefix}${begin}`,
        Delimiter: '/',
        MaxKeys: NAMES_MAX,
      });
      return client.send(command, { abortSignal: signal });
    },
  });
  return CommonPrefixes.map(({ Prefix = '' }) => Prefix.slice(prefix.length, -1));
}

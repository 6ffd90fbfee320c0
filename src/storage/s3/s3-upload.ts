import { partsOf } from '../bytes.ts';
import type { Bytes } from '../blob-store.ts';
import { mapBounded } from './places.ts';
import type { S3Effect } from './s3-client.ts';
import { etagIn, headersOf, metadataOf, type NewObject, type S3Objects } from './s3-objects.ts';

interface Upload {
  readonly key: string;
  readonly uploadId: string;
}

/** What S3 takes of one upload. */
const PARTS_MAX = 10_000;
/** No living writer needs so long for one upload. */
const DEAD_AFTER_MS = 24 * 60 * 60 * 1000;

/**
 * Uploads a large object in parts. Nothing can be seen of it before the last request, which makes the whole
 * object appear if the key is free. What failed is taken away, as far as the store answers; what a dead process
 * leaves, `abortDeadUploads` takes.
 *
 * @returns its ETag
 * @throws {S3Failure} `condition`, `conflict` or `no-upload`: look whether it is there.
 */
export async function uploadInParts(
  objects: S3Objects,
  key: string,
  bytes: Bytes,
  { object, effect }: { readonly object: NewObject; readonly effect: S3Effect },
): Promise<string> {
  const { s3PartSizeBytes, s3PartsMax } = objects.connection.settings;
  const totalBytes = sizeOf(bytes);
  const partBytes = Math.max(s3PartSizeBytes, Math.ceil(totalBytes / PARTS_MAX));
  const starts = Array.from(
    { length: Math.ceil(totalBytes / partBytes) },
    (_, at) => at * partBytes,
  );
  const upload = await begin(objects, key, object);
  try {
    const etags = await mapBounded(starts, s3PartsMax, (start, index) =>
      uploadPart(objects, upload, { number: index + 1, bytes: cut(bytes, start, partBytes) }),
    );
    return await complete(objects, upload, { etags, effect });
  } catch (error) {
    // It may have been completed, and only the answer be lost: then there is no such upload any more.
    await abortUpload(objects, upload).catch(() => undefined);
    throw error;
  }
}

function begin(objects: S3Objects, key: string, object: NewObject): Promise<Upload> {
  return objects.connection.request({
    run: async ({ sdk, client }, { signal }) => {
      const command = new sdk.CreateMultipartUploadCommand({
        Bucket: objects.bucket,
        Key: key,
        Metadata: metadataOf(object),
      });
      const { UploadId } = await client.send(command, { abortSignal: signal });
      return { key, uploadId: etagIn(UploadId) };
    },
  });
}

function uploadPart(
  objects: S3Objects,
  { key, uploadId }: Upload,
  part: { readonly number: number; readonly bytes: Uint8Array },
): Promise<string> {
  return objects.connection.request({
    sizeBytes: part.bytes.length,
    run: async ({ sdk, client }, { signal }) => {
      const command = new sdk.UploadPartCommand({
        Bucket: objects.bucket,
        Key: key,
        UploadId: uploadId,
        PartNumber: part.number,
        Body: part.bytes,
      });
      const { ETag } = await client.send(command, { abortSignal: signal });
      return etagIn(ETag);
    },
  });
}

function complete(
  objects: S3Objects,
  { key, uploadId }: Upload,
  { etags, effect }: { readonly etags: readonly string[]; readonly effect: S3Effect },
): Promise<string> {
  return objects.connection.request({
    effect,
    run: async ({ sdk, client }, { signal }) => {
      const command = new sdk.CompleteMultipartUploadCommand({
        Bucket: objects.bucket,
        Key: key,
        UploadId: uploadId,
        MultipartUpload: {
          Parts: etags.map((ETag, index) => ({ ETag, PartNumber: index + 1 })),
        },
        ...headersOf({ kind: 'absent' }),
      });
      const { ETag } = await client.send(command, { abortSignal: signal });
      return etagIn(ETag);
    },
  });
}

function abortUpload(objects: S3Objects, { key, uploadId }: Upload): Promise<unknown> {
  return objects.connection.request({
    run: ({ sdk, client }, { signal }) => {
      const command = new sdk.AbortMultipartUploadCommand({
        Bucket: objects.bucket,
        Key: key,
        UploadId: uploadId,
      });
      return client.send(command, { abortSignal: signal });
    },
  });
}

/**
 * Takes away what processes that died have left of uploads: it costs, and no listing shows it.
 *
 * @param isOurs whether this process uploads to the key right now: a clock that is set right may jump by a day.
 */
export async function abortDeadUploads(
  objects: S3Objects,
  prefix: string,
  isOurs: (key: string) => boolean,
): Promise<void> {
  const { connection, bucket } = objects;
  const bornBeforeMs = connection.wallMs() - DEAD_AFTER_MS;
  let from: { readonly KeyMarker: string; readonly UploadIdMarker: string } | undefined;
  do {
    const marker = from;
    const page = await connection.request({
      run: ({ sdk, client }, { signal }) =>
        client.send(
          new sdk.ListMultipartUploadsCommand({ Bucket: bucket, Prefix: prefix, ...marker }),
          { abortSignal: signal },
        ),
    });
    for (const { Key: key, UploadId: uploadId, Initiated } of page.Uploads ?? []) {
      if (key === undefined || uploadId === undefined || Initiated === undefined) continue;
      if (isOurs(key)) continue;
      if (Initiated.getTime() < bornBeforeMs) await abortUpload(objects, { key, uploadId });
    }
    const { IsTruncated, NextKeyMarker = '', NextUploadIdMarker = '' } = page;
    from =
      IsTruncated === true && NextKeyMarker !== ''
        ? { KeyMarker: NextKeyMarker, UploadIdMarker: NextUploadIdMarker }
        : undefined;
  } while (from !== undefined);
}

export function sizeOf(bytes: Bytes): number {
  return partsOf(bytes).reduce((sum, part) => sum + part.length, 0);
}

/** A copy of a stretch, which may lie in several of the parts. */
function cut(bytes: Bytes, start: number, length: number): Uint8Array {
  const pieces: Uint8Array[] = [];
  let before = 0;
  for (const part of partsOf(bytes)) {
    const from = Math.max(0, start - before);
    const to = Math.min(part.length, start + length - before);
    if (from < to) pieces.push(part.subarray(from, to));
    before += part.length;
  }
  return pieces.length === 1 ? (pieces[0] ?? new Uint8Array()) : Buffer.concat(pieces);
}

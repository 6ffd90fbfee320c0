import type { ByteRange } from '../blob-store.ts';
import { sliceBytes } from '../bytes.ts';
import { missingBodyError } from '../storage-errors.ts';
import { mapBounded } from './places.ts';
import { decodeReplaceable, mayBeReplaceable } from './replaceable-object.ts';
import { isFailure, type ObjectFacts, type ObjectKind, type S3Objects } from './s3-objects.ts';

/** A blob, or a range of it. */
export interface ReadBlob {
  readonly bytes: Uint8Array;
  readonly kind: ObjectKind;
  /** S3's own. */
  readonly etag: string;
  readonly nonce: string | undefined;
}

interface ReadObject {
  readonly bytes: Uint8Array;
  readonly facts: ObjectFacts;
}

const ALL: ByteRange = { offset: 0, length: Infinity };
/** How often an object may be replaced while it is read. */
const TRIES_MAX = 20;

/** @param url For the error. */
export async function readBlob(
  objects: S3Objects,
  { key, url }: { readonly key: string; readonly url: string },
  range: ByteRange | undefined,
): Promise<ReadBlob | undefined> {
  const found = await readObject(objects, key, range ?? ALL);
  if (found === undefined) return undefined;
  const { kind, sizeBytes } = found.facts;
  if (kind === 'created' || (kind === undefined && !mayBeReplaceable(sizeBytes))) {
    return blobOf(found, 'created');
  }
  // What a version is replaced with is small, and its number stands at its end.
  const whole = range === undefined ? found : await readObject(objects, key, ALL);
  if (whole === undefined) return undefined;
  const decoded = decodeReplaceable(whole.bytes);
  if (decoded !== undefined) {
    const bytes = sliceBytes(decoded.bytes, range);
    return { ...blobOf(whole, 'replaceable'), bytes, nonce: decoded.nonce };
  }
  if (kind === 'replaceable') throw missingBodyError(url, 'the number of its version');
  return blobOf(found, 'created');
}

function blobOf({ bytes, facts: { etag, nonce } }: ReadObject, kind: ObjectKind): ReadBlob {
  return { bytes, kind, etag, nonce };
}

async function readObject(
  objects: S3Objects,
  key: string,
  range: ByteRange,
): Promise<ReadObject | undefined> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await readVersion(objects, key, range);
    } catch (error) {
      // It was replaced, or deleted, between two of its parts.
      if (!isFailure(error, 'condition', 'no-object') || tries === TRIES_MAX) throw error;
    }
  }
}

/** One version: the first part tells which and how long, the others must be of the same. */
async function readVersion(
  objects: S3Objects,
  key: string,
  { offset, length }: ByteRange,
): Promise<ReadObject | undefined> {
  const { s3PartSizeBytes, s3PartsMax } = objects.connection.settings;
  const first = await readFirst(objects, key, {
    offset,
    length: Math.min(length, s3PartSizeBytes),
  });
  if (first === undefined) return undefined;
  const { etag, sizeBytes } = first.facts;
  const end = Math.min(offset + length, sizeBytes);
  const firstEnd = offset + first.bytes.length;
  // Nothing came where nothing was asked for; where it has grown since, that is another version.
  if (firstEnd >= end || first.bytes.length === 0) return first;
  const whole = new Uint8Array(end - offset);
  whole.set(first.bytes);
  const starts: number[] = [];
  for (let start = firstEnd; start < end; start += s3PartSizeBytes) starts.push(start);
  await mapBounded(starts, s3PartsMax, async (start) => {
    const part = { offset: start, length: Math.min(s3PartSizeBytes, end - start) };
    const { bytes } = await objects.read(key, part, etag);
    whole.set(bytes, start - offset);
  });
  return { bytes: whole, facts: first.facts };
}

async function readFirst(
  objects: S3Objects,
  key: string,
  range: ByteRange,
): Promise<ReadObject | undefined> {
  if (range.length > 0) {
    try {
      return await objects.read(key, range);
    } catch (error) {
      if (isFailure(error, 'no-object')) return undefined;
      if (!isFailure(error, 'bad-range')) throw error;
    }
  }
  // Nothing of it is asked for, or the range begins behind its end.
  const facts = await objects.look(key);
  return facts && { bytes: new Uint8Array(), facts };
}

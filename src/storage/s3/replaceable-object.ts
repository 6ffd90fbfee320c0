/**
 * The content of an object that can be replaced.
 *
 * S3 compares versions by the ETag, which is a hash of the content: without more, a blob that is set from A to
 * B and back to A would be the first version again, and a writer who slept meanwhile would win. So each version
 * has a number drawn anew in its content, behind the blob's own bytes.
 *
 * ```text
 * <the blob's bytes> <spaces> <newline> "tidemark-replaceable-1" <space> <nonce, 32 hex> <space> <size, 12 digits> <newline>
 * ```
 *
 * The whole is a multiple of 256 bytes long, so that a listing, which says nothing but sizes, tells which
 * objects may be such. Which are, the object's metadata says; where a copy by another tool lost that, the last
 * line does. The format: docs/formats/s3-blob-store.md.
 */
import { joinBytes } from '../bytes.ts';
import type { Bytes } from '../blob-store.ts';

const UNIT_BYTES = 256;
const MARK = 'tidemark-replaceable-1';
const TRAILER = new RegExp(`^\\n${MARK} ([0-9a-f]{32}) (\\d{12})\\n$`);
const SIZE_DIGITS = 12;

export const NONCE_DIGITS = 32;
const TRAILER_BYTES = `\n${MARK} `.length + NONCE_DIGITS + 1 + SIZE_DIGITS + 1;

export interface ReplaceableObject {
  readonly bytes: Uint8Array;
  readonly nonce: string;
}

export function encodeReplaceable(bytes: Bytes, nonce: string): Uint8Array {
  const content = joinBytes(bytes);
  const leastBytes = content.length + TRAILER_BYTES;
  const whole = new Uint8Array(Math.ceil(leastBytes / UNIT_BYTES) * UNIT_BYTES).fill(SPACE);
  whole.set(content);
  const size = String(content.length).padStart(SIZE_DIGITS, '0');
  const trailer = new TextEncoder().encode(`\n${MARK} ${nonce} ${size}\n`);
  whole.set(trailer, whole.length - trailer.length);
  return whole;
}

const SPACE = 0x20;

/** Undefined if it is none. */
export function decodeReplaceable(object: Uint8Array): ReplaceableObject | undefined {
  if (!mayBeReplaceable(object.length)) return undefined;
  const end = object.length - TRAILER_BYTES;
  const [, nonce, digits] =
    TRAILER.exec(Buffer.from(object.subarray(end)).toString('latin1')) ?? [];
  const sizeBytes = Number(digits);
  if (nonce === undefined || sizeBytes > end) return undefined;
  return { bytes: object.subarray(0, sizeBytes), nonce };
}

export function mayBeReplaceable(objectBytes: number): boolean {
  return objectBytes > 0 && objectBytes % UNIT_BYTES === 0;
}

import type { ByteRange, Bytes } from './blob-store.ts';

/** The parts of `Bytes`, in order. */
export function partsOf(bytes: Bytes): readonly Uint8Array[] {
  return bytes instanceof Uint8Array ? [bytes] : bytes;
}

/** One fresh array with all of it. */
export function joinBytes(bytes: Bytes): Uint8Array {
  const parts = partsOf(bytes);
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}

/** A view of the range, cut at the end. */
export function sliceBytes(bytes: Uint8Array, range: ByteRange | undefined): Uint8Array {
  return range ? bytes.subarray(range.offset, range.offset + range.length) : bytes;
}

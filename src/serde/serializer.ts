import type { ByteReader, ByteWriter } from './bytes.ts';
import type { TypeSchema } from './type-schema.ts';

/**
 * Turns values of one type into bytes and back. Used for state and operator state; records on
 * channels go through the run-time codec instead.
 */
export interface Serializer<T> {
  /** Appends one value. Throws `SER-…` (`invalid`) for a value that does not fit. */
  write(value: T, to: ByteWriter): void;
  read(from: ByteReader): T;
  /** A deep copy that shares nothing mutable with `value`. */
  copy(value: T): T;
  /** What is stored beside the bytes, so that a later version can tell whether it can read them. */
  describe(): TypeSchema;
  /** Whether bytes written under `written` can be read by this serializer, and how. */
  resolve(written: TypeSchema): Resolution<T>;
}

export type Resolution<T> =
  | { readonly kind: 'same' }
  /** Read with `read` instead of the serializer's own; written back in the new form. */
  | { readonly kind: 'migrate'; readonly read: (from: ByteReader) => T }
  | { readonly kind: 'refuse'; readonly why: string };

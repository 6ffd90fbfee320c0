import type { ByteReader, ByteWriter } from './bytes.ts';

/** Writes, reads and copies values of one schema; a schema's codec is made of those of its parts. */
export interface Codec {
  /** Throws `MISFIT` for a value of another type, and may have written a part of it. */
  write(value: unknown, to: ByteWriter): void;
  read(from: ByteReader): unknown;
  /** Shares nothing that can change. Throws `MISFIT` as `write` does. */
  copy(value: unknown): unknown;
}

/** Thrown where a value does not fit. Says neither what nor where: `misfitOf` finds that. */
class MisfitSignal extends Error {
  override readonly name = 'MisfitSignal';
}

/** One for all, as making an error with its stack costs more than writing a value. */
export const MISFIT: Error = new MisfitSignal('a value does not fit its schema');

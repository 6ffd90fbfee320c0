/**
 * Memory that files are encoded into, lent to one file after the other.
 *
 * A file's memory comes back once it is stored, and the next file gets it. Fresh memory would have to be filled
 * with zeros, and for each few dozen megabytes of it the collector goes through the whole heap, which holds all
 * of the state.
 */
import { ByteWriter } from '../serde/bytes.ts';

/** Of the first buffer: most snapshots are small. Each is twice as large as the one before, up to the most. */
const FIRST_BYTES = 4 * 1024;
/** As much as a store writes at once: more would only be there for longer. */
const MOST_BYTES = 4 * 1024 * 1024;

export class FileBuffers {
  #free: ByteWriter[] = [];
  #nextBytes = FIRST_BYTES;
  #isClosed = false;

  /** An empty buffer for at least so many bytes. */
  take(leastBytes: number): ByteWriter {
    const free = this.#free.pop();
    if (free !== undefined && free.spareBytes >= leastBytes) return free;
    const sizeBytes = Math.max(this.#nextBytes, leastBytes);
    this.#nextBytes = Math.min(sizeBytes * 2, MOST_BYTES);
    return new ByteWriter(sizeBytes);
  }

  /** Takes buffers back whose bytes nobody reads any more. */
  give(buffers: readonly ByteWriter[]): void {
    if (this.#isClosed) return;
    for (const buffer of buffers) {
      buffer.reset();
      // Small ones would be full at once, and what one huge row needed is too much for the others.
      const { spareBytes } = buffer;
      if (spareBytes >= MOST_BYTES && spareBytes <= 2 * MOST_BYTES) this.#free.push(buffer);
    }
  }

  /** No file is begun any more: what comes back is let go. */
  close(): void {
    this.#isClosed = true;
    this.#free = [];
  }
}

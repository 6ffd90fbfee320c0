/**
 * Builds one run file: docs/formats/keyed-run.md. Blocks are encoded where they are stored from, and nothing is
 * joined.
 *
 * Always holds: the checksum of the file is that of its parts, without a second look at the blocks' bytes.
 */
import { crc32, crc32Combine } from '../common/crc32.ts';
import { ByteWriter } from '../serde/bytes.ts';
import type { BlockEncoder } from './block-encoder.ts';
import type { FileBuffers } from './file-buffers.ts';
import {
  RUN_END_MAGIC,
  RUN_FORMAT_VERSION,
  RUN_MAGIC,
  RUN_MIN_READER,
  type BlockEntry,
  type RunHeader,
} from './keyed-run-format.ts';

/** Of a block, behind its payload. */
const CHECKSUM_BYTES = 4;
/** What an entry of the index has at most, and what stands around all of them. */
const ENTRY_BYTES_MAX = 64;

export interface FinishedRun {
  readonly parts: readonly Uint8Array[];
  /** Of all parts. */
  readonly crc32: number;
}

export class KeyedRunWriter {
  readonly header: RunHeader;
  readonly #buffers: FileBuffers;
  /** Filled, in their order; the last one is `#to`. */
  #filled: ByteWriter[] = [];
  #to: ByteWriter;
  /** In the buffers before the last one. */
  #bytesBefore = 0;
  readonly #entries: BlockEntry[] = [];
  #rows = 0;
  #crc32 = 0;

  constructor(header: RunHeader, buffers: FileBuffers) {
    this.header = header;
    this.#buffers = buffers;
    const text = new ByteWriter();
    text.rawText(JSON.stringify(header));
    this.#to = buffers.take(0);
    this.#filled.push(this.#to);
    this.#append(text.length + ENTRY_BYTES_MAX, (to) => {
      to.uint32(RUN_MAGIC);
      to.uint32(RUN_FORMAT_VERSION);
      to.uint32(RUN_MIN_READER);
      to.uint32(text.length);
      to.raw(text.view());
      to.uint32(crc32(to.view()));
    });
  }

  get sizeBytes(): number {
    return this.#bytesBefore + this.#to.length;
  }

  get rows(): number {
    return this.#rows;
  }

  /** Ends the encoder's block and takes it. */
  addBlock(state: number, encoder: BlockEncoder): void {
    const to = this.#room(encoder.bytesMax + CHECKSUM_BYTES);
    const offset = this.sizeBytes;
    const start = to.length;
    const content = encoder.finishInto(to);
    const end = to.length;
    const checksum = crc32(to.view(start));
    to.uint32(checksum);
    this.#crc32 = crc32Combine(this.#crc32, checksum, end - start);
    this.#crc32 = crc32(to.view(end), this.#crc32);
    this.#entries.push({ ...content, state, offset, length: to.length - start });
    this.#rows += content.rows;
  }

  /** The whole file, in memory that is lent until `release`. */
  finish(): FinishedRun {
    this.#append((this.#entries.length + 1) * ENTRY_BYTES_MAX, (to) => {
      const start = to.length;
      to.varint(this.#entries.length);
      for (const entry of this.#entries) {
        to.varint(entry.state);
        to.uint8(entry.tombstones ? 1 : 0);
        to.varint(entry.firstGroup);
        to.varint(entry.lastGroup);
        to.uint32(entry.firstHash);
        to.varint(entry.rows);
        to.varint(entry.offset);
        to.varint(entry.length);
      }
      const indexBytes = to.length - start;
      to.uint32(crc32(to.view(start)));
      to.uint32(indexBytes);
      to.uint32(RUN_END_MAGIC);
    });
    return { parts: this.#filled.map((buffer) => buffer.view()), crc32: this.#crc32 };
  }

  /** Gives its memory back: the file is stored, or never will be. */
  release(): void {
    this.#buffers.give(this.#filled);
    this.#filled = [];
  }

  #append(bytesMax: number, write: (to: ByteWriter) => void): void {
    const to = this.#room(bytesMax);
    const start = to.length;
    write(to);
    this.#crc32 = crc32(to.view(start), this.#crc32);
  }

  /** A buffer with so much room that it does not have to grow, which copies what is there. */
  #room(bytes: number): ByteWriter {
    if (this.#to.spareBytes >= bytes || this.#to.length === 0) return this.#to;
    this.#bytesBefore += this.#to.length;
    this.#to = this.#buffers.take(bytes);
    this.#filled.push(this.#to);
    return this.#to;
  }
}

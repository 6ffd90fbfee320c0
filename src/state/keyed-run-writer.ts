/** Builds one run file: docs/formats/keyed-run.md. Nothing is joined; the parts are stored as they are. */
import { crc32 } from '../common/crc32.ts';
import { ByteWriter } from '../serde/bytes.ts';
import type { EncodedBlock } from './block-encoder.ts';
import {
  RUN_END_MAGIC,
  RUN_FORMAT_VERSION,
  RUN_MAGIC,
  RUN_MIN_READER,
  type BlockEntry,
  type RunHeader,
} from './keyed-run-format.ts';

export class KeyedRunWriter {
  readonly header: RunHeader;
  readonly #parts: Uint8Array[] = [];
  readonly #entries: BlockEntry[] = [];
  #sizeBytes = 0;
  #rows = 0;

  constructor(header: RunHeader) {
    this.header = header;
    const text = new ByteWriter();
    text.rawText(JSON.stringify(header));
    const to = new ByteWriter();
    to.uint32(RUN_MAGIC);
    to.uint32(RUN_FORMAT_VERSION);
    to.uint32(RUN_MIN_READER);
    to.uint32(text.length);
    to.raw(text.view());
    to.uint32(crc32(to.view()));
    this.#push(to.finish());
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  get rows(): number {
    return this.#rows;
  }

  addBlock(state: number, { payload, entry }: EncodedBlock): void {
    const checksum = new ByteWriter(16);
    checksum.uint32(crc32(payload));
    const length = payload.length + checksum.length;
    this.#entries.push({ ...entry, state, offset: this.#sizeBytes, length });
    this.#rows += entry.rows;
    this.#push(payload);
    this.#push(checksum.finish());
  }

  /** The whole file. */
  finish(): readonly Uint8Array[] {
    const to = new ByteWriter();
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
    const indexBytes = to.length;
    to.uint32(crc32(to.view()));
    to.uint32(indexBytes);
    to.uint32(RUN_END_MAGIC);
    this.#push(to.finish());
    return this.#parts;
  }

  #push(part: Uint8Array): void {
    this.#parts.push(part);
    this.#sizeBytes += part.length;
  }
}

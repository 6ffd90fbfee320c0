/**
 * Reads run files that are there whole: docs/formats/keyed-run.md. Every byte is checked before
 * anything is made of it. `RunFile` is the one for files that come in parts.
 */
import { assert } from '../common/assert.ts';
import { crc32 } from '../common/crc32.ts';
import { EngineError } from '../common/errors.ts';
import type { KeyedRunHandle, StateSchema } from '../contracts/snapshots.ts';
import { ByteReader } from '../serde/bytes.ts';
import { BlockRows, type DecodedBlock } from './block-rows.ts';
import { corruptSnapshot } from './errors.ts';
import type { BlockEntry, RunHeader } from './keyed-run-format.ts';
import {
  CHECKSUM_BYTES,
  checkHandle,
  fileNameOf,
  readRunHeader,
  readRunIndex,
  schemaIn,
  type PartRead,
} from './keyed-run-parts.ts';
import type { StoredRows } from './row-codec.ts';

export class KeyedRunReader {
  readonly file: string;
  readonly header: RunHeader;
  readonly blocks: readonly BlockEntry[];
  readonly #bytes: Uint8Array;

  /** @throws {EngineError} `STA-001` (`corrupt`); `STA-006` (`invalid`) for a newer format. */
  constructor(bytes: Uint8Array, run: KeyedRunHandle) {
    const handle = run.blob;
    this.file = fileNameOf(handle);
    this.#bytes = bytes;
    if (bytes.length !== handle.sizeBytes) {
      throw this.#corrupt('file', `${bytes.length} bytes instead of ${handle.sizeBytes}`);
    }
    const whole = crc32(bytes) === handle.crc32;
    this.header = partOf(readRunHeader(bytes, bytes.length, this.file)).header;
    this.blocks = partOf(readRunIndex(bytes, bytes.length, this.file));
    if (whole) {
      checkHandle(this.header, run, this.file);
      return;
    }
    // Something is wrong; naming the block helps to see whether it is the disk or the file.
    for (const number of this.blocks.keys()) this.#payload(number);
    throw this.#corrupt('file', 'it is not the file that the snapshot was made of');
  }

  schemaOf(entry: BlockEntry): StateSchema {
    return schemaIn(this.header, entry, this.file);
  }

  /** @param stored How to read the values of the block's state. */
  decode(number: number, stored: StoredRows): DecodedBlock {
    const payload = this.#payload(number);
    try {
      return new BlockRows(payload, stored, this.header.maxParallelism).all();
    } catch (error) {
      if (error instanceof EngineError && error.kind !== 'corrupt') throw error;
      throw this.#corrupt(number, 'its rows cannot be read', error);
    }
  }

  #payload(number: number): Uint8Array {
    const entry = this.blocks[number];
    if (entry === undefined) throw this.#corrupt(number, 'there is no such block');
    const end = entry.offset + entry.length - CHECKSUM_BYTES;
    if (end < entry.offset || end + CHECKSUM_BYTES > this.#bytes.length) {
      throw this.#corrupt(number, 'it lies outside the file');
    }
    const payload = this.#bytes.subarray(entry.offset, end);
    if (new ByteReader(this.#bytes, end).uint32() !== crc32(payload)) {
      throw this.#corrupt(number, 'its checksum is wrong');
    }
    return payload;
  }

  #corrupt(block: number | string, what: string, cause?: unknown): EngineError {
    return corruptSnapshot({ file: this.file, block, what, cause });
  }
}

function partOf<T>(read: PartRead<T>): T {
  assert('part' in read, 'a whole file has all its parts');
  return read.part;
}

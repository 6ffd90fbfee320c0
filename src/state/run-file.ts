/**
 * A run file whose bytes come in parts. Header and index are checked when it is opened, a block
 * when its rows are first asked for, and the file as a whole with its last block.
 *
 * Always holds: no row comes out of a block whose checksum was not compared; `isVerified` is true
 * only when every byte was checked, so that a file that was swapped with another is found as well.
 */
import { assert } from '../common/assert.ts';
import { crc32, crc32Combine } from '../common/crc32.ts';
import { EngineError } from '../common/errors.ts';
import type { BlobHandle, KeyedRunHandle, StateSchema } from '../contracts/snapshots.ts';
import { ByteReader } from '../serde/bytes.ts';
import { BlockRows } from './block-rows.ts';
import { corruptSnapshot } from './errors.ts';
import { TRAILER_BYTES, type BlockEntry, type RunHeader } from './keyed-run-format.ts';
import {
  CHECKSUM_BYTES,
  checkHandle,
  fileNameOf,
  readRunHeader,
  readRunIndex,
  schemaIn,
  type PartRead,
} from './keyed-run-parts.ts';
import type { RestoreOptions } from './keyed-state-backend.ts';
import type { StoredRows } from './row-codec.ts';

/** Of the beginning of a file and of its end, what is read at first. */
const EDGE_BYTES = 16 * 1024;
const EDGE_BYTES_LEAST = 64;

export interface OpenOptions extends Pick<RestoreOptions, 'read' | 'readRange'> {
  /** Smaller files are read whole. */
  readonly wholeBytes: number;
}

type RangeReader = (offset: number, length: number) => Promise<Uint8Array>;

/** What a file has beside its blocks. */
interface Opened {
  readonly header: RunHeader;
  readonly blocks: readonly BlockEntry[];
  readonly headBytes: number;
  readonly headCrc: number;
  readonly tailBytes: number;
  readonly tailCrc: number;
  /** All bytes, if they were read at once. */
  readonly whole: Uint8Array | undefined;
}

type Block =
  | { readonly kind: 'absent' }
  /** Its bytes are on their way. */
  | { readonly kind: 'requested' }
  | { readonly kind: 'present'; readonly bytes: Uint8Array }
  /** Checked, and its columns found. */
  | { readonly kind: 'open'; readonly rows: BlockRows }
  /** Checked and no longer needed. */
  | { readonly kind: 'dropped' };

export class RunFile {
  readonly run: KeyedRunHandle;
  readonly name: string;
  readonly header: RunHeader;
  readonly entries: readonly BlockEntry[];
  readonly #opened: Opened;
  readonly #blocks: Block[];
  readonly #crcs: Float64Array;
  /** Blocks not yet checked. */
  #unchecked: number;
  #checkedBytes = 0;
  #droppedBytes = 0;

  /**
   * Reads and checks header and index.
   * @throws {EngineError} `STA-001` (`corrupt`); `STA-006` (`invalid`) for a newer format.
   */
  static async open(run: KeyedRunHandle, options: OpenOptions): Promise<RunFile> {
    return new RunFile(run, await openFile(run.blob, options));
  }

  private constructor(run: KeyedRunHandle, opened: Opened) {
    this.run = run;
    this.name = fileNameOf(run.blob);
    this.#opened = opened;
    this.header = opened.header;
    this.entries = opened.blocks;
    checkHandle(this.header, run, this.name);
    this.#checkLayout();
    const { whole, headBytes } = opened;
    this.#blocks = this.entries.map(({ offset, length }) =>
      whole === undefined
        ? { kind: 'absent' }
        : { kind: 'present', bytes: whole.subarray(offset, offset + length) },
    );
    assert(headBytes > 0, 'a file has a header');
    this.#crcs = new Float64Array(this.entries.length);
    this.#unchecked = this.entries.length;
    if (this.#unchecked === 0) this.#checkWhole();
  }

  /** Whether its blocks have to be fetched. */
  get comesInParts(): boolean {
    return this.#opened.whole === undefined;
  }

  get isVerified(): boolean {
    return this.#unchecked === 0;
  }

  /** Bytes of blocks that were checked; of the file, when all were. */
  get verifiedBytes(): number {
    return this.isVerified ? this.run.blob.sizeBytes : this.#checkedBytes;
  }

  /** Bytes of blocks that are no longer needed; of the file, when none is. */
  get droppedBytes(): number {
    const { headBytes, tailBytes } = this.#opened;
    const bytes = this.#droppedBytes + headBytes + tailBytes;
    return bytes < this.run.blob.sizeBytes ? this.#droppedBytes : bytes;
  }

  /** Whether nothing has to be fetched to read the block. */
  has(number: number): boolean {
    const kind = this.#block(number).kind;
    return kind !== 'absent' && kind !== 'requested';
  }

  isAbsent(number: number): boolean {
    return this.#block(number).kind === 'absent';
  }

  request(number: number): void {
    this.#blocks[number] = { kind: 'requested' };
  }

  /** @param bytes Of the blocks from `first` on; too few bytes are found when they are checked. */
  arrived(first: number, count: number, bytes: Uint8Array): void {
    let at = 0;
    for (const [i, { length }] of this.entries.slice(first, first + count).entries()) {
      this.#blocks[first + i] = { kind: 'present', bytes: bytes.subarray(at, at + length) };
      at += length;
    }
  }

  schemaOf(entry: BlockEntry): StateSchema {
    return schemaIn(this.header, entry, this.name);
  }

  /**
   * The rows of a block that is there, checked.
   * @throws {EngineError} `STA-001` (`corrupt`).
   */
  rows(number: number, stored: StoredRows): BlockRows {
    const block = this.#block(number);
    if (block.kind === 'open') return block.rows;
    const payload = this.#check(number, block);
    try {
      const rows = new BlockRows(payload, stored, this.header.maxParallelism);
      this.#blocks[number] = { kind: 'open', rows };
      return rows;
    } catch (error) {
      throw this.unreadable(number, error);
    }
  }

  /** Frees a block's bytes, after they were checked. */
  drop(number: number): void {
    const block = this.#block(number);
    if (block.kind === 'present') this.#check(number, block);
    if (block.kind !== 'dropped') this.#droppedBytes += this.entries[number]?.length ?? 0;
    this.#blocks[number] = { kind: 'dropped' };
  }

  /** What reading a row of a block has thrown, with the names of both. */
  unreadable(number: number, error: unknown): unknown {
    if (error instanceof EngineError && error.kind !== 'corrupt') return error;
    if (error instanceof EngineError && error.code === 'STA-001') return error;
    return this.#corrupt(number, 'its rows cannot be read', error);
  }

  #block(number: number): Block {
    const block = this.#blocks[number];
    assert(block !== undefined, 'there is no such block');
    return block;
  }

  #check(number: number, block: Block): Uint8Array {
    assert(block.kind === 'present', `a block that is ${block.kind} is read`);
    const { bytes } = block;
    const length = this.entries[number]?.length ?? 0;
    if (bytes.length !== length) throw this.#corrupt(number, 'it is cut off');
    const payload = bytes.subarray(0, length - CHECKSUM_BYTES);
    const checksum = crc32(payload);
    if (new ByteReader(bytes, payload.length).uint32() !== checksum) {
      throw this.#corrupt(number, 'its checksum is wrong');
    }
    this.#crcs[number] = checksum;
    this.#checkedBytes += length;
    this.#unchecked--;
    if (this.#unchecked === 0) this.#checkWhole();
    return payload;
  }

  /** Blocks lie one after the other between header and index. */
  #checkLayout(): void {
    const { headBytes, tailBytes } = this.#opened;
    let at = headBytes;
    for (const [number, { offset, length }] of this.entries.entries()) {
      if (offset !== at || length < CHECKSUM_BYTES) {
        throw this.#corrupt(number, 'it lies outside the file');
      }
      at += length;
    }
    if (at + tailBytes !== this.run.blob.sizeBytes) {
      throw this.#corrupt('index', 'the blocks do not fill the file');
    }
  }

  /** The checksum of the file, from those of its parts. */
  #checkWhole(): void {
    const { headCrc, tailCrc, tailBytes } = this.#opened;
    let whole = headCrc;
    const stored = new Uint8Array(CHECKSUM_BYTES);
    const view = new DataView(stored.buffer);
    for (const [number, { length }] of this.entries.entries()) {
      const checksum = this.#crcs[number] ?? 0;
      whole = crc32Combine(whole, checksum, length - CHECKSUM_BYTES);
      view.setUint32(0, checksum, true);
      whole = crc32(stored, whole);
    }
    if (crc32Combine(whole, tailCrc, tailBytes) === this.run.blob.crc32) return;
    throw this.#corrupt('file', 'it is not the file that the snapshot was made of');
  }

  #corrupt(block: number | string, what: string, cause?: unknown): EngineError {
    return corruptSnapshot({ file: this.name, block, what, cause });
  }
}

async function openFile(blob: BlobHandle, options: OpenOptions): Promise<Opened> {
  const file = fileNameOf(blob);
  const { sizeBytes } = blob;
  const { readRange } = options;
  let whole: Uint8Array | undefined;
  let read: RangeReader;
  if (blob.kind === 'inline' || readRange === undefined || sizeBytes <= options.wholeBytes) {
    const bytes = await options.read(blob);
    if (bytes.length !== sizeBytes) {
      const what = `${bytes.length} bytes instead of ${sizeBytes}`;
      throw corruptSnapshot({ file, block: 'file', what });
    }
    whole = bytes;
    read = (offset, length) => Promise.resolve(bytes.subarray(offset, offset + length));
  } else {
    read = async (offset, length) => {
      const bytes = await readRange(blob, { offset, length });
      if (bytes.length === length) return bytes;
      throw corruptSnapshot({ file, block: 'header or index', what: 'the file is cut off' });
    };
  }
  const most = Math.max(EDGE_BYTES_LEAST, Math.min(EDGE_BYTES, options.wholeBytes));
  const edge = whole === undefined ? Math.min(sizeBytes, most) : sizeBytes;
  const [head, tail] = await Promise.all([
    partOf(
      edge,
      (length) => read(0, length),
      (bytes) => readRunHeader(bytes, sizeBytes, file),
    ),
    partOf(
      edge,
      (length) => read(sizeBytes - length, length),
      (bytes) => readRunIndex(bytes, sizeBytes, file),
    ),
  ]);
  const { header, endBytes } = head.part;
  const tailBytes = indexBytesOf(tail.bytes);
  return {
    header,
    blocks: tail.part,
    headBytes: endBytes,
    headCrc: crc32(head.bytes.subarray(0, endBytes)),
    tailBytes,
    tailCrc: crc32(tail.bytes.subarray(tail.bytes.length - tailBytes)),
    whole,
  };
}

/** Reads a part whose length stands in itself: once, or again if it was not enough. */
async function partOf<T>(
  firstBytes: number,
  read: (length: number) => Promise<Uint8Array>,
  parse: (bytes: Uint8Array) => PartRead<T>,
): Promise<{ readonly part: T; readonly bytes: Uint8Array }> {
  for (let length = firstBytes; ;) {
    const bytes = await read(length);
    const result = parse(bytes);
    if ('part' in result) return { part: result.part, bytes };
    assert(result.needsBytes > length, 'a part needs more than was read');
    length = result.needsBytes;
  }
}

/** Of index and trailer; the trailer was checked. */
function indexBytesOf(tail: Uint8Array): number {
  const trailer = new ByteReader(tail, tail.length - TRAILER_BYTES);
  trailer.uint32();
  return trailer.uint32() + TRAILER_BYTES;
}

/**
 * Reads run files: docs/formats/keyed-run.md. Every byte is checked before anything is made of it.
 */
import { crc32 } from '../common/crc32.ts';
import { EngineError } from '../common/errors.ts';
import { keyGroupOf, type KeyGroupRange } from '../common/key-groups.ts';
import type { KeyedRunHandle, StateSchema } from '../contracts/snapshots.ts';
import { ByteReader } from '../serde/bytes.ts';
import { decodeColumn, readColumn, type ColumnCodec } from '../serde/columns.ts';
import type { TypeSchema } from '../serde/type-schema.ts';
import { timeSerializer } from './block-encoder.ts';
import { corruptSnapshot, newerFormat } from './errors.ts';
import {
  BLOCK_EXPIRY,
  BLOCK_NAMESPACES,
  BLOCK_SUBS,
  BLOCK_TOMBSTONES,
  PREAMBLE_BYTES,
  RUN_END_MAGIC,
  RUN_FORMAT_VERSION,
  RUN_MAGIC,
  TRAILER_BYTES,
  type BlockEntry,
  type RunHeader,
} from './keyed-run-format.ts';
import type { Namespace } from './keyed-state-backend.ts';
import type { StoredRows } from './row-codec.ts';

const CHECKSUM_BYTES = 4;

/** The rows of a block, as columns. */
export interface DecodedBlock {
  readonly tombstones: boolean;
  readonly rows: number;
  readonly hashes: Int32Array;
  readonly keys: readonly unknown[];
  readonly namespaces: readonly Namespace[] | undefined;
  readonly subs: readonly unknown[] | undefined;
  readonly expiries: readonly number[] | undefined;
  /** Empty for tombstones. */
  readonly values: readonly unknown[];
}

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
    try {
      this.header = this.#readHeader();
      this.blocks = this.#readIndex();
    } catch (error) {
      if (error instanceof EngineError && error.code.startsWith('STA')) throw error;
      throw this.#corrupt('header or index', 'they cannot be read', error);
    }
    if (whole) {
      // Handles decide which runs count for a key group: they must say what the files say.
      const { checkpointId, full } = this.header;
      if (checkpointId === run.checkpointId && sameRanges(full, run.full ?? [])) return;
      throw this.#corrupt('header', 'it does not say what the handle of the file says');
    }
    // Something is wrong; naming the block helps to see whether it is the disk or the file.
    for (const number of this.blocks.keys()) this.#payload(number);
    throw this.#corrupt('file', 'it is not the file that the snapshot was made of');
  }

  schemaOf(entry: BlockEntry): StateSchema {
    const schema = this.header.states[entry.state];
    if (schema === undefined) throw this.#corrupt('index', `there is no state ${entry.state}`);
    return schema;
  }

  /** @param stored How to read the values of the block's state. */
  decode(number: number, stored: StoredRows): DecodedBlock {
    const payload = this.#payload(number);
    try {
      return decodeBlock(payload, stored, this.header.maxParallelism);
    } catch (error) {
      if (error instanceof EngineError && error.kind !== 'corrupt') throw error;
      throw this.#corrupt(number, 'its rows cannot be read', error);
    }
  }

  #readHeader(): RunHeader {
    const from = new ByteReader(this.#bytes);
    if (from.uint32() !== RUN_MAGIC) throw this.#corrupt('header', 'this is no file of state');
    const version = from.uint32();
    const minReader = from.uint32();
    const length = from.uint32();
    if (length > from.remaining - CHECKSUM_BYTES) throw this.#corrupt('header', 'it is cut off');
    const text = from.raw(length);
    const checked = this.#bytes.subarray(0, PREAMBLE_BYTES + length);
    if (from.uint32() !== crc32(checked)) throw this.#corrupt('header', 'its checksum is wrong');
    if (minReader > RUN_FORMAT_VERSION) throw newerFormat(this.file, version, minReader);
    return JSON.parse(new TextDecoder().decode(text)) as RunHeader;
  }

  #readIndex(): BlockEntry[] {
    const end = this.#bytes.length - TRAILER_BYTES;
    if (end < PREAMBLE_BYTES) throw this.#corrupt('index', 'it is cut off');
    const trailer = new ByteReader(this.#bytes, end);
    const checksum = trailer.uint32();
    const length = trailer.uint32();
    if (trailer.uint32() !== RUN_END_MAGIC) throw this.#corrupt('index', 'the file has no end');
    if (length > end) throw this.#corrupt('index', 'its length is wrong');
    if (crc32(this.#bytes.subarray(end - length, end)) !== checksum) {
      throw this.#corrupt('index', 'its checksum is wrong');
    }
    const from = new ByteReader(this.#bytes, end - length, end);
    return Array.from({ length: from.count(8) }, () => ({
      state: from.varint(),
      tombstones: from.uint8() === 1,
      firstGroup: from.varint(),
      lastGroup: from.varint(),
      firstHash: from.uint32(),
      rows: from.varint(),
      offset: from.varint(),
      length: from.varint(),
    }));
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

export function fileNameOf(handle: KeyedRunHandle['blob']): string {
  return handle.kind === 'blob' ? handle.path : `(inline, ${handle.sizeBytes} bytes)`;
}

function sameRanges(a: readonly KeyGroupRange[], b: readonly KeyGroupRange[]): boolean {
  return (
    a.length === b.length &&
    a.every(({ start, end }, i) => start === b[i]?.start && end === b[i].end)
  );
}

/** Whether two ranges of key groups have one in common. */
export function rangesMeet(a: KeyGroupRange, b: KeyGroupRange): boolean {
  return a.start <= b.end && b.start <= a.end;
}

function decodeBlock(
  payload: Uint8Array,
  stored: StoredRows,
  maxParallelism: number,
): DecodedBlock {
  const from = new ByteReader(payload);
  const rows = from.varint();
  const flags = from.uint8();
  const groups = readGroups(from);
  const hashes = new Int32Array(rows);
  for (let i = 0; i < rows; i++) hashes[i] = from.int32();
  checkGroups(groups, hashes, maxParallelism);
  const keys = columnOf(from, rows, 'key');
  const namespaces = (flags & BLOCK_NAMESPACES) !== 0 ? readNamespaces(from, rows) : undefined;
  const subs = (flags & BLOCK_SUBS) !== 0 ? readSubs(from, rows, stored) : undefined;
  const expiries = (flags & BLOCK_EXPIRY) !== 0 ? timesOf(from, rows) : undefined;
  const tombstones = (flags & BLOCK_TOMBSTONES) !== 0;
  const values = tombstones ? [] : columnOf(from, rows, stored.serializer, stored.written);
  if (from.remaining > 0) throw doesNotFit();
  return { tombstones, rows, hashes, keys, namespaces, subs, expiries, values };
}

interface GroupRows {
  readonly group: number;
  readonly rows: number;
}

function readGroups(from: ByteReader): GroupRows[] {
  let group = 0;
  return Array.from({ length: from.count(2) }, () => {
    group += from.varint();
    return { group, rows: from.varint() };
  });
}

/** A row in the wrong key group would be lost or doubled by a rescale. */
function checkGroups(
  groups: readonly GroupRows[],
  hashes: Int32Array,
  maxParallelism: number,
): void {
  let at = 0;
  for (const { group, rows } of groups) {
    for (const end = at + rows; at < end; at++) {
      if (keyGroupOf(hashes[at] ?? 0, maxParallelism) !== group) throw doesNotFit();
    }
  }
  if (at !== hashes.length) throw doesNotFit();
}

function readNamespaces(from: ByteReader, rows: number): Namespace[] {
  const starts = timesOf(from, rows);
  const ends = timesOf(from, rows);
  const known = new Map<number, { start: number; end: number }>();
  return starts.map((start, i) => {
    if (Number.isNaN(start)) return undefined;
    const end = ends[i] ?? start;
    const before = known.get(start);
    if (before?.end === end) return before;
    const namespace = { start, end };
    known.set(start, namespace);
    return namespace;
  });
}

function readSubs(from: ByteReader, rows: number, stored: StoredRows): readonly unknown[] {
  if (stored.kind === 'timers') return timesOf(from, rows);
  const keys = columnOf(from, rows, 'key');
  return stored.convertMapKey === undefined ? keys : keys.map(stored.convertMapKey);
}

function timesOf(from: ByteReader, rows: number): number[] {
  return columnOf(from, rows, timeSerializer) as number[];
}

function columnOf(
  from: ByteReader,
  rows: number,
  codec: ColumnCodec,
  written?: TypeSchema,
): unknown[] {
  const column = readColumn(from);
  if (column.count !== rows) throw doesNotFit();
  return decodeColumn(column, codec, written);
}

function doesNotFit(): BlockMisfit {
  return new BlockMisfit('the parts of a block do not fit together');
}

/** Becomes the cause of `STA-001`, which names file and block. */
class BlockMisfit extends Error {
  override readonly name = 'BlockMisfit';
}

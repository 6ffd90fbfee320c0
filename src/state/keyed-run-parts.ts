/** The parts of a run file around its blocks: docs/formats/keyed-run.md, "File". */
import { crc32 } from '../common/crc32.ts';
import { EngineError } from '../common/errors.ts';
import type { KeyGroupRange } from '../common/key-groups.ts';
import type { KeyedRunHandle, StateSchema } from '../contracts/snapshots.ts';
import { ByteReader } from '../serde/bytes.ts';
import { corruptSnapshot, newerFormat } from './errors.ts';
import {
  PREAMBLE_BYTES,
  RUN_END_MAGIC,
  RUN_FORMAT_VERSION,
  RUN_MAGIC,
  TRAILER_BYTES,
  type BlockEntry,
  type RunHeader,
} from './keyed-run-format.ts';

export const CHECKSUM_BYTES = 4;

export interface ReadHeader {
  readonly header: RunHeader;
  /** Of preamble, header and checksum: here the first block begins. */
  readonly endBytes: number;
}

/** Bytes of a part, or how many of them it needs. */
export type PartRead<T> = { readonly part: T } | { readonly needsBytes: number };

/**
 * @param bytes The beginning of the file.
 * @throws {EngineError} `STA-001` (`corrupt`); `STA-006` (`invalid`) for a newer format.
 */
export function readRunHeader(
  bytes: Uint8Array,
  sizeBytes: number,
  file: string,
): PartRead<ReadHeader> {
  return guarded(file, () => {
    const from = new ByteReader(bytes);
    if (from.uint32() !== RUN_MAGIC) throw damaged(file, 'header', 'this is no file of state');
    const version = from.uint32();
    const minReader = from.uint32();
    const length = from.uint32();
    const endBytes = PREAMBLE_BYTES + length + CHECKSUM_BYTES;
    if (endBytes > sizeBytes) throw damaged(file, 'header', 'it is cut off');
    if (endBytes > bytes.length) return { needsBytes: endBytes };
    const text = from.raw(length);
    const checked = bytes.subarray(0, PREAMBLE_BYTES + length);
    if (from.uint32() !== crc32(checked)) throw damaged(file, 'header', 'its checksum is wrong');
    if (minReader > RUN_FORMAT_VERSION) throw newerFormat(file, version, minReader);
    return {
      part: { header: JSON.parse(new TextDecoder().decode(text)) as RunHeader, endBytes },
    };
  });
}

/**
 * @param tail The end of the file.
 * @throws {EngineError} `STA-001` (`corrupt`).
 */
export function readRunIndex(
  tail: Uint8Array,
  sizeBytes: number,
  file: string,
): PartRead<BlockEntry[]> {
  return guarded(file, () => {
    const end = tail.length - TRAILER_BYTES;
    if (end < 0) throw damaged(file, 'index', 'it is cut off');
    const trailer = new ByteReader(tail, end);
    const checksum = trailer.uint32();
    const length = trailer.uint32();
    if (trailer.uint32() !== RUN_END_MAGIC) throw damaged(file, 'index', 'the file has no end');
    const needsBytes = length + TRAILER_BYTES;
    if (needsBytes > sizeBytes) throw damaged(file, 'index', 'its length is wrong');
    if (needsBytes > tail.length) return { needsBytes };
    if (crc32(tail.subarray(end - length, end)) !== checksum) {
      throw damaged(file, 'index', 'its checksum is wrong');
    }
    const from = new ByteReader(tail, end - length, end);
    const part = Array.from({ length: from.count(8) }, () => ({
      state: from.varint(),
      tombstones: from.uint8() === 1,
      firstGroup: from.varint(),
      lastGroup: from.varint(),
      firstHash: from.uint32(),
      rows: from.varint(),
      offset: from.varint(),
      length: from.varint(),
    }));
    return { part };
  });
}

/** The schema of a block's state. */
export function schemaIn(header: RunHeader, entry: BlockEntry, file: string): StateSchema {
  const schema = header.states[entry.state];
  if (schema === undefined) throw damaged(file, 'index', `there is no state ${entry.state}`);
  return schema;
}

/** Handles decide which runs count for a key group: they must say what the files say. */
export function checkHandle(header: RunHeader, run: KeyedRunHandle, file: string): void {
  const { checkpointId, full } = header;
  if (checkpointId === run.checkpointId && sameRanges(full, run.full ?? [])) return;
  throw damaged(file, 'header', 'it does not say what the handle of the file says');
}

export function fileNameOf(handle: KeyedRunHandle['blob']): string {
  return handle.kind === 'blob' ? handle.path : `(inline, ${handle.sizeBytes} bytes)`;
}

/** Whether two ranges of key groups have one in common. */
export function rangesMeet(a: KeyGroupRange, b: KeyGroupRange): boolean {
  return a.start <= b.end && b.start <= a.end;
}

function sameRanges(a: readonly KeyGroupRange[], b: readonly KeyGroupRange[]): boolean {
  return (
    a.length === b.length &&
    a.every(({ start, end }, i) => start === b[i]?.start && end === b[i].end)
  );
}

function guarded<T>(file: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof EngineError && error.code.startsWith('STA')) throw error;
    throw corruptSnapshot({
      file,
      block: 'header or index',
      what: 'they cannot be read',
      cause: error,
    });
  }
}

function damaged(file: string, block: string, what: string): EngineError {
  return corruptSnapshot({ file, block, what });
}

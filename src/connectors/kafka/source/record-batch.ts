/**
 * Kafka's record batch, version 2: the header's fields at their places, and what a batch is worth. See
 * https://kafka.apache.org/documentation/#recordbatch. Batches lie one behind the other in an answer; the
 * last one may be cut off.
 */
import { library } from '../client/library.ts';
import { corruptBatch } from './errors.ts';

export const BATCH_HEADER_BYTES = 61;

const OFFSET_AND_LENGTH_BYTES = 12;
const MAGIC = 2;
const CRC_COVERS_FROM = 21;
const CODEC_MASK = 0x07;
const LOG_APPEND_TIME = 0x08;
const TRANSACTIONAL = 0x10;
const CONTROL = 0x20;
/** Where the type of a control record's key stands: behind the record's own fields and the key's version. */
const ABORT = 0;

/** The end of the batch that begins at `at`; undefined if it is not whole. */
export function batchEnd(bytes: Buffer, at: number): number | undefined {
  if (at + OFFSET_AND_LENGTH_BYTES > bytes.length) return undefined;
  const end = at + OFFSET_AND_LENGTH_BYTES + bytes.readInt32BE(at + 8);
  return end > bytes.length ? undefined : end;
}

/** The offset behind a batch: behind its last record, even if compaction has removed that one. */
function offsetBehind(bytes: Buffer, at: number): number {
  return int64(bytes, at) + bytes.readInt32BE(at + 23) + 1;
}

/** Where whole batches end. */
interface BatchesTail {
  readonly offsetBehind: number;
  readonly leaderEpoch: number;
}

/** Of the last whole batch; undefined if there is none. */
export function tailOf(bytes: Buffer): BatchesTail | undefined {
  let last: number | undefined;
  let at = 0;
  for (let end = batchEnd(bytes, at); end !== undefined; end = batchEnd(bytes, at)) {
    if (end - at < BATCH_HEADER_BYTES) break;
    last = at;
    at = end;
  }
  if (last === undefined) return undefined;
  return { offsetBehind: offsetBehind(bytes, last), leaderEpoch: epochAt(bytes, last) };
}

/** Under which leader it was written: a number that grows with each election. */
function epochAt(bytes: Buffer, at: number): number {
  return bytes.readInt32BE(at + 12);
}

/** A batch's header, without the sizes. */
export interface BatchHeader {
  readonly baseOffset: number;
  readonly lastOffset: number;
  readonly leaderEpoch: number;
  readonly codec: number;
  readonly baseTimestampMs: number;
  /** The time of all records, if the broker sets it when it appends. */
  readonly appendTimestampMs: number | undefined;
  readonly producerId: bigint;
  readonly isTransactional: boolean;
  readonly isControl: boolean;
  readonly recordCount: number;
}

/**
 * @param where For the error.
 * @throws {EngineError} `KAF-012`: the bytes are not what was written.
 */
export function readHeader(
  bytes: Buffer,
  at: number,
  end: number,
  where: { readonly splitId: string; readonly checksCrc: boolean },
): BatchHeader {
  const baseOffset = int64(bytes, at);
  if (end - at < BATCH_HEADER_BYTES)
    throw corruptBatch(where.splitId, baseOffset, 'it is too short');
  const magic = bytes.readInt8(at + 16);
  if (magic !== MAGIC) {
    throw corruptBatch(where.splitId, baseOffset, `its format is ${magic}, not ${MAGIC}`);
  }
  if (
    where.checksCrc &&
    library().crc32c(bytes.subarray(at + CRC_COVERS_FROM, end)) !== bytes.readUInt32BE(at + 17)
  ) {
    throw corruptBatch(where.splitId, baseOffset, 'its checksum is another');
  }
  const attributes = bytes.readInt16BE(at + 21);
  return {
    baseOffset,
    lastOffset: baseOffset + bytes.readInt32BE(at + 23),
    leaderEpoch: epochAt(bytes, at),
    codec: attributes & CODEC_MASK,
    baseTimestampMs: int64(bytes, at + 27),
    appendTimestampMs: (attributes & LOG_APPEND_TIME) === 0 ? undefined : int64(bytes, at + 35),
    producerId: bytes.readBigInt64BE(at + 43),
    isTransactional: (attributes & TRANSACTIONAL) !== 0,
    isControl: (attributes & CONTROL) !== 0,
    recordCount: bytes.readInt32BE(at + 57),
  };
}

/** Whether the control batch at `at` says that a transaction was aborted. */
export function isAbortMarker(bytes: Buffer, at: number, end: number): boolean {
  // length, attributes, two deltas and the key's length are varints, and short ones in a marker.
  let key = at + BATCH_HEADER_BYTES;
  for (let field = 0; field < 5 && key < end; field += 1) {
    if (field === 1) key += 1;
    else while (key < end && ((bytes[key++] ?? 0) & 0x80) !== 0);
  }
  return key + 4 <= end && bytes.readInt16BE(key + 2) === ABORT;
}

/** Exact up to 2^53: no offset and no time comes near it. */
function int64(bytes: Buffer, at: number): number {
  return bytes.readInt32BE(at) * 4_294_967_296 + bytes.readUInt32BE(at + 4);
}

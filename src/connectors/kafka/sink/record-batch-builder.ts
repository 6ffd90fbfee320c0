/**
 * Records into a batch of Kafka's format 2, as they come, into one growing buffer.
 *
 * Always holds: `sizeBytes` is how many bytes `finish` returns without compression.
 *
 * ```text
 * batch   baseOffset 8 · length 4 · leaderEpoch 4 · magic 1 · crc 4 · attributes 2 · lastOffsetDelta 4 ·
 *         baseTimestamp 8 · maxTimestamp 8 · producerId 8 · epoch 2 · baseSequence 4 · count 4 · records
 * record  length · attributes 1 · timestampDelta · offsetDelta · key · value · headers     (varints, zigzag)
 * ```
 */
import { library } from '../client/library.ts';

/** Text is written as UTF-8. `null` is Kafka's null: as a value it deletes the key in a compacted topic. */
export type KafkaBytes = Uint8Array | string | null;

export type KafkaHeaders = Readonly<Record<string, Uint8Array | string | null>>;

/** Whose batch it is, and where it stands among theirs. */
export interface BatchStamp {
  readonly producerId: bigint;
  readonly producerEpoch: number;
  readonly baseSequence: number;
  readonly isTransactional: boolean;
  readonly compression: BatchCompression | undefined;
}

export interface BatchCompression {
  /** What the attributes say. */
  readonly bits: number;
  readonly compress: (bytes: Buffer) => Uint8Array;
}

export const BATCH_HEADER_BYTES = 61;

const LENGTH_AT = 8;
const MAGIC_AT = 16;
const CRC_AT = 17;
const ATTRIBUTES_AT = 21;
const MAGIC = 2;
const TRANSACTIONAL = 0x10;
/** Length, attributes, timestamp, offset, lengths of key and value, number of headers, at their longest. */
const RECORD_OVERHEAD_BYTES_MAX = 5 + 1 + 10 + 5 + 5 + 5 + 5;
const UTF8_BYTES_PER_UNIT_MAX = 3;
/** Below, a loop is faster than a call out of JavaScript. */
const SHORT_TEXT_UNITS = 24;
const NONE = -1;

export class RecordBatchBuilder {
  #bytes: Buffer;
  #at = BATCH_HEADER_BYTES;
  #count = 0;
  #baseTimestampMs = 0;
  #maxTimestampMs = 0;
  /** How long the varint of the last record's length was: the next one's is most likely as long. */
  #lengthBytes = 1;

  /** @param bytes Memory to begin with. It is outgrown when it is too small. */
  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get count(): number {
    return this.#count;
  }

  get sizeBytes(): number {
    return this.#at;
  }

  append(
    timestampMs: number,
    key: KafkaBytes,
    value: KafkaBytes,
    headers: KafkaHeaders | undefined,
  ): void {
    const names = headers === undefined ? undefined : Object.keys(headers);
    let bytesMax = RECORD_OVERHEAD_BYTES_MAX + bytesMaxOf(key) + bytesMaxOf(value);
    if (names !== undefined && headers !== undefined) bytesMax += headerBytesMax(names, headers);
    if (this.#at + bytesMax > this.#bytes.length) this.#grow(bytesMax);
    if (this.#count === 0) {
      this.#baseTimestampMs = timestampMs;
      this.#maxTimestampMs = timestampMs;
    }
    const bytes = this.#bytes;
    const start = this.#at;
    const bodyAt = start + this.#lengthBytes;
    bytes[bodyAt] = 0;
    let at = writeTimestamp(bytes, bodyAt + 1, timestampMs - this.#baseTimestampMs);
    at = writeVarint(bytes, at, this.#count << 1);
    at = writeBytes(bytes, at, key);
    at = writeBytes(bytes, at, value);
    if (names === undefined || headers === undefined) bytes[at++] = 0;
    else {
      at = writeVarint(bytes, at, names.length << 1);
      for (const name of names) {
        at = writeBytes(bytes, at, name);
        at = writeBytes(bytes, at, headers[name] ?? null);
      }
    }
    const length = (at - bodyAt) << 1;
    const lengthBytes = varintBytes(length);
    if (lengthBytes !== this.#lengthBytes) {
      bytes.copyWithin(start + lengthBytes, bodyAt, at);
      at += lengthBytes - this.#lengthBytes;
      this.#lengthBytes = lengthBytes;
    }
    writeVarint(bytes, start, length);
    // From here on nothing can fail.
    this.#at = at;
    this.#count += 1;
    if (timestampMs > this.#maxTimestampMs) this.#maxTimestampMs = timestampMs;
  }

  /**
   * The batch, whole. Without compression it is a part of this builder's memory, which belongs to the
   * batch from then on: `memory` gives it back for another builder.
   */
  finish(stamp: BatchStamp): Buffer {
    let batch = this.#bytes.subarray(0, this.#at);
    if (stamp.compression !== undefined) {
      const records = stamp.compression.compress(batch.subarray(BATCH_HEADER_BYTES));
      batch = Buffer.allocUnsafe(BATCH_HEADER_BYTES + records.length);
      batch.set(records, BATCH_HEADER_BYTES);
    }
    const transactional = stamp.isTransactional ? TRANSACTIONAL : 0;
    batch.writeBigInt64BE(0n, 0);
    batch.writeInt32BE(batch.length - LENGTH_AT - 4, LENGTH_AT);
    batch.writeInt32BE(NONE, 12);
    batch[MAGIC_AT] = MAGIC;
    batch.writeInt16BE((stamp.compression?.bits ?? 0) | transactional, ATTRIBUTES_AT);
    batch.writeInt32BE(this.#count - 1, 23);
    batch.writeBigInt64BE(BigInt(this.#baseTimestampMs), 27);
    batch.writeBigInt64BE(BigInt(this.#maxTimestampMs), 35);
    batch.writeBigInt64BE(stamp.producerId, 43);
    batch.writeInt16BE(stamp.producerEpoch, 51);
    batch.writeInt32BE(stamp.baseSequence, 53);
    batch.writeInt32BE(this.#count, 57);
    batch.writeUInt32BE(library().crc32c(batch.subarray(ATTRIBUTES_AT)), CRC_AT);
    return batch;
  }

  get memory(): Buffer {
    return this.#bytes;
  }

  #grow(more: number): void {
    const grown = Buffer.allocUnsafeSlow(Math.max(this.#bytes.length * 2, this.#at + more));
    grown.set(this.#bytes.subarray(0, this.#at));
    this.#bytes = grown;
  }
}

function bytesMaxOf(value: KafkaBytes): number {
  if (value === null) return 0;
  return typeof value === 'string' ? value.length * UTF8_BYTES_PER_UNIT_MAX : value.length;
}

function headerBytesMax(names: readonly string[], headers: KafkaHeaders): number {
  let sum = 0;
  for (const name of names) {
    sum += 10 + bytesMaxOf(name) + bytesMaxOf(headers[name] ?? null);
  }
  return sum;
}

function varintBytes(value: number): number {
  if (value >>> 7 === 0) return 1;
  if (value >>> 14 === 0) return 2;
  if (value >>> 21 === 0) return 3;
  return value >>> 28 === 0 ? 4 : 5;
}

/** @param value Zigzag already, below 2^32. */
function writeVarint(bytes: Buffer, at: number, value: number): number {
  let rest = value;
  let to = at;
  while (rest >>> 7 !== 0) {
    bytes[to++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  bytes[to] = rest;
  return to + 1;
}

/** A difference of whole milliseconds, of either sign, that may need more than 32 bits. */
function writeTimestamp(bytes: Buffer, at: number, delta: number): number {
  if (delta >= 0 && delta < 0x40000000) return writeVarint(bytes, at, delta << 1);
  let rest = BigInt.asUintN(64, (BigInt(delta) << 1n) ^ (BigInt(delta) >> 63n));
  let to = at;
  while (rest > 0x7fn) {
    bytes[to++] = Number(rest & 0x7fn) | 0x80;
    rest >>= 7n;
  }
  bytes[to] = Number(rest);
  return to + 1;
}

function writeBytes(bytes: Buffer, at: number, value: KafkaBytes): number {
  if (value === null) {
    // The length -1.
    bytes[at] = 1;
    return at + 1;
  }
  if (typeof value === 'string') return writeText(bytes, at, value);
  const to = writeVarint(bytes, at, value.length << 1);
  bytes.set(value, to);
  return to + value.length;
}

function writeText(bytes: Buffer, at: number, text: string): number {
  const units = text.length;
  const lengthBytes = varintBytes(units << 1);
  const bodyAt = at + lengthBytes;
  if (units <= SHORT_TEXT_UNITS) {
    let to = bodyAt;
    let all = 0;
    for (let i = 0; i < units; i++) {
      const code = text.charCodeAt(i);
      all |= code;
      bytes[to++] = code;
    }
    if (all < 0x80) {
      bytes[at] = units << 1;
      return to;
    }
  }
  const written = bytes.write(text, bodyAt);
  const needed = varintBytes(written << 1);
  if (needed !== lengthBytes) bytes.copyWithin(at + needed, bodyAt, bodyAt + written);
  writeVarint(bytes, at, written << 1);
  return at + needed + written;
}

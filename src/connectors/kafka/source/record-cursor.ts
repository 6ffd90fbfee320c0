/**
 * Goes through the records of a partition, in the bytes of the answers as they came: a record is a few
 * numbers in this object, which is at the same time the `KafkaRecord` that a deserializer gets.
 *
 * Always holds: all records below `position` were handed out, or are not for us (aborted, control,
 * compacted away, below the offset that was asked for). `position` is what a checkpoint stores.
 */
import { decompress } from './decompress.ts';
import { corruptBatch } from './errors.ts';
import {
  BATCH_HEADER_BYTES,
  batchEnd,
  type BatchHeader,
  isAbortMarker,
  readHeader,
} from './record-batch.ts';
import type { KafkaHeader, KafkaRecord } from './kafka-record.ts';

/** A transaction that was aborted, as an answer lists it. */
export interface AbortedTransaction {
  readonly producerId: bigint;
  readonly firstOffset: number;
}

/** What an answer holds for a partition. */
export interface Chunk {
  readonly bytes: Buffer;
  /** Those whose records may be in it, by `firstOffset`. Empty: read uncommitted. */
  readonly aborted: readonly AbortedTransaction[];
  /** What was asked for; what is before it was read already. */
  readonly fetchOffset: number;
}

export interface CursorOptions {
  readonly checksCrc: boolean;
  /** What one batch may unpack to. */
  readonly decompressedBytesMax: number;
}

/** Where reading begins. */
interface Start {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  /** Of the record before `offset`. */
  readonly leaderEpoch?: number | undefined;
}

const EMPTY = Buffer.alloc(0);
const NULL = -1;
export const NO_EPOCH = -1;

export class RecordCursor implements KafkaRecord {
  readonly topic: string;
  readonly partition: number;
  readonly splitId: string;
  /** The offset to go on at. */
  position: number;
  offset = -1;
  timestampMs = -1;
  readonly #options: CursorOptions;
  /** Of the batch that was opened last, where it begins, and of what is before it. */
  #batchEpoch = NO_EPOCH;
  #batchOffset = 0;
  #epochBefore: number;
  #chunk: Chunk | undefined;
  #chunkAt = 0;
  /** Of those in the chunk's list, how many have begun. */
  #abortedSeen = 0;
  readonly #abortedNow = new Set<bigint>();
  /** Where the records of the current batch are: in the chunk, or decompressed. */
  #bytes: Buffer = EMPTY;
  #at = 0;
  #end = 0;
  #recordsLeft = 0;
  #baseOffset = 0;
  #lastOffset = -1;
  #baseTimestampMs = 0;
  #appendTimestampMs: number | undefined;
  #keyAt = 0;
  #keyBytes = NULL;
  #valueAt = 0;
  #valueBytes = NULL;
  #recordEnd = 0;
  #recordAt = 0;

  constructor(split: Start, options: CursorOptions) {
    this.topic = split.topic;
    this.partition = split.partition;
    this.splitId = `${split.topic}-${split.partition}`;
    this.position = split.offset;
    this.#batchOffset = split.offset;
    this.#epochBefore = split.leaderEpoch ?? NO_EPOCH;
    this.#options = options;
  }

  /** Of the last record before `position`; -1: not known. */
  get leaderEpoch(): number {
    return this.position > this.#batchOffset ? this.#batchEpoch : this.#epochBefore;
  }

  get hasChunk(): boolean {
    return this.#chunk !== undefined;
  }

  open(chunk: Chunk): void {
    this.#chunk = chunk;
    this.#chunkAt = 0;
    this.#abortedSeen = 0;
    this.#abortedNow.clear();
    this.#recordsLeft = 0;
    // After a reset it asked for less, or for more, than what comes next.
    if (chunk.fetchOffset !== this.position) this.moveTo(chunk.fetchOffset);
  }

  /** Goes on elsewhere. What is before that offset is not known. */
  moveTo(offset: number): void {
    this.position = offset;
    this.#batchOffset = offset;
    this.#epochBefore = NO_EPOCH;
  }

  /** Leaves the rest of the chunk unread. */
  close(): void {
    this.#chunk = undefined;
    this.#bytes = EMPTY;
    this.#recordsLeft = 0;
    this.#lastOffset = -1;
  }

  /**
   * Moves to the next record. False: the chunk is at its end, and `position` behind it.
   *
   * @throws {EngineError} `KAF-012`, `KAF-013`, `KAF-020`
   */
  next(): boolean {
    for (;;) {
      while (this.#recordsLeft > 0) {
        this.#recordsLeft -= 1;
        this.#readRecord();
        if (this.offset < this.position) continue;
        this.position = this.offset + 1;
        return true;
      }
      if (this.#lastOffset >= this.position) this.position = this.#lastOffset + 1;
      if (!this.#openBatch()) return false;
    }
  }

  /** The record that `next` moved to was not handled: the next call moves to it again. */
  unread(): void {
    this.#at = this.#recordAt;
    this.#recordsLeft += 1;
    this.position = this.offset;
  }

  get key(): Buffer | null {
    return this.#slice(this.#keyAt, this.#keyBytes);
  }

  get value(): Buffer | null {
    return this.#slice(this.#valueAt, this.#valueBytes);
  }

  keyText(): string | null {
    return this.#text(this.#keyAt, this.#keyBytes);
  }

  valueText(): string | null {
    return this.#text(this.#valueAt, this.#valueBytes);
  }

  headers(): KafkaHeader[] {
    let at = this.#valueAt + Math.max(0, this.#valueBytes);
    const varint = (): number => {
      let value = 0;
      for (let shift = 0; ; shift += 7) {
        const byte = this.#bytes[at++] ?? 0;
        value |= (byte & 0x7f) << shift;
        if ((byte & 0x80) === 0 || at >= this.#recordEnd) return (value >>> 1) ^ -(value & 1);
      }
    };
    const part = (): Buffer | null => {
      const length = varint();
      if (at + length > this.#recordEnd) throw this.#corrupt('a header is cut off');
      const bytes = this.#slice(at, length);
      at += Math.max(0, length);
      return bytes;
    };
    return Array.from({ length: varint() }, () => {
      const key = part()?.toString() ?? '';
      return { key, value: part() };
    });
  }

  /** The next batch that has records for us. */
  #openBatch(): boolean {
    const chunk = this.#chunk;
    if (chunk === undefined) return false;
    for (;;) {
      const at = this.#chunkAt;
      const end = batchEnd(chunk.bytes, at);
      if (end === undefined) {
        this.close();
        return false;
      }
      this.#chunkAt = end;
      const where = { splitId: this.splitId, checksCrc: this.#options.checksCrc };
      const header = readHeader(chunk.bytes, at, end, where);
      this.#epochBefore = this.leaderEpoch;
      this.#batchEpoch = header.leaderEpoch;
      this.#batchOffset = header.baseOffset;
      this.#lastOffset = header.lastOffset;
      if (header.lastOffset >= this.position) {
        if (this.#isForUs(chunk, header, at, end)) {
          this.#openRecords(chunk.bytes, header, at, end);
          return true;
        }
        this.position = header.lastOffset + 1;
      }
    }
  }

  /** As Kafka's own consumer does it. A list of an answer holds all that matters for this answer. */
  #isForUs({ bytes, aborted }: Chunk, header: BatchHeader, at: number, end: number): boolean {
    for (
      let next = aborted[this.#abortedSeen];
      next !== undefined && next.firstOffset <= header.lastOffset;
      next = aborted[this.#abortedSeen]
    ) {
      this.#abortedNow.add(next.producerId);
      this.#abortedSeen += 1;
    }
    if (header.isControl) {
      if (isAbortMarker(bytes, at, end)) this.#abortedNow.delete(header.producerId);
      return false;
    }
    if (header.isTransactional && this.#abortedNow.has(header.producerId)) return false;
    return header.recordCount > 0;
  }

  #openRecords(bytes: Buffer, header: BatchHeader, at: number, end: number): void {
    const { codec, baseOffset } = header;
    const from = at + BATCH_HEADER_BYTES;
    if (codec === 0) {
      this.#bytes = bytes;
      this.#at = from;
      this.#end = end;
    } else {
      this.#bytes = decompress({
        codec,
        compressed: bytes.subarray(from, end),
        splitId: this.splitId,
        offset: baseOffset,
        bytesMax: this.#options.decompressedBytesMax,
      });
      this.#at = 0;
      this.#end = this.#bytes.length;
    }
    this.#recordsLeft = header.recordCount;
    this.#baseOffset = baseOffset;
    this.#baseTimestampMs = header.baseTimestampMs;
    this.#appendTimestampMs = header.appendTimestampMs;
  }

  /** length, attributes, time, offset, key and value: varints with their sign in the lowest bit. */
  #readRecord(): void {
    const bytes = this.#bytes;
    let at = this.#at;
    this.#recordAt = at;
    let shift = 0;
    let raw = 0;
    let byte = bytes[at++]!;
    for (raw = byte & 0x7f, shift = 7; byte > 0x7f && shift < 35; shift += 7) {
      byte = bytes[at++]!;
      raw |= (byte & 0x7f) << shift;
    }
    const end = at + ((raw >>> 1) ^ -(raw & 1));
    // A cut off record would read on in the next one.
    if (!(end <= this.#end && end > at)) throw this.#corrupt('a record is cut off');
    at += 1;
    byte = bytes[at++]!;
    if (byte <= 0x7f) {
      this.timestampMs = this.#baseTimestampMs + ((byte >>> 1) ^ -(byte & 1));
    } else {
      // Up to 64 bits: in doubles, which are exact as far as times go.
      let delta = byte & 0x7f;
      for (let unit = 128; byte > 0x7f; unit *= 128) {
        byte = bytes[at++]!;
        delta += (byte & 0x7f) * unit;
      }
      this.timestampMs = this.#baseTimestampMs + (delta % 2 === 0 ? delta / 2 : -(delta + 1) / 2);
    }
    if (this.#appendTimestampMs !== undefined) this.timestampMs = this.#appendTimestampMs;
    byte = bytes[at++]!;
    for (raw = byte & 0x7f, shift = 7; byte > 0x7f && shift < 35; shift += 7) {
      byte = bytes[at++]!;
      raw |= (byte & 0x7f) << shift;
    }
    this.offset = this.#baseOffset + ((raw >>> 1) ^ -(raw & 1));
    byte = bytes[at++]!;
    for (raw = byte & 0x7f, shift = 7; byte > 0x7f && shift < 35; shift += 7) {
      byte = bytes[at++]!;
      raw |= (byte & 0x7f) << shift;
    }
    const keyBytes = (raw >>> 1) ^ -(raw & 1);
    this.#keyAt = at;
    this.#keyBytes = keyBytes;
    if (keyBytes > 0) at += keyBytes;
    if (at >= end) throw this.#corrupt('a key is cut off');
    byte = bytes[at++]!;
    for (raw = byte & 0x7f, shift = 7; byte > 0x7f && shift < 35; shift += 7) {
      byte = bytes[at++]!;
      raw |= (byte & 0x7f) << shift;
    }
    const valueBytes = (raw >>> 1) ^ -(raw & 1);
    this.#valueAt = at;
    this.#valueBytes = valueBytes;
    if (at + valueBytes > end) throw this.#corrupt('a value is cut off');
    this.#recordEnd = end;
    this.#at = end;
  }

  #slice(at: number, length: number): Buffer | null {
    return length < 0 ? null : this.#bytes.subarray(at, at + length);
  }

  #text(at: number, length: number): string | null {
    return length < 0 ? null : this.#bytes.toString('utf8', at, at + length);
  }

  #corrupt(why: string): Error {
    return corruptBatch(this.splitId, this.#baseOffset, why);
  }
}

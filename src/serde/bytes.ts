/**
 * A growing and a shrinking row of bytes. Every serializer writes to the one and reads from the
 * other, so nobody allocates per value.
 *
 * Always holds: numbers have their low byte first; what `ByteWriter` wrote with one method,
 * `ByteReader` reads with the method of the same name; reading never leaves the given range.
 */
import { assert } from '../common/assert.ts';
import { corruptBytes } from './errors.ts';
import {
  UTF8_BYTES_PER_UNIT_MAX,
  readUtf8,
  tryWriteNarrow,
  utf8Length,
  writeUtf8,
} from './text.ts';

const INITIAL_BYTES = 256;
const VARINT_BYTES_MAX = 8;
const INT64_MIN = -(2n ** 63n);
const INT64_MAX = 2n ** 63n - 1n;

export class ByteWriter {
  #bytes: Uint8Array;
  #view: DataView;
  #length = 0;

  /** @param initialBytes How much room to start with; it doubles when it is full. */
  constructor(initialBytes = INITIAL_BYTES) {
    this.#bytes = new Uint8Array(Math.max(initialBytes, 16));
    this.#view = new DataView(this.#bytes.buffer);
  }

  /** Bytes written so far. */
  get length(): number {
    return this.#length;
  }

  /** Bytes that still fit without more room being made, which copies all that is there. */
  get spareBytes(): number {
    return this.#bytes.length - this.#length;
  }

  uint8(value: number): void {
    this.#reserve(1);
    this.#bytes[this.#length++] = value;
  }

  uint32(value: number): void {
    this.#reserve(4);
    this.#view.setUint32(this.#length, value, true);
    this.#length += 4;
  }

  int32(value: number): void {
    this.#reserve(4);
    this.#view.setInt32(this.#length, value, true);
    this.#length += 4;
  }

  float64(value: number): void {
    this.#reserve(8);
    this.#view.setFloat64(this.#length, value, true);
    this.#length += 8;
  }

  /** A whole number from 0 to 2^53 - 1, in one byte if it is below 128, in eight at most. */
  varint(value: number): void {
    this.#reserve(VARINT_BYTES_MAX);
    if ((value & 0x7f) === value) {
      this.#bytes[this.#length++] = value;
      return;
    }
    assert(Number.isSafeInteger(value) && value >= 0, `varint of ${value}`);
    let rest = value;
    while (rest >= 0x80) {
      this.#bytes[this.#length++] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    this.#bytes[this.#length++] = rest;
  }

  /** A whole number from -2^52 to 2^52 - 1, short if it is near zero. */
  zigzag(value: number): void {
    this.varint(value < 0 ? -value * 2 - 1 : value * 2);
  }

  /** From -2^63 to 2^63 - 1, in eight bytes. */
  int64(value: bigint): void {
    assert(value >= INT64_MIN && value <= INT64_MAX, 'int64 out of range');
    this.#reserve(8);
    this.#view.setBigInt64(this.#length, value, true);
    this.#length += 8;
  }

  /** Any bigint: nine bytes if it is an int64, else as many as it needs. */
  bigint(value: bigint): void {
    if (value >= INT64_MIN && value <= INT64_MAX) {
      this.uint8(0);
      this.int64(value);
      return;
    }
    this.uint8(value < 0n ? 2 : 1);
    const words: bigint[] = [];
    for (let rest = value < 0n ? -value : value; rest > 0n; rest >>= 64n) words.push(rest);
    this.varint(words.length);
    this.#reserve(words.length * 8);
    for (const word of words) {
      this.#view.setBigUint64(this.#length, BigInt.asUintN(64, word), true);
      this.#length += 8;
    }
  }

  /** `bytes` with their length in front. */
  bytes(bytes: Uint8Array): void {
    this.varint(bytes.length);
    this.raw(bytes);
  }

  /** `bytes` alone: the reader must know how many. */
  raw(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  /** The first `count` of `values`, each in `width` bytes. */
  uints(values: Uint32Array, count: number, width: 1 | 2 | 4): void {
    assert(count <= values.length, `${count} of ${values.length} numbers`);
    this.#reserve(count * width);
    const bytes = this.#bytes;
    let at = this.#length;
    for (let i = 0; i < count; i++) {
      const value = values[i] ?? 0;
      bytes[at++] = value;
      if (width === 1) continue;
      bytes[at++] = value >>> 8;
      if (width === 2) continue;
      bytes[at++] = value >>> 16;
      bytes[at++] = value >>> 24;
    }
    this.#length = at;
  }

  /** Text as UTF-8 with its length in bytes in front. Every string comes back exactly. */
  text(text: string): void {
    this.varint(text.length);
    const start = this.#length;
    this.#reserve(text.length * UTF8_BYTES_PER_UNIT_MAX);
    if (tryWriteNarrow(this.#bytes, start, text, 127)) {
      this.#length = start + text.length;
      return;
    }
    this.#length = start - varintLength(text.length);
    const length = utf8Length(text);
    this.varint(length);
    this.#reserve(length);
    this.#length = writeUtf8(this.#bytes, this.#length, text);
  }

  /** UTF-8 without a length in front; returns how many bytes it took. */
  rawText(text: string): number {
    this.#reserve(text.length * UTF8_BYTES_PER_UNIT_MAX);
    const start = this.#length;
    this.#length = writeUtf8(this.#bytes, start, text);
    return this.#length - start;
  }

  /** One byte per character, if that can be; else writes nothing and returns `false`. */
  tryRawLatin1(text: string): boolean {
    this.#reserve(text.length);
    if (!tryWriteNarrow(this.#bytes, this.#length, text, 255)) return false;
    this.#length += text.length;
    return true;
  }

  /** Forgets what was written after the first `length` bytes; keeps the room. */
  reset(length = 0): void {
    assert(length <= this.#length, `reset to ${length} of ${this.#length}`);
    this.#length = length;
  }

  /** A copy of what was written. */
  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }

  /** What was written, from `start` on, without a copy: valid until the next write. */
  view(start = 0): Uint8Array {
    return this.#bytes.subarray(start, this.#length);
  }

  #reserve(bytes: number): void {
    if (this.#length + bytes > this.#bytes.length) this.#grow(this.#length + bytes);
  }

  #grow(least: number): void {
    const grown = new Uint8Array(Math.max(this.#bytes.length * 2, least));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
    this.#view = new DataView(grown.buffer);
  }
}

function varintLength(value: number): number {
  let length = 1;
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) length++;
  return length;
}

/** @throws {EngineError} from every read: `SER-001` (`corrupt`) past the end, or for what no writer writes. */
export class ByteReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #end: number;
  #at: number;

  /** Reads `bytes` from `start` to before `end`; without them, all. The bytes are not copied. */
  constructor(bytes: Uint8Array, start = 0, end = bytes.length) {
    assert(start >= 0 && start <= end && end <= bytes.length, 'a reader beyond its bytes');
    const { buffer, byteOffset, byteLength } = bytes;
    // The parts of a Buffer would be Buffers that share its bytes.
    const isPlain = Object.getPrototypeOf(bytes) === Uint8Array.prototype;
    this.#bytes = isPlain ? bytes : new Uint8Array(buffer, byteOffset, byteLength);
    this.#view = new DataView(buffer, byteOffset, byteLength);
    this.#at = start;
    this.#end = end;
  }

  /** Where the next read begins. */
  get position(): number {
    return this.#at;
  }

  /** Bytes that are left. */
  get remaining(): number {
    return this.#end - this.#at;
  }

  uint8(): number {
    return this.#bytes[this.#take(1)] ?? 0;
  }

  uint32(): number {
    return this.#view.getUint32(this.#take(4), true);
  }

  int32(): number {
    return this.#view.getInt32(this.#take(4), true);
  }

  float64(): number {
    return this.#view.getFloat64(this.#take(8), true);
  }

  varint(): number {
    const first = this.uint8();
    if (first < 0x80) return first;
    let value = first - 0x80;
    let scale = 0x80;
    for (let i = 1; i < VARINT_BYTES_MAX; i++) {
      const next = this.uint8();
      value += (next & 0x7f) * scale;
      if (next < 0x80) {
        if (value > Number.MAX_SAFE_INTEGER) break;
        return value;
      }
      scale *= 0x80;
    }
    throw corruptBytes('a whole number is too large', this.#at);
  }

  zigzag(): number {
    const value = this.varint();
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }

  int64(): bigint {
    return this.#view.getBigInt64(this.#take(8), true);
  }

  bigint(): bigint {
    const sign = this.uint8();
    if (sign === 0) return this.int64();
    if (sign > 2) throw corruptBytes('no sign of a bigint', this.#at - 1);
    const words = this.count(8);
    let value = 0n;
    for (let i = 0; i < words; i++) {
      value |= this.#view.getBigUint64(this.#take(8), true) << BigInt(i * 64);
    }
    return sign === 2 ? -value : value;
  }

  /** A copy, which outlives the bytes that are read. */
  bytes(): Uint8Array {
    return this.raw(this.varint());
  }

  raw(length: number): Uint8Array {
    const start = this.#take(length);
    return this.#bytes.slice(start, start + length);
  }

  text(): string {
    const length = this.varint();
    const start = this.#take(length);
    return readUtf8(this.#bytes, start, start + length);
  }

  /**
   * A `varint` that counts what follows.
   *
   * @param bytesEach Least bytes of each. A count that cannot fit in what is left is refused, so
   * that damaged bytes do not ask for all memory.
   */
  count(bytesEach: number): number {
    const count = this.varint();
    if (count * bytesEach > this.remaining) throw corruptBytes('a count is too large', this.#at);
    return count;
  }

  /** Reads on from `start` to before `end` of the same bytes. */
  seek(start: number, end: number): void {
    if (start > end || end > this.#bytes.length) throw corruptBytes('a place is beyond them', end);
    this.#at = start;
    this.#end = end;
  }

  /** Passes over `length` bytes. */
  skip(length: number): void {
    this.#take(length);
  }

  #take(length: number): number {
    const start = this.#at;
    if (length > this.#end - start) throw corruptBytes('they end before the value does', start);
    this.#at = start + length;
    return start;
  }
}

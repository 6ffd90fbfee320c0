/**
 * Many values of one state, laid out together: numbers and text plainly, anything else by its
 * serializer. Layout: docs/formats/values.md.
 *
 * The values decide about the kind, within what their schema allows, and a kind only widens: int32,
 * then float64, then bytes; Latin-1, then UTF-8, then bytes. Always holds: what comes back is what went
 * in (-0, NaN and integers beyond int32 too), but for keys and int32s, where -0 is 0. `undefined` is
 * for the serializer to take or refuse.
 */
import { EngineError } from '../common/errors.ts';
import { ByteReader, ByteWriter } from './bytes.ts';
import { corruptBytes } from './errors.ts';
import { readKey, writeKey } from './key-serializer.ts';
import type { Serializer } from './serializer.ts';
import { serializerOf } from './structural-serializer.ts';
import { readLatin1, readUtf8 } from './text.ts';
import { membersOf, type ScalarKind, type TypeSchema } from './type-schema.ts';

/** By position, as in the header of a column. Never reordered. */
const COLUMN_KINDS = ['int32', 'float64', 'latin1', 'utf8', 'bytes'] as const;

export type ColumnKind = (typeof COLUMN_KINDS)[number];

export interface Column {
  readonly kind: ColumnKind;
  /** How many values it holds. */
  readonly count: number;
  readonly bytes: Uint8Array;
}

/** How single values are written: by a serializer, or as canonical keys. */
export type ColumnCodec = Serializer<unknown> | 'key';

/** What the schema of a column's values allows beside `bytes`. */
interface Allowed {
  readonly int32: boolean;
  readonly float64: boolean;
  readonly text: boolean;
  /** Whether -0 is 0. */
  readonly isZeroUnsigned: boolean;
}

/** Lays out `n` values. For values that come bit by bit, see `ColumnBuilder`. */
export function encodeColumn(values: ArrayLike<unknown>, n: number, codec: ColumnCodec): Column {
  const builder = new ColumnBuilder(codec);
  for (let i = 0; i < n; i++) builder.append(values[i]);
  return builder.finish();
}

/**
 * The values of a column.
 *
 * @param written The schema under which they were written, if that may be an older one.
 * @throws {EngineError} `SER-001` (`corrupt`), or `SER-011` (`invalid`) if the codec cannot read
 * values of the older schema.
 */
export function decodeColumn(column: Column, codec: ColumnCodec, written?: TypeSchema): unknown[] {
  const reader = new ColumnReader(column, codec, written);
  const values: unknown[] = [];
  for (let i = 0; i < reader.count; i++) values.push(reader.at(i));
  return values;
}

/** Appends a column behind a header of its kind, count and length in bytes. */
export function writeColumn({ kind, count, bytes }: Column, to: ByteWriter): void {
  to.uint8(COLUMN_KINDS.indexOf(kind));
  to.varint(count);
  to.bytes(bytes);
}

export function readColumn(from: ByteReader): Column {
  const kind = COLUMN_KINDS[from.uint8()];
  if (kind === undefined) throw corruptBytes('no kind of column', from.position - 1);
  const count = from.varint();
  return { kind, count, bytes: from.bytes() };
}

const INITIAL_VALUES = 64;

/** Takes the values of a column one by one, in as many turns as it likes. */
export class ColumnBuilder {
  readonly #codec: ColumnCodec;
  readonly #allowed: Allowed;
  readonly #heap = new ByteWriter();
  #kind: ColumnKind | 'empty' = 'empty';
  #lengths = new Uint32Array(INITIAL_VALUES);
  #longest = 0;
  #count = 0;

  constructor(codec: ColumnCodec) {
    this.#codec = codec;
    this.#allowed = allowedBy(codec);
  }

  /** How many values it holds. */
  get count(): number {
    return this.#count;
  }

  /** About how many bytes the column will have. */
  get sizeBytes(): number {
    return this.#heap.length + (isNumeric(this.#kind) ? 0 : this.#count * widthFor(this.#longest));
  }

  /** Throws what the serializer throws for a value that does not fit; the column is then as before. */
  append(value: unknown): void {
    while (!this.#tryAppend(value)) this.#widen(value);
  }

  /** Ends the column. The builder can begin another one. */
  finish(): Column {
    const column = this.#column();
    this.#begin();
    return column;
  }

  #begin(): void {
    this.#heap.reset();
    this.#kind = 'empty';
    this.#count = 0;
    this.#longest = 0;
  }

  /** The same as `writeColumn` of what `finish` returns, without a copy in between. */
  finishInto(to: ByteWriter): void {
    const kind = this.#kind === 'empty' ? 'bytes' : this.#kind;
    const heap = this.#heap.view();
    to.uint8(COLUMN_KINDS.indexOf(kind));
    to.varint(this.#count);
    if (isNumeric(kind)) to.varint(heap.length);
    else {
      const width = widthFor(this.#longest);
      to.varint(1 + this.#count * width + heap.length);
      to.uint8(width);
      to.uints(this.#lengths, this.#count, width);
    }
    to.raw(heap);
    this.#begin();
  }

  #column(): Column {
    if (this.#kind === 'empty') return { kind: 'bytes', count: 0, bytes: Uint8Array.of(1) };
    const kind = this.#kind;
    const heap = this.#heap.view();
    if (isNumeric(kind)) return { kind, count: this.#count, bytes: heap.slice() };
    const width = widthFor(this.#longest);
    const to = new ByteWriter(1 + this.#count * width + heap.length);
    to.uint8(width);
    to.uints(this.#lengths, this.#count, width);
    to.raw(heap);
    return { kind, count: this.#count, bytes: to.view() };
  }

  #tryAppend(value: unknown): boolean {
    switch (this.#kind) {
      case 'int32':
        return this.#tryInt32(value);
      case 'float64':
        if (typeof value !== 'number') return false;
        this.#heap.float64(value === 0 && this.#allowed.isZeroUnsigned ? 0 : value);
        this.#count++;
        return true;
      case 'latin1':
        if (typeof value !== 'string' || !this.#heap.tryRawLatin1(value)) return false;
        this.#end(value.length);
        return true;
      case 'utf8':
        if (typeof value !== 'string') return false;
        this.#end(this.#heap.rawText(value));
        return true;
      case 'bytes':
        this.#appendBytes(value);
        return true;
      case 'empty':
        return false;
    }
  }

  #tryInt32(value: unknown): boolean {
    if (typeof value !== 'number' || (value | 0) !== value) return false;
    if (value === 0 && 1 / value < 0 && !this.#allowed.isZeroUnsigned) return false;
    this.#heap.int32(value);
    this.#count++;
    return true;
  }

  #appendBytes(value: unknown): void {
    const start = this.#heap.length;
    if (this.#codec === 'key') writeWhole(value, this.#heap);
    else this.#codec.write(value, this.#heap);
    this.#end(this.#heap.length - start);
  }

  #end(length: number): void {
    if (this.#count === this.#lengths.length) {
      const grown = new Uint32Array(this.#count * 2);
      grown.set(this.#lengths);
      this.#lengths = grown;
    }
    this.#lengths[this.#count++] = length;
    if (length > this.#longest) this.#longest = length;
  }

  /** Takes the next kind that can hold `value` and, after writing them anew, what is there. */
  #widen(value: unknown): void {
    const from = this.#kind;
    const to = this.#nextKind(value);
    if (to === 'bytes') this.#checkFits(value);
    const values = from === 'empty' ? [] : decodeColumn(this.#column(), this.#codec);
    this.finish();
    this.#kind = to;
    for (const before of values) this.#tryAppend(before);
  }

  /** A value that even the serializer refuses must not leave the column widened for nothing. */
  #checkFits(value: unknown): void {
    const { length } = this.#heap;
    if (this.#codec === 'key') writeWhole(value, this.#heap);
    else this.#codec.write(value, this.#heap);
    this.#heap.reset(length);
  }

  #nextKind(value: unknown): ColumnKind {
    const { int32, float64, text } = this.#allowed;
    if (typeof value === 'number') {
      if (this.#kind === 'empty' && int32 && (value | 0) === value) {
        return value === 0 && 1 / value < 0 && float64 ? 'float64' : 'int32';
      }
      if (float64 && (this.#kind === 'empty' || this.#kind === 'int32')) return 'float64';
    }
    if (typeof value === 'string' && text) {
      if (this.#kind === 'empty') return isLatin1(value) ? 'latin1' : 'utf8';
      if (this.#kind === 'latin1') return 'utf8';
    }
    return 'bytes';
  }
}

/** Reads the values of a column in any order. */
export class ColumnReader {
  readonly count: number;
  readonly #read: (index: number) => unknown;

  /** @param written See `decodeColumn`. */
  constructor(column: Column, codec: ColumnCodec, written?: TypeSchema) {
    this.count = column.count;
    const { read, convert } = readersOf(codec, written);
    const plain = isNumeric(column.kind)
      ? numberReader(column, column.kind)
      : heapReader(column, column.kind, read);
    this.#read =
      convert === undefined || column.kind === 'bytes' ? plain : (index) => convert(plain(index));
  }

  /** The value at `index`, from 0 to before `count`. */
  at(index: number): unknown {
    return this.#read(index);
  }
}

interface Readers {
  readonly read: (from: ByteReader) => unknown;
  /** Makes a value of today of one that was laid out plainly; `undefined` if it is one. */
  readonly convert: ((value: unknown) => unknown) | undefined;
}

function readersOf(codec: ColumnCodec, written: TypeSchema | undefined): Readers {
  if (codec === 'key') return { read: readKey, convert: undefined };
  const resolution = written === undefined ? ({ kind: 'same' } as const) : codec.resolve(written);
  switch (resolution.kind) {
    case 'same':
      return { read: (from) => codec.read(from), convert: undefined };
    case 'migrate':
      return { read: resolution.read, convert: converter(written, resolution.read) };
    case 'refuse':
      throw new EngineError('SER-011', 'invalid', 'stored values do not fit the type of today', {
        details: { why: resolution.why },
        hint: 'Keep the older type, or give toSerializer(schema, { migrate }) in place of the schema.',
      });
  }
}

/** A plain value has no bytes of its own, so it is written as it would have been, and read again. */
function converter(
  written: TypeSchema | undefined,
  read: (from: ByteReader) => unknown,
): ((value: unknown) => unknown) | undefined {
  if (written === undefined || written.kind === 'custom') return undefined;
  const before = serializerOf(written);
  const bytes = new ByteWriter();
  return (value) => {
    bytes.reset();
    before.write(value, bytes);
    return read(new ByteReader(bytes.view()));
  };
}

function numberReader(
  { count, bytes }: Column,
  kind: 'int32' | 'float64',
): (index: number) => number {
  const width = kind === 'int32' ? 4 : 8;
  if (bytes.length !== count * width) throw corruptBytes('no column of numbers', bytes.length);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return kind === 'int32'
    ? (index) => view.getInt32(index * 4, true)
    : (index) => view.getFloat64(index * 8, true);
}

function heapReader(
  { count, bytes }: Column,
  kind: 'latin1' | 'utf8' | 'bytes',
  read: (from: ByteReader) => unknown,
): (index: number) => unknown {
  const ends = endsOf(bytes, count);
  const reader = new ByteReader(bytes);
  return (index) => {
    const start = ends[index] ?? 0;
    const end = ends[index + 1] ?? 0;
    if (kind === 'latin1') return readLatin1(bytes, start, end);
    if (kind === 'utf8') return readUtf8(bytes, start, end);
    reader.seek(start, end);
    const value = read(reader);
    if (reader.remaining > 0) throw corruptBytes('something follows a value', reader.position);
    return value;
  };
}

/** Where values begin, and behind them, where the last one ends. */
function endsOf(bytes: Uint8Array, count: number): Float64Array {
  const width = bytes[0] ?? 0;
  let at = 1 + count * width;
  if (![1, 2, 4].includes(width) || at > bytes.length) throw corruptBytes('no column', 0);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const ends = new Float64Array(count + 1);
  for (let i = 0; i < count; i++) {
    ends[i] = at;
    const place = 1 + i * width;
    at +=
      width === 1
        ? view.getUint8(place)
        : width === 2
          ? view.getUint16(place, true)
          : view.getUint32(place, true);
  }
  ends[count] = at;
  if (at !== bytes.length) throw corruptBytes('lengths of a column do not add up', at);
  return ends;
}

function widthFor(longest: number): 1 | 2 | 4 {
  return longest < 0x100 ? 1 : longest < 0x10000 ? 2 : 4;
}

function isNumeric(kind: ColumnKind | 'empty'): kind is 'int32' | 'float64' {
  return kind === 'int32' || kind === 'float64';
}

function isLatin1(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 255) return false;
  return true;
}

function allowedBy(codec: ColumnCodec): Allowed {
  if (codec === 'key') return { int32: true, float64: true, text: true, isZeroUnsigned: true };
  const members = membersOf(codec.describe());
  const has = (kind: ScalarKind) => members.some((member) => member.kind === kind);
  const float64 = has('float64') || has('any');
  const int32 = has('int32');
  return {
    int32: int32 || float64,
    float64,
    text: has('string') || has('any'),
    isZeroUnsigned: int32 && !float64,
  };
}

function writeWhole(key: unknown, to: ByteWriter): void {
  const start = to.length;
  try {
    writeKey(key, to);
  } catch (error) {
    to.reset(start);
    throw error;
  }
}

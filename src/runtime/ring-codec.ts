/**
 * Records into slots and back, with a codec made for the shapes that were seen. The writer's side
 * decides on the schema; the reader's learns it from a frame before the first one that uses it.
 */
import { EngineError } from '../common/errors.ts';
import { ByteReader, ByteWriter } from '../serde/bytes.ts';
import { shortLatin1 } from '../serde/codegen-latin1.ts';
import { readAny, writeAny } from '../serde/msgpack.ts';
import {
  generateAppend,
  generateRead,
  MISFIT,
  type AppendRecord,
  type FrameCursor,
  type ReadRecords,
} from './codegen-ring-codec.ts';
import { cannotTravel } from './errors.ts';
import { SLOT_HEADER_BYTES, type RingSlots } from './ring-slots.ts';
import { recordTooLarge } from './ring-errors.ts';
import { RECORD_BYTES_MAX } from './ring-frames.ts';
import {
  generalized,
  layoutOf,
  widened,
  type FrameLayout,
  type FrameSchema,
} from './ring-schema.ts';

/** Schemas of one channel. Each costs a compilation on both sides; later shapes are written as `any`. */
const SCHEMAS_MAX = 64;
/** A larger buffer is not kept. */
const SCRATCH_BYTES_MAX = 2 ** 20;

const EMPTY: FrameSchema = { shapes: [] };
const NO_LAYOUT: FrameLayout = { rows: 0, tagsAt: 0, shapes: [], sections: [], heapAt: 0 };

export class FrameEncoder {
  readonly cursor: FrameCursor = { base: 0, row: 0, heap: 0 };
  readonly #slots: RingSlots;
  readonly #any: AnyWriter;
  #schema = EMPTY;
  #schemas = 0;
  #append: AppendRecord = () => MISFIT;
  #layout = NO_LAYOUT;
  #rowsMax = 0;

  constructor(slots: RingSlots) {
    this.#slots = slots;
    this.#any = new AnyWriter(slots);
  }

  /** Schemas made so far. */
  get schemas(): number {
    return this.#schemas;
  }

  /** Where the records of the frame that is being written are. */
  get layout(): FrameLayout {
    return this.#layout;
  }

  begin(base: number): void {
    this.cursor.base = base;
    this.cursor.row = 0;
    this.cursor.heap = this.#layout.heapAt;
  }

  /** @throws {EngineError} `RUN-004` (`user-code`) for what is no data; nothing is written then. */
  append(record: unknown, timestampMs: number, hash: number): ReturnType<AppendRecord> {
    return this.#append(this.cursor, record, timestampMs, hash);
  }

  /** No row fits in any more. */
  isFull(): boolean {
    return this.cursor.row === this.#rowsMax;
  }

  /**
   * Takes a schema that `record` fits. Its bytes are to be sent before the next record.
   *
   * @throws {EngineError} `RUN-004` (`user-code`) if the record is no data.
   */
  widen(record: unknown): Uint8Array {
    const { slotBytes } = this.#slots;
    const wider =
      this.#schemas < SCHEMAS_MAX ? widened(this.#schema, record, slotBytes) : undefined;
    if (wider !== undefined) {
      const bytes = packed(wider);
      if (bytes.length <= slotBytes - SLOT_HEADER_BYTES) return this.#use(wider, bytes);
    }
    const general = generalized(this.#schema);
    return this.#use(general, packed(general));
  }

  /** The bytes of a record that is too large for a slot. */
  large(record: unknown): Uint8Array {
    return this.#any.large(record);
  }

  #use(schema: FrameSchema, bytes: Uint8Array): Uint8Array {
    this.#layout = layoutOf(schema, this.#slots.slotBytes);
    this.#rowsMax = this.#layout.rows;
    this.#schema = schema;
    this.#schemas++;
    this.#append = generateAppend(this.#slots, schema, {
      any: (value, at, room) => this.#any.write(value, at, room),
      wide: (text, at) => writeWide(this.#slots.bytes, text, at),
    });
    return bytes;
  }
}

export class FrameDecoder {
  readonly #slots: RingSlots;
  readonly #from: ByteReader;
  #read: ReadRecords = () => undefined;

  constructor(slots: RingSlots) {
    this.#slots = slots;
    this.#from = new ByteReader(slots.bytes);
  }

  /** The records that follow have the schema whose bytes are at `at`. */
  schema(at: number, length: number): void {
    const schema = this.#any(at, length) as FrameSchema;
    const { buffer } = this.#slots;
    this.#read = generateRead(this.#slots, schema, {
      any: (start, size) => this.#any(start, size),
      short: shortLatin1,
      narrow: (start, size) => buffer.toString('latin1', start, start + size),
      wide: (start, size) => buffer.toString('utf16le', start, start + 2 * size),
    });
  }

  read(base: number, rows: number, values: unknown[]): void {
    this.#read(base, rows, values);
  }

  /** Goes on from where another decoder of the same ring is. */
  copy(): FrameDecoder {
    const copy = new FrameDecoder(this.#slots);
    copy.#read = this.#read;
    return copy;
  }

  #any(at: number, length: number): unknown {
    this.#from.seek(at, at + length);
    return readAny(this.#from);
  }
}

/** Writes values of no known structure. */
class AnyWriter {
  readonly #slots: RingSlots;
  #to = new ByteWriter();

  constructor(slots: RingSlots) {
    this.#slots = slots;
  }

  write(value: unknown, at: number, room: number): number {
    const bytes = this.#pack(value);
    if (bytes.length > room) return -1;
    this.#slots.bytes.set(bytes, at);
    return bytes.length;
  }

  large(value: unknown): Uint8Array {
    const bytes = this.#pack(value).slice();
    this.#to = new ByteWriter();
    return bytes;
  }

  #pack(value: unknown): Uint8Array {
    if (this.#to.length > SCRATCH_BYTES_MAX) this.#to = new ByteWriter();
    this.#to.reset();
    try {
      writeAny(value, this.#to);
    } catch (error) {
      throw error instanceof EngineError ? cannotTravel(error.message) : error;
    }
    const bytes = this.#to.view();
    if (bytes.length > RECORD_BYTES_MAX) throw recordTooLarge(bytes.length, RECORD_BYTES_MAX);
    return bytes;
  }
}

function packed(value: unknown): Uint8Array {
  const to = new ByteWriter();
  writeAny(value, to);
  return to.view();
}

function writeWide(to: Uint8Array, text: string, at: number): void {
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    to[at + 2 * i] = unit;
    to[at + 2 * i + 1] = unit >> 8;
  }
}

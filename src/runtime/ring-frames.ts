/** The frames of a ring: one per slot. The header's `rows` and `argument` depend on the kind. */
import { assert } from '../common/assert.ts';
import { ByteReader, ByteWriter } from '../serde/bytes.ts';
import { readAny, writeAny } from '../serde/msgpack.ts';
import { BATCH_RECORDS_MAX } from './channel.ts';
import type { Control } from './element.ts';
import { SLOT_HEADER_BYTES, type RingSlots } from './ring-slots.ts';

/** Records in columns. `rows`: how many. */
export const FRAME_RECORDS = 1;
/** The schema of the records that follow. `rows`: its bytes. */
export const FRAME_SCHEMA = 2;
/** A part of a record that is too large for a slot. `rows`: bytes here; `argument`: bytes in all. */
export const FRAME_PART = 3;
/** `argument`: the watermark. */
export const FRAME_WATERMARK = 4;
/** `rows`: 1 for idle. */
export const FRAME_STATUS = 5;
/** `rows`: bytes of the barrier. */
export const FRAME_BARRIER = 6;
export const FRAME_END_OF_DATA = 7;

/** Largest record in bytes. What does not fit into a slot travels in several. */
export const RECORD_BYTES_MAX = 64 * 2 ** 20;

/** In a frame with a part of a record: its timestamp, its hash, then its bytes. */
export const PART_TIMESTAMP_AT = SLOT_HEADER_BYTES;
export const PART_HASH_AT = PART_TIMESTAMP_AT + 8;
export const PART_BYTES_AT = PART_HASH_AT + 8;

export function writeControl(slots: RingSlots, base: number, control: Control): void {
  switch (control.kind) {
    case 'watermark':
      slots.setHeader(base, FRAME_WATERMARK, 0, control.watermarkMs);
      return;
    case 'status':
      slots.setHeader(base, FRAME_STATUS, control.idle ? 1 : 0, 0);
      return;
    case 'barrier': {
      const to = new ByteWriter();
      writeAny(control.barrier, to);
      writeBytes(slots, base, FRAME_BARRIER, to.view());
      return;
    }
    case 'end-of-data':
      slots.setHeader(base, FRAME_END_OF_DATA, 0, 0);
  }
}

export function readControl(slots: RingSlots, base: number): Control {
  const kind = slots.kindAt(base);
  switch (kind) {
    case FRAME_WATERMARK:
      return { kind: 'watermark', watermarkMs: slots.argumentAt(base) };
    case FRAME_STATUS:
      return { kind: 'status', idle: slots.rowsAt(base) === 1 };
    case FRAME_BARRIER: {
      const at = base + SLOT_HEADER_BYTES;
      const barrier = readAny(new ByteReader(slots.bytes, at, at + slots.rowsAt(base)));
      return { kind: 'barrier', barrier } as Control;
    }
    case FRAME_END_OF_DATA:
      return { kind: 'end-of-data' };
    default:
      assert(false, `a slot holds a frame of kind ${kind}`);
  }
}

/** Bytes of a slot that its frame takes, from the slot's beginning. */
export function frameBytes(slots: RingSlots, base: number): number {
  switch (slots.kindAt(base)) {
    case FRAME_RECORDS:
      return slots.argumentAt(base);
    case FRAME_SCHEMA:
    case FRAME_BARRIER:
      return SLOT_HEADER_BYTES + slots.rowsAt(base);
    case FRAME_PART:
      return PART_BYTES_AT + slots.rowsAt(base);
    default:
      return SLOT_HEADER_BYTES;
  }
}

/** What is wrong with the header of a frame that came from another process. */
export function frameFault(slots: RingSlots, base: number): string | undefined {
  const kind = slots.kindAt(base);
  const rows = slots.rowsAt(base);
  const argument = slots.argumentAt(base);
  const bytes = frameBytes(slots, base);
  if (kind < FRAME_RECORDS || kind > FRAME_END_OF_DATA) return `its kind is ${kind}`;
  // A length that is no number is not within the slot either.
  if (!(bytes >= SLOT_HEADER_BYTES && bytes <= slots.slotBytes))
    return `it would have ${bytes} bytes`;
  if (kind === FRAME_RECORDS && (rows < 1 || rows > BATCH_RECORDS_MAX))
    return `it has ${rows} rows`;
  if (kind === FRAME_PART && !(argument >= rows && argument <= RECORD_BYTES_MAX)) {
    return `it is of a record of ${argument} bytes`;
  }
  return undefined;
}

/** Writes a frame of bytes behind the header, whose `rows` is their length. */
export function writeBytes(slots: RingSlots, base: number, kind: number, bytes: Uint8Array): void {
  assert(bytes.length <= slots.slotBytes - SLOT_HEADER_BYTES, 'a frame is larger than its slot');
  slots.setHeader(base, kind, bytes.length, 0);
  slots.bytes.set(bytes, base + SLOT_HEADER_BYTES);
}

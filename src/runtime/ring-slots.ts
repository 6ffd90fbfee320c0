/** Memory in slots of one size, behind a few words of control. */

/** Before the content of a slot. */
export const SLOT_HEADER_BYTES = 16;

/** Before the first slot. */
export const CONTROL_BYTES = 128;
export const CONTROL_WORDS = CONTROL_BYTES / 4;
/** Which word of the control says how large a slot is. */
export const SLOT_BYTES = 3;

/** Slots that no other thread sees. */
export function localSlots(slots: number, slotBytes: number): RingSlots {
  const memory = new ArrayBuffer(CONTROL_BYTES + slots * slotBytes);
  new Int32Array(memory, 0, CONTROL_WORDS)[SLOT_BYTES] = slotBytes;
  return new RingSlots(memory);
}

/** The slots of a ring as numbers and bytes; indexes count from the first slot. */
export class RingSlots {
  readonly slotBytes: number;
  readonly count: number;
  readonly int32: Int32Array;
  readonly float64: Float64Array;
  readonly bytes: Uint8Array;
  /** The same bytes, for the text functions that only a `Buffer` has. */
  readonly buffer: Buffer;
  readonly control: Int32Array;

  constructor(memory: SharedArrayBuffer | ArrayBuffer) {
    this.control = new Int32Array(memory, 0, CONTROL_WORDS);
    this.slotBytes = this.control[SLOT_BYTES] ?? 0;
    this.count = (memory.byteLength - CONTROL_BYTES) / this.slotBytes;
    this.int32 = new Int32Array(memory, CONTROL_BYTES);
    this.float64 = new Float64Array(memory, CONTROL_BYTES);
    this.bytes = new Uint8Array(memory, CONTROL_BYTES);
    this.buffer = Buffer.from(this.bytes.buffer, CONTROL_BYTES);
  }

  /** Writes a slot's header; `base` is where the slot begins. */
  setHeader(base: number, kind: number, rows: number, argument: number): void {
    this.int32[base >> 2] = kind;
    this.int32[(base >> 2) + 1] = rows;
    this.float64[(base >> 3) + 1] = argument;
  }

  kindAt(base: number): number {
    return this.int32[base >> 2] ?? 0;
  }

  rowsAt(base: number): number {
    return this.int32[(base >> 2) + 1] ?? 0;
  }

  argumentAt(base: number): number {
    return this.float64[(base >> 3) + 1] ?? 0;
  }
}

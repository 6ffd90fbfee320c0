/**
 * The writing end of a channel between two processes: one slot, which is sent when it is published.
 *
 * Always holds: `#credit` is how many frames the reader has room for; no frame is sent without it.
 * The connection's own queue is no matter here: it is bounded by the credit of all its channels.
 */
import { localSlots, type RingSlots } from './ring-slots.ts';
import type { FrameProducer } from './frame-queue.ts';
import { frameBytes } from './ring-frames.ts';
import type { FrameLayout } from './ring-schema.ts';
import {
  MESSAGE_FRAME,
  MESSAGE_HEADER_BYTES,
  MESSAGE_PARTS,
  MESSAGE_WRITER_CLOSED,
  message,
  writeUint32,
} from './socket-messages.ts';
import { SLOT_HEADER_BYTES } from './ring-slots.ts';

/** Columns that are filled by less than this part are sent without what is unused. */
const SPARSE_BELOW = 1 / 2;

export class SocketProducer implements FrameProducer {
  readonly slots: RingSlots;
  readonly #channel: number;
  readonly #send: (message: Uint8Array) => void;
  /** The slot with room for a message's header before it. */
  readonly #frame: Uint8Array;
  #parts = new Uint8Array(0);
  #credit: number;
  #waits = false;
  #readerGone = false;

  /** @param send Takes a message, whose bytes may be used again afterwards. */
  constructor(
    channel: number,
    { slots, slotBytes }: { readonly slots: number; readonly slotBytes: number },
    send: (message: Uint8Array) => void,
  ) {
    this.slots = localSlots(1, slotBytes);
    this.#channel = channel;
    this.#send = send;
    this.#credit = slots;
    const { buffer, byteOffset } = this.slots.bytes;
    this.#frame = new Uint8Array(buffer, byteOffset - MESSAGE_HEADER_BYTES);
    writeUint32(this.#frame, 0, MESSAGE_FRAME);
    writeUint32(this.#frame, 4, channel);
  }

  hasFree(least: number): boolean {
    return this.#credit >= least;
  }

  hasFreeOrWait(least: number): boolean {
    if (this.#credit >= least) return true;
    this.#waits = true;
    return false;
  }

  base(): number {
    return 0;
  }

  publish(layout?: FrameLayout): void {
    this.#credit--;
    if (this.#readerGone) return;
    const length = frameBytes(this.slots, 0);
    if (layout !== undefined && this.slots.rowsAt(0) < layout.rows * SPARSE_BELOW) {
      this.#send(this.#partsOf(layout, length));
    } else this.#send(this.#frame.subarray(0, MESSAGE_HEADER_BYTES + length));
  }

  close(): void {
    if (!this.#readerGone) this.#send(message(MESSAGE_WRITER_CLOSED, this.#channel));
  }

  isReaderGone(): boolean {
    return this.#readerGone;
  }

  readerDied(): void {
    this.#readerGone = true;
  }

  /** The reader has room for more frames. True: the writer waits for that. */
  granted(frames: number): boolean {
    this.#credit += frames;
    const waited = this.#waits;
    this.#waits = false;
    return waited;
  }

  /** The header, the rows that are used of each column, and the heap. */
  #partsOf({ sections, heapAt }: FrameLayout, length: number): Uint8Array {
    const rows = this.slots.rowsAt(0);
    const count = sections.length + 2;
    const indexBytes = 4 + 8 * count;
    const bytes = this.#room(MESSAGE_HEADER_BYTES + indexBytes + length);
    writeUint32(bytes, MESSAGE_HEADER_BYTES, count);
    let entry = MESSAGE_HEADER_BYTES + 4;
    let to = MESSAGE_HEADER_BYTES + indexBytes;
    const add = (at: number, partBytes: number): void => {
      writeUint32(bytes, entry, at);
      writeUint32(bytes, entry + 4, partBytes);
      bytes.set(this.slots.bytes.subarray(at, at + partBytes), to);
      entry += 8;
      to += partBytes;
    };
    add(0, SLOT_HEADER_BYTES);
    for (const { at, bytesPerRow } of sections) add(at, rows * bytesPerRow);
    add(heapAt, length - heapAt);
    return bytes.subarray(0, to);
  }

  #room(length: number): Uint8Array {
    if (this.#parts.length < length) {
      this.#parts = new Uint8Array(length);
      writeUint32(this.#parts, 0, MESSAGE_PARTS);
      writeUint32(this.#parts, 4, this.#channel);
    }
    return this.#parts;
  }
}

/**
 * The reading end of a channel between two processes: slots, into which frames are copied as they
 * come, and which are read in order.
 *
 * Always holds: a frame that keeps to the credit finds a free slot, so the connection never waits
 * for a slow reader and other channels go on. A frame that is none ends the channel: what came
 * before it is read, then the channel is broken, and says why.
 */
import type { FrameConsumer } from './frame-queue.ts';
import { localSlots, SLOT_HEADER_BYTES, type RingSlots } from './ring-slots.ts';
import { unreadableChannel } from './ring-errors.ts';
import { frameBytes, frameFault } from './ring-frames.ts';
import {
  creditMessage,
  MESSAGE_HEADER_BYTES,
  MESSAGE_PARTS,
  MESSAGE_READER_CLOSED,
  message,
  readUint32,
} from './socket-messages.ts';

/** Released slots that are granted together: of all, one in four. */
const GRANTS_PER_ROUND = 4;

export class SocketConsumer implements FrameConsumer {
  readonly slots: RingSlots;
  readonly #channel: number;
  readonly #send: (message: Uint8Array) => void;
  readonly #grantFrames: number;
  /** Slots ever filled, and ever released. */
  #head = 0;
  #tail = 0;
  /** Released and not granted again yet. */
  #ungranted = 0;
  #closed = false;
  #writerGone = false;
  #why: Error | undefined;

  constructor(
    channel: number,
    { slots, slotBytes }: { readonly slots: number; readonly slotBytes: number },
    send: (message: Uint8Array) => void,
  ) {
    this.slots = localSlots(slots, slotBytes);
    this.#channel = channel;
    this.#send = send;
    this.#grantFrames = Math.max(1, Math.floor(slots / GRANTS_PER_ROUND));
  }

  hasSlot(): boolean {
    return this.#head !== this.#tail;
  }

  /** The reader is rung for with each message, so there is nothing to ask for. */
  hasSlotOrWait(): boolean {
    return this.hasSlot();
  }

  wait(): void {
    // Each message rings.
  }

  base(): number {
    return this.#baseOf(this.#tail);
  }

  bases(): number[] {
    const queued = this.#head - this.#tail;
    return Array.from({ length: queued }, (_, index) => this.#baseOf(this.#tail + index));
  }

  release(): void {
    this.#tail++;
    this.#ungranted++;
    if (this.#ungranted < this.#grantFrames || this.#writerGone) return;
    this.#send(creditMessage(this.#channel, this.#ungranted));
    this.#ungranted = 0;
  }

  close(): void {
    this.#closed = true;
    this.#tail = this.#head;
    if (!this.#writerGone) this.#send(message(MESSAGE_READER_CLOSED, this.#channel));
  }

  isWriterGone(): boolean {
    return this.#writerGone;
  }

  writerDied(why?: Error): void {
    if (this.#writerGone) return;
    this.#writerGone = true;
    this.#why = why;
  }

  unreadable(error: unknown): void {
    this.#tail = this.#head;
    this.#fail('its content does not fit its schema', error);
  }

  whyGone(): Error | undefined {
    return this.#why;
  }

  /** Takes a message with a frame, or with parts of one. */
  take(bytes: Uint8Array): void {
    if (this.#closed || this.#writerGone) return;
    if (this.#head - this.#tail === this.slots.count) {
      this.#fail('more frames came than were granted');
      return;
    }
    const base = this.#baseOf(this.#head);
    const fault =
      readUint32(bytes, 0) === MESSAGE_PARTS
        ? this.#takeParts(bytes, base)
        : this.#takeFrame(bytes, base);
    if (fault === undefined) this.#head++;
    else this.#fail(fault);
  }

  #takeFrame(bytes: Uint8Array, base: number): string | undefined {
    const length = bytes.length - MESSAGE_HEADER_BYTES;
    const { slots } = this;
    if (length < SLOT_HEADER_BYTES || length > slots.slotBytes) return `it has ${length} bytes`;
    slots.bytes.set(bytes.subarray(MESSAGE_HEADER_BYTES), base);
    const fault = frameFault(slots, base);
    if (fault !== undefined) return fault;
    return frameBytes(slots, base) === length ? undefined : `it has ${length} bytes`;
  }

  #takeParts(bytes: Uint8Array, base: number): string | undefined {
    const { slots } = this;
    const count = readUint32(bytes, MESSAGE_HEADER_BYTES);
    let entry = MESSAGE_HEADER_BYTES + 4;
    let from = entry + 8 * count;
    for (let part = 0; part < count; part++) {
      const at = readUint32(bytes, entry);
      const length = readUint32(bytes, entry + 4);
      if (at + length > slots.slotBytes || from + length > bytes.length) return 'a part is cut off';
      slots.bytes.set(bytes.subarray(from, from + length), base + at);
      entry += 8;
      from += length;
    }
    if (count === 0 || from !== bytes.length) return `it has ${bytes.length} bytes`;
    return frameFault(slots, base);
  }

  #fail(what: string, cause?: unknown): void {
    this.#why = unreadableChannel(this.#channel, what, cause);
    this.#writerGone = true;
    this.#send(message(MESSAGE_READER_CLOSED, this.#channel));
  }

  #baseOf(slot: number): number {
    return (slot % this.slots.count) * this.slots.slotBytes;
  }
}

/**
 * A queue of fixed-size slots in memory that two threads share: one writes, one reads.
 *
 *   128 bytes of control: one cache line of words for each side
 *   N slots of S bytes:   int32 kind, int32 rows, float64 argument, then what the kind holds
 *
 * Always holds: `head` counts the slots ever published and is stored by the writer only, `tail` the
 * slots ever released and by the reader only; both wrap around at 2^32 and differ by 0 to N. Each
 * side keeps a copy of the other's counter and loads it again only when the copy says that there
 * is not enough. Who goes to sleep first says so in its `waits` word and then looks once more; who
 * publishes or releases looks at that word afterwards; so one of the two sees the other.
 */
import { assert } from '../common/assert.ts';
import type { FrameConsumer, FrameProducer } from './frame-queue.ts';
import { CONTROL_BYTES, CONTROL_WORDS, SLOT_BYTES, type RingSlots } from './ring-slots.ts';

/**
 * Slots of a ring unless said otherwise. More: a thread goes on for longer while the one that reads pauses,
 * for a collection or a snapshot's slice; fewer: less memory and less in flight.
 */
export const RING_SLOTS = 32;
/** Bytes of a slot unless said otherwise. Smaller: fewer records per frame; larger: caches overflow. */
export const RING_SLOT_BYTES = 32_768;

const SLOTS_MIN = 4;
const SLOT_BYTES_MIN = 4096;

/** Where each side's words are: its counter, its life, whether it waits; `SLOT_BYTES` is 3. */
const HEAD = 0;
const WRITER_LIFE = 1;
const WRITER_WAITS = 2;
const TAIL = 16;
const READER_LIFE = 17;
const READER_WAITS = 18;

const OPEN = 0;
const CLOSED = 1;

export interface RingOptions {
  /** A power of two, at least 4. Default `RING_SLOTS`. */
  readonly slots?: number;
  /** A multiple of 8. Default `RING_SLOT_BYTES`. */
  readonly slotBytes?: number;
  /** Where the counters start: tests begin near the end of their range. Default 0. */
  readonly firstSlot?: number;
}

/** The memory of a ring. It is what one thread sends to the other. */
export function createRing(options: RingOptions = {}): SharedArrayBuffer {
  const { slots = RING_SLOTS, slotBytes = RING_SLOT_BYTES, firstSlot = 0 } = options;
  assert(slots >= SLOTS_MIN && (slots & (slots - 1)) === 0, 'a ring has 4, 8, 16, ... slots');
  assert(slotBytes >= SLOT_BYTES_MIN && slotBytes % 8 === 0, 'a slot has 4096 bytes, 4104, ...');
  const memory = new SharedArrayBuffer(CONTROL_BYTES + slots * slotBytes);
  const words = new Int32Array(memory, 0, CONTROL_WORDS);
  words[SLOT_BYTES] = slotBytes;
  words[HEAD] = firstSlot;
  words[TAIL] = firstSlot;
  // Who has not looked yet waits.
  words[READER_WAITS] = 1;
  return memory;
}

/** The side of the ring that writes. */
export class RingProducer implements FrameProducer {
  readonly slots: RingSlots;
  readonly #control: Int32Array;
  readonly #wakeReader: () => void;
  #head: number;
  /** The reader's counter as it was when it was last looked at. */
  #tailSeen: number;

  /** @param wakeReader Wakes the reader's thread. Called only when the reader waits. */
  constructor(slots: RingSlots, wakeReader: () => void) {
    this.slots = slots;
    this.#control = slots.control;
    this.#wakeReader = wakeReader;
    this.#head = Atomics.load(slots.control, HEAD);
    this.#tailSeen = Atomics.load(slots.control, TAIL);
  }

  /** Whether `least` slots are free. */
  hasFree(least: number): boolean {
    const { count } = this.slots;
    if (count - ((this.#head - this.#tailSeen) | 0) >= least) return true;
    this.#tailSeen = Atomics.load(this.#control, TAIL);
    return count - ((this.#head - this.#tailSeen) | 0) >= least;
  }

  /** As `hasFree`; when it says no, the reader wakes this thread once half of the slots are free. */
  hasFreeOrWait(least: number): boolean {
    if (this.hasFree(least)) return true;
    Atomics.store(this.#control, WRITER_WAITS, 1);
    return this.hasFree(least);
  }

  /** Where the next slot to publish begins. There must be a free one. */
  base(): number {
    return (this.#head & (this.slots.count - 1)) * this.slots.slotBytes;
  }

  publish(): void {
    this.#head = (this.#head + 1) | 0;
    Atomics.store(this.#control, HEAD, this.#head);
    this.#notify();
  }

  /** Nothing will be published any more. */
  close(): void {
    Atomics.store(this.#control, WRITER_LIFE, CLOSED);
    this.#wakeReader();
  }

  isReaderGone(): boolean {
    return Atomics.load(this.#control, READER_LIFE) !== OPEN;
  }

  /** The reader's thread has died and could not say so. */
  readerDied(): void {
    Atomics.store(this.#control, READER_LIFE, CLOSED);
  }

  #notify(): void {
    if (Atomics.load(this.#control, READER_WAITS) === 0) return;
    Atomics.store(this.#control, READER_WAITS, 0);
    this.#wakeReader();
  }
}

/** The side of the ring that reads. */
export class RingConsumer implements FrameConsumer {
  readonly slots: RingSlots;
  readonly #control: Int32Array;
  readonly #wakeWriter: () => void;
  #tail: number;
  #headSeen: number;

  /** @param wakeWriter Wakes the writer's thread. Called only when the writer waits. */
  constructor(slots: RingSlots, wakeWriter: () => void) {
    this.slots = slots;
    this.#control = slots.control;
    this.#wakeWriter = wakeWriter;
    this.#tail = Atomics.load(slots.control, TAIL);
    this.#headSeen = this.#tail;
  }

  /** Whether a slot can be read. */
  hasSlot(): boolean {
    if (this.#headSeen !== this.#tail) return true;
    this.#headSeen = Atomics.load(this.#control, HEAD);
    return this.#headSeen !== this.#tail;
  }

  /** As `hasSlot`; when it says no, the writer wakes this thread with the next slot. */
  hasSlotOrWait(): boolean {
    if (this.hasSlot()) return true;
    if (Atomics.load(this.#control, READER_WAITS) === 1) return false;
    this.wait();
    return this.hasSlot();
  }

  /** The writer wakes this thread with the next slot, whether this one sees that there are some or not. */
  wait(): void {
    Atomics.store(this.#control, READER_WAITS, 1);
  }

  /** Where the slot begins that is read next. */
  base(): number {
    return this.#baseOf(this.#tail);
  }

  /** The places of all slots that can be read, in order. */
  bases(): number[] {
    this.#headSeen = Atomics.load(this.#control, HEAD);
    const queued = (this.#headSeen - this.#tail) | 0;
    return Array.from({ length: queued }, (_, index) => this.#baseOf(this.#tail + index));
  }

  /** The slot at `base()` may be written again. */
  release(): void {
    this.#tail = (this.#tail + 1) | 0;
    Atomics.store(this.#control, TAIL, this.#tail);
    if (Atomics.load(this.#control, WRITER_WAITS) === 0) return;
    // Waking for each slot would make both sides take turns slot by slot.
    if (((this.#headSeen - this.#tail) | 0) > this.slots.count / 2) return;
    Atomics.store(this.#control, WRITER_WAITS, 0);
    this.#wakeWriter();
  }

  /** Nothing will be read any more. */
  close(): void {
    Atomics.store(this.#control, READER_LIFE, CLOSED);
    this.#wakeWriter();
  }

  /** True also when slots are left that it has published before. */
  isWriterGone(): boolean {
    return Atomics.load(this.#control, WRITER_LIFE) !== OPEN;
  }

  /** The writer's thread has died and could not say so. */
  writerDied(): void {
    Atomics.store(this.#control, WRITER_LIFE, CLOSED);
  }

  /** Both threads are of one process and one version: what is in a slot is what was put there. */
  unreadable(error: unknown): void {
    throw error;
  }

  whyGone(): undefined {
    return undefined;
  }

  #baseOf(slot: number): number {
    return (slot & (this.slots.count - 1)) * this.slots.slotBytes;
  }
}

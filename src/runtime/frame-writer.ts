/**
 * The writer's end of a channel that carries frames. A record goes straight into the columns of the slot
 * that is being filled; there is no batch of objects in between.
 *
 *   open ──close──► closing ──all held back is sent──► closed
 *    └──────┴────────── the reader is gone ─────────► orphaned: what is written goes nowhere
 *
 * Always holds: what is written is taken; what no slot is free for is held back, in order, and while
 * anything is, no slot is being filled. The channel is writable while nothing is held back and
 * `SPARE_SLOTS` are free, so what one input record makes seldom has to wait. What is held back is
 * bounded by what one input record makes, and by `HELD_BACK_MAX`.
 */
import { assert } from '../common/assert.ts';
import type { CheckpointBarrier } from '../contracts/snapshots.ts';
import type { ChannelWriter, Wake } from './channel.ts';
import { FULL, MISFIT, TAKEN } from './codegen-ring-codec.ts';
import type { Control } from './element.ts';
import type { FrameProducer } from './frame-queue.ts';
import type { RingSlots } from './ring-slots.ts';
import { FrameEncoder } from './ring-codec.ts';
import { channelOverflow } from './ring-errors.ts';
import {
  FRAME_PART,
  FRAME_RECORDS,
  FRAME_SCHEMA,
  PART_BYTES_AT,
  PART_HASH_AT,
  PART_TIMESTAMP_AT,
  writeBytes,
  writeControl,
} from './ring-frames.ts';

/** Free slots below which the writer is told to stop. */
const SPARE_SLOTS = 2;
/** Records and controls that may be held back. */
const HELD_BACK_MAX = 4_194_304;

/** Stands where something was that is sent. */
const SENT: Control = { kind: 'end-of-data' };

interface RecordToSend {
  readonly value: unknown;
  readonly timestampMs: number;
  readonly hash: number;
}

/** A record that is sent in parts; from byte `from` on it is not yet. */
interface LargeRecord {
  readonly record: RecordToSend;
  readonly bytes: Uint8Array;
  from: number;
}

export class FrameWriter implements ChannelWriter {
  readonly #slots: RingSlots;
  readonly #queue: FrameProducer;
  readonly #announce: (barrier: CheckpointBarrier) => void;
  readonly #encoder: FrameEncoder;
  #life: 'open' | 'closing' | 'closed' | 'orphaned' = 'open';
  /** A slot is being filled. */
  #filling = false;
  #writable = true;
  #recordsWritten = 0;
  /** Goes out before `#held`. */
  #large: LargeRecord | undefined;
  #held: (RecordToSend | Control)[] = [];
  /** Those before it are sent. */
  #heldFrom = 0;
  #wake: Wake | undefined;
  /** What a record that was held back made go wrong. */
  #failure: Error | undefined;

  /** @param announce Tells the other side of a barrier, out of band. */
  constructor(queue: FrameProducer, announce: (barrier: CheckpointBarrier) => void) {
    this.#slots = queue.slots;
    this.#announce = announce;
    this.#queue = queue;
    this.#encoder = new FrameEncoder(this.#slots);
  }

  append(value: unknown, timestampMs: number, hash: number): boolean {
    if (this.#filling && this.#encoder.append(value, timestampMs, hash) === TAKEN) {
      if (this.#encoder.isFull()) {
        this.#publishRecords();
        this.#settle();
      }
      return this.#writable;
    }
    if (this.#life === 'orphaned') return true;
    assert(this.#life === 'open', 'a record is written to a closed channel');
    this.#sendOrHold({ value, timestampMs, hash });
    return this.#writable;
  }

  control(control: Control): void {
    if (this.#life === 'orphaned') return;
    assert(this.#life === 'open', 'a control is written to a closed channel');
    this.#sendOrHold(control);
  }

  flush(): void {
    this.#publishRecords();
    this.#settleAlone();
  }

  isWritable(): boolean {
    if (!this.#writable) this.#settle();
    return this.#writable;
  }

  recordsWritten(): number {
    return this.#recordsWritten;
  }

  announce(barrier: CheckpointBarrier): void {
    this.#announce(barrier);
  }

  onWritable(wake: Wake): void {
    this.#wake = wake;
  }

  isBroken(): boolean {
    return this.#queue.isReaderGone();
  }

  close(): void {
    if (this.#life === 'closing' || this.#life === 'closed') return;
    this.#publishRecords();
    this.#life = 'closing';
    this.#wake = undefined;
    this.#settleAlone();
  }

  /** The other side has changed something: credit came back, or it reads no more. */
  rung(): void {
    if (this.#queue.isReaderGone()) this.#orphan();
    else this.#settleAlone();
    this.#wake?.();
  }

  /** The other side is dead. */
  peerDied(): void {
    this.#queue.readerDied();
    this.rung();
  }

  #sendOrHold(one: RecordToSend | Control): void {
    if (this.#isHolding()) this.#settle();
    if (this.#isHolding() || !this.#send(one)) {
      const count = this.#held.length - this.#heldFrom;
      if (count === HELD_BACK_MAX) throw channelOverflow(HELD_BACK_MAX);
      this.#held.push(one);
    }
    this.#settle();
  }

  #isHolding(): boolean {
    return this.#large !== undefined || this.#heldFrom < this.#held.length;
  }

  /** Sends what is held back as far as slots are free; asks to be woken if it has to wait. */
  #settle(): void {
    if (this.#life === 'orphaned' || this.#life === 'closed') return;
    if (this.#failure !== undefined && this.#life === 'open') throw this.#failure;
    let isHolding = this.#isHolding();
    if (isHolding) {
      while (this.#isHolding() && this.#queue.hasFreeOrWait(1)) this.#sendHeld();
      isHolding = this.#isHolding();
      // They have waited long enough; nobody may ask for another flush.
      if (!isHolding) this.#publishRecords();
    }
    if (this.#life === 'closing' && !isHolding) {
      this.#publishRecords();
      this.#end();
      return;
    }
    this.#writable = this.#queue.hasFreeOrWait(SPARE_SLOTS) && !isHolding;
    if (!this.#writable && this.#queue.isReaderGone()) this.#orphan();
  }

  /**
   * Nobody called who expects an error. A task whose record was held back has been told to stop, so
   * it asks `isWritable` before it goes on, and is told then.
   */
  #settleAlone(): void {
    if (this.#failure !== undefined && this.#life === 'open') return;
    const before = this.#writable;
    try {
      this.#settle();
      // A task that was told to stop would otherwise hear of it from nobody: a flush has found room.
      if (!before && this.#writable) this.#wake?.();
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      this.#failure = error;
      this.#writable = false;
      this.#letGo();
      if (this.#life === 'closing') this.#end();
    }
  }

  /** The reader finds a channel without an end of data broken. */
  #end(): void {
    this.#life = 'closed';
    this.#queue.close();
  }

  #sendHeld(): void {
    if (this.#large !== undefined) {
      this.#sendLarge(this.#large);
      return;
    }
    const one = this.#held[this.#heldFrom];
    if (one === undefined || !this.#send(one)) return;
    this.#held[this.#heldFrom] = SENT;
    this.#heldFrom++;
    if (this.#heldFrom === this.#held.length) {
      this.#held = [];
      this.#heldFrom = 0;
    }
  }

  /** False if there is no free slot for it; then no slot is being filled either. */
  #send(one: RecordToSend | Control): boolean {
    return 'kind' in one ? this.#sendControl(one) : this.#sendRecord(one);
  }

  #sendControl(control: Control): boolean {
    this.#publishRecords();
    this.#filling = false;
    if (!this.#queue.hasFree(1)) return false;
    writeControl(this.#slots, this.#queue.base(), control);
    this.#queue.publish();
    return true;
  }

  #sendRecord(record: RecordToSend): boolean {
    const { value, timestampMs, hash } = record;
    const encoder = this.#encoder;
    for (;;) {
      if (!this.#filling && !this.#startFilling()) return false;
      switch (encoder.append(value, timestampMs, hash)) {
        case TAKEN:
          if (encoder.isFull()) this.#publishRecords();
          return true;
        case MISFIT:
          this.#publishRecords();
          this.#filling = false;
          if (!this.#queue.hasFree(1)) return false;
          writeBytes(this.#slots, this.#queue.base(), FRAME_SCHEMA, encoder.widen(value));
          this.#queue.publish();
          break;
        case FULL:
          if (encoder.cursor.row === 0) {
            this.#filling = false;
            this.#sendLarge({ record, bytes: encoder.large(value), from: 0 });
            return true;
          }
          this.#publishRecords();
      }
    }
  }

  #startFilling(): boolean {
    if (!this.#queue.hasFree(1)) return false;
    this.#encoder.begin(this.#queue.base());
    this.#filling = true;
    return true;
  }

  /** A slot that has no row yet stays as it is. */
  #publishRecords(): void {
    const { base, row, heap } = this.#encoder.cursor;
    if (!this.#filling || row === 0) return;
    this.#slots.setHeader(base, FRAME_RECORDS, row, heap);
    this.#filling = false;
    this.#recordsWritten += row;
    this.#queue.publish(this.#encoder.layout);
  }

  #sendLarge(large: LargeRecord): void {
    const { record, bytes } = large;
    const slots = this.#slots;
    const partBytes = slots.slotBytes - PART_BYTES_AT;
    while (large.from < bytes.length && this.#queue.hasFree(1)) {
      const base = this.#queue.base();
      const part = bytes.subarray(large.from, large.from + partBytes);
      slots.setHeader(base, FRAME_PART, part.length, bytes.length);
      slots.float64[(base + PART_TIMESTAMP_AT) >> 3] = record.timestampMs;
      slots.int32[(base + PART_HASH_AT) >> 2] = record.hash;
      slots.bytes.set(part, base + PART_BYTES_AT);
      large.from += part.length;
      this.#queue.publish();
    }
    this.#large = large.from < bytes.length ? large : undefined;
    if (this.#large === undefined) this.#recordsWritten += 1;
  }

  /** A writer never waits for a reader that is gone. */
  #orphan(): void {
    if (this.#life === 'closed') return;
    this.#life = this.#life === 'closing' ? 'closed' : 'orphaned';
    this.#letGo();
    this.#writable = true;
  }

  #letGo(): void {
    this.#large = undefined;
    this.#held = [];
    this.#heldFrom = 0;
    this.#filling = false;
  }
}

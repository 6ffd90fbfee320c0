/**
 * The reader's end of a channel that carries frames: makes a batch of each frame of records. Timestamps and
 * hashes of a batch are the columns of the slot itself.
 *
 * Always holds: the slot of the batch that `peek` gave is kept until `release`; frames that are not
 * for the task (schemas, parts of large records) are taken at once.
 */
import { assert } from '../common/assert.ts';
import type { CheckpointBarrier } from '../contracts/snapshots.ts';
import { ByteReader } from '../serde/bytes.ts';
import { readAny } from '../serde/msgpack.ts';
import {
  BATCH_RECORDS_MAX,
  isBatch,
  type ChannelReader,
  type RecordBatch,
  type Wake,
} from './channel.ts';
import type { Control } from './element.ts';
import type { FrameConsumer } from './frame-queue.ts';
import { SLOT_HEADER_BYTES, type RingSlots } from './ring-slots.ts';
import { FrameDecoder } from './ring-codec.ts';
import {
  FRAME_PART,
  FRAME_RECORDS,
  FRAME_SCHEMA,
  PART_BYTES_AT,
  PART_HASH_AT,
  PART_TIMESTAMP_AT,
  readControl,
} from './ring-frames.ts';
import { HASHES_AT, TIMESTAMPS_AT } from './ring-schema.ts';

const NO_VALUES: unknown[] = [];

class SlotBatch implements RecordBatch {
  size = 0;
  /**
   * A new array for each frame: it is as young as the records, so the collector need not note each
   * store of a young object into an old one.
   */
  values: unknown[] = NO_VALUES;
  readonly timestamps: Float64Array;
  readonly hashes: Int32Array;

  constructor(timestamps: Float64Array, hashes: Int32Array) {
    this.timestamps = timestamps;
    this.hashes = hashes;
  }
}

export class FrameReader implements ChannelReader {
  readonly #slots: RingSlots;
  readonly #queue: FrameConsumer;
  readonly #decoder: FrameDecoder;
  readonly #large = new LargeRecords();
  /** By slot. */
  readonly #batches: SlotBatch[];
  #current: RecordBatch | Control | undefined;
  /** The slot of `#current` is to be released with it. */
  #keepsSlot = false;
  #endOfData = false;
  #closed = false;
  #wake: Wake | undefined;
  #announced: ((barrier: CheckpointBarrier) => void) | undefined;

  constructor(queue: FrameConsumer) {
    this.#slots = queue.slots;
    this.#queue = queue;
    this.#decoder = new FrameDecoder(this.#slots);
    const { slotBytes, count, float64, int32 } = this.#slots;
    this.#batches = Array.from({ length: count }, (_, slot) => {
      const base = slot * slotBytes;
      const timestampsAt = (base + TIMESTAMPS_AT) >> 3;
      const hashesAt = (base + HASHES_AT) >> 2;
      return new SlotBatch(
        float64.subarray(timestampsAt, timestampsAt + BATCH_RECORDS_MAX),
        int32.subarray(hashesAt, hashesAt + BATCH_RECORDS_MAX),
      );
    });
  }

  peek(): RecordBatch | Control | undefined {
    while (this.#current === undefined) {
      if (this.#closed || !this.#queue.hasSlotOrWait()) return undefined;
      try {
        this.#take();
      } catch (error) {
        this.#queue.unreadable(error);
      }
    }
    return this.#current;
  }

  release(): void {
    const element = this.#current;
    assert(element !== undefined, 'a channel releases what it has not given');
    this.#current = undefined;
    if (!this.#keepsSlot) return;
    this.#keepsSlot = false;
    // Lets go of the values, so that they can die young.
    if (element instanceof SlotBatch) element.values = NO_VALUES;
    this.#queue.release();
  }

  captureInFlight(checkpointId: number): readonly RecordBatch[] {
    const captured: RecordBatch[] = [];
    if (this.#closed || isBarrierSince(this.#current, checkpointId)) return captured;
    if (this.#current !== undefined && isBatch(this.#current)) captured.push(copyOf(this.#current));
    const decoder = this.#decoder.copy();
    const large = this.#large.copy();
    for (const base of this.#queue.bases().slice(this.#keepsSlot ? 1 : 0)) {
      const batch = this.#captureOrFail(base, decoder, large);
      if (batch === undefined) continue;
      if (isBatch(batch)) captured.push(batch);
      else if (isBarrierSince(batch, checkpointId)) break;
    }
    return captured;
  }

  onReadable(wake: Wake): void {
    this.#wake = wake;
  }

  onAnnounce(listener: (barrier: CheckpointBarrier) => void): void {
    this.#announced = listener;
  }

  isBroken(): boolean {
    // The writer publishes before it goes, so its end is asked for first.
    if (this.#endOfData || this.#closed || !this.#queue.isWriterGone()) return false;
    return this.#current === undefined && !this.#queue.hasSlot();
  }

  brokenBy(): Error | undefined {
    return this.#queue.whyGone();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#current = undefined;
    for (const batch of this.#batches) batch.values = NO_VALUES;
    this.#wake = undefined;
    this.#announced = undefined;
    this.#queue.close();
  }

  /** The other side has changed something: records came, or it writes no more. */
  rung(): void {
    this.#queue.wait();
    if (this.#queue.hasSlot() || this.#queue.isWriterGone()) this.#wake?.();
  }

  announced(barrier: CheckpointBarrier): void {
    this.#announced?.(barrier);
  }

  /** The other side is dead. */
  peerDied(why?: Error): void {
    this.#queue.writerDied(why);
    this.rung();
  }

  /** Takes the next frame: either it becomes `#current`, or its slot is free again. */
  #take(): void {
    const slots = this.#slots;
    const base = this.#queue.base();
    switch (slots.kindAt(base)) {
      case FRAME_RECORDS: {
        const batch = this.#batches[base / slots.slotBytes];
        assert(batch !== undefined, 'a slot has no batch');
        batch.size = slots.rowsAt(base);
        batch.values = new Array<unknown>(BATCH_RECORDS_MAX);
        this.#decoder.read(base, batch.size, batch.values);
        this.#current = batch;
        this.#keepsSlot = true;
        return;
      }
      case FRAME_SCHEMA:
        this.#decoder.schema(base + SLOT_HEADER_BYTES, slots.rowsAt(base));
        break;
      case FRAME_PART:
        this.#current = this.#large.part(slots, base);
        break;
      default: {
        const control = readControl(slots, base);
        if (control.kind === 'end-of-data') this.#endOfData = true;
        this.#current = control;
      }
    }
    this.#queue.release();
  }

  /** Records of a frame that cannot be read must not be missing in a snapshot: it fails. */
  #captureOrFail(
    base: number,
    decoder: FrameDecoder,
    large: LargeRecords,
  ): RecordBatch | Control | undefined {
    try {
      return this.#capture(base, decoder, large);
    } catch (error) {
      this.#queue.unreadable(error);
      throw error;
    }
  }

  /** What is in a slot, without taking it. */
  #capture(
    base: number,
    decoder: FrameDecoder,
    large: LargeRecords,
  ): RecordBatch | Control | undefined {
    const slots = this.#slots;
    switch (slots.kindAt(base)) {
      case FRAME_RECORDS: {
        const size = slots.rowsAt(base);
        const values: unknown[] = [];
        decoder.read(base, size, values);
        const batch = this.#batches[base / slots.slotBytes];
        assert(batch !== undefined, 'a slot has no batch');
        const { timestamps, hashes } = batch;
        return copyOf({ size, values, timestamps, hashes });
      }
      case FRAME_SCHEMA:
        decoder.schema(base + SLOT_HEADER_BYTES, slots.rowsAt(base));
        return undefined;
      case FRAME_PART:
        return large.part(slots, base);
      default:
        return readControl(slots, base);
    }
  }
}

/** Puts records together that are larger than a slot. */
class LargeRecords {
  #bytes: Uint8Array | undefined;
  #length = 0;

  /** Takes a part. The record, as a batch of its own, when it was the last one. */
  part(slots: RingSlots, base: number): RecordBatch | undefined {
    const bytes = (this.#bytes ??= new Uint8Array(slots.argumentAt(base)));
    const start = base + PART_BYTES_AT;
    const length = slots.rowsAt(base);
    bytes.set(slots.bytes.subarray(start, start + length), this.#length);
    this.#length += length;
    if (this.#length < bytes.length) return undefined;
    this.#bytes = undefined;
    this.#length = 0;
    return {
      size: 1,
      values: [readAny(new ByteReader(bytes))],
      timestamps: slots.float64.slice(
        (base + PART_TIMESTAMP_AT) >> 3,
        (base + PART_TIMESTAMP_AT + 8) >> 3,
      ),
      hashes: slots.int32.slice((base + PART_HASH_AT) >> 2, (base + PART_HASH_AT + 4) >> 2),
    };
  }

  copy(): LargeRecords {
    const copy = new LargeRecords();
    copy.#bytes = this.#bytes?.slice();
    copy.#length = this.#length;
    return copy;
  }
}

function isBarrierSince(element: RecordBatch | Control | undefined, checkpointId: number): boolean {
  if (element === undefined || isBatch(element)) return false;
  return element.kind === 'barrier' && element.barrier.checkpointId >= checkpointId;
}

function copyOf({ size, values, timestamps, hashes }: RecordBatch): RecordBatch {
  return {
    size,
    values: values.slice(0, size),
    timestamps: timestamps.slice(0, size),
    hashes: hashes.slice(0, size),
  };
}

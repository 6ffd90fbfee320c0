/**
 * What lies between the two ends of a channel that carries bytes: a queue of frames, each of which
 * is written into a slot and read from one. Between threads a slot is the same memory for both (a
 * ring); between processes each side has slots of its own, and a socket copies.
 */
import type { RingSlots } from './ring-slots.ts';
import type { FrameLayout } from './ring-schema.ts';

/** The side that writes. */
export interface FrameProducer {
  readonly slots: RingSlots;
  /** Whether `least` frames can be published now. */
  hasFree(least: number): boolean;
  /** As `hasFree`; when it says no, the writer is rung for once there is room again. */
  hasFreeOrWait(least: number): boolean;
  /** Where the slot begins that is published next. There must be a free one. */
  base(): number;
  /** Hands the slot at `base()` over. `layout`: where its columns are, if it holds records. */
  publish(layout?: FrameLayout): void;
  /** Nothing will be published any more. */
  close(): void;
  isReaderGone(): boolean;
  /** The reader has died and could not say so. */
  readerDied(): void;
}

/** The side that reads. */
export interface FrameConsumer {
  readonly slots: RingSlots;
  /** Whether a frame can be read. */
  hasSlot(): boolean;
  /** As `hasSlot`; when it says no, the reader is rung for with the next frame. */
  hasSlotOrWait(): boolean;
  /** The reader is rung for with the next frame, whether it sees that there are some or not. */
  wait(): void;
  /** Where the slot begins that is read next. */
  base(): number;
  /** The places of all slots that can be read, in order. */
  bases(): number[];
  /** The slot at `base()` may be written again. */
  release(): void;
  /** Nothing will be read any more. */
  close(): void;
  /** True also when frames are left that it has published before. */
  isWriterGone(): boolean;
  /** The writer has died and could not say so. */
  writerDied(why?: Error): void;
  /** The frame at `base()` cannot be read. Throws, or drops what is queued and takes the writer for gone. */
  unreadable(error: unknown): void;
  /** Why the writer is gone, if it did not say that it goes. */
  whyGone(): Error | undefined;
}

import type { CheckpointBarrier } from '../contracts/snapshots.ts';
import type { Control } from './element.ts';

/** Most records of one batch: enough to spread its cost, few enough to stay in the processor's cache. */
export const BATCH_RECORDS_MAX = 256;

/** Woken when something may have changed: data came, credit came back, the other side died. */
export type Wake = () => void;

/**
 * One ordered stream of records from one subtask to another. Implementations: a queue in one thread
 * (also the simulator's), a ring between threads, a socket between processes; one conformance suite.
 *
 * Credit: a writer always takes what it is given, so that no record is ever lost between two checks,
 * and says `false` when it is full. The task then stops before its next input record.
 */
export interface ChannelWriter {
  /** `hash` is `keyHash` of the record's key on a hash edge, else 0. */
  append(value: unknown, timestampMs: number, hash: number): boolean;
  /** Closes the open batch first. Controls are always taken. */
  control(control: Control): void;
  /** Hands over the open batch, full or not. */
  flush(): void;
  isWritable(): boolean;
  /** Records that were handed over, counted by the batch. */
  recordsWritten(): number;
  /**
   * Out of band, before `control` puts the same barrier into its place: the reader hears of it at
   * once, so that an unaligned barrier can overtake what is queued.
   */
  announce(barrier: CheckpointBarrier): void;
  /** Called when credit came back, or the reader is gone. At most one callback; may come without need. */
  onWritable(wake: Wake): void;
  /** The reader is gone: what is appended goes nowhere. */
  isBroken(): boolean;
  /** Nothing will be written any more. Without an end of data before, the channel is broken. */
  close(): void;
}

/** A run of records between two controls. Belongs to the reader until `release`. */
export interface RecordBatch {
  readonly size: number;
  readonly values: readonly unknown[];
  /** `NaN` where a record has none. */
  readonly timestamps: Float64Array;
  readonly hashes: Int32Array;
}

export interface ChannelReader {
  /** The next batch or control in order, without taking it; `undefined` if there is none now. */
  peek(): RecordBatch | Control | undefined;
  /** Done with what `peek` gave: its memory may be used again, its credit goes back. */
  release(): void;
  /**
   * Copies of the records that are queued now before the barrier of this checkpoint (all of them if
   * it is not here yet), for an unaligned checkpoint.
   */
  captureInFlight(checkpointId: number): readonly RecordBatch[];
  /** Called when `peek` may have something, or the writer is gone. At most one callback. */
  onReadable(wake: Wake): void;
  /** Called with each barrier that the writer announces, out of band. At most one callback. */
  onAnnounce(listener: (barrier: CheckpointBarrier) => void): void;
  /** All is read and the other side is gone without an end of data. */
  isBroken(): boolean;
  /** Why it is broken, where more is known than that the other side is gone. */
  brokenBy(): Error | undefined;
  /** Nothing will be read any more: drops what is queued, tells the writer. */
  close(): void;
}

/** Whether what `peek` gave is records. */
export function isBatch(element: RecordBatch | Control): element is RecordBatch {
  return !('kind' in element);
}

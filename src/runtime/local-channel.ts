/**
 * The channel between two tasks of one thread: a queue of batches and controls, passed by reference.
 *
 * Always holds: the queue is in the order of writing; the open batch comes after all of it and is not
 * seen by the reader until it is full, flushed, or a control follows. The channel is writable while
 * fewer than `batchesMax` batches are queued. What is appended beyond is taken all the same, so the
 * queue is bounded by what one input record (or one timer) of the writer's task makes.
 */
import { assert } from '../common/assert.ts';
import type { CheckpointBarrier } from '../contracts/snapshots.ts';
import {
  BATCH_RECORDS_MAX,
  isBatch,
  type ChannelReader,
  type ChannelWriter,
  type RecordBatch,
  type Wake,
} from './channel.ts';
import type { Control } from './element.ts';

/** Batches that may be queued before the writer is told to stop. */
export const LOCAL_CHANNEL_BATCHES_MAX = 8;

/** Read elements are cut off the queue's front when there are so many. */
const READ_ELEMENTS_MAX = 64;

export interface LocalChannelOptions {
  /** Default `LOCAL_CHANNEL_BATCHES_MAX`. Fewer: less in flight, more switches between tasks. */
  readonly batchesMax?: number;
}

/** The two ends of one queue. */
export class LocalChannel {
  readonly writer: ChannelWriter;
  readonly reader: ChannelReader;

  constructor({ batchesMax = LOCAL_CHANNEL_BATCHES_MAX }: LocalChannelOptions = {}) {
    assert(batchesMax >= 1, 'a channel needs room for a batch');
    const queue = new Queue(batchesMax);
    this.writer = new LocalWriter(queue);
    this.reader = new LocalReader(queue);
  }
}

class PooledBatch implements RecordBatch {
  size = 0;
  /**
   * A new array each time the batch is used: it is as young as the records, so the collector need
   * not note each store of a young object into an old one.
   */
  values = new Array<unknown>(BATCH_RECORDS_MAX);
  readonly timestamps = new Float64Array(BATCH_RECORDS_MAX);
  readonly hashes = new Int32Array(BATCH_RECORDS_MAX);
}

/** What both ends share. */
class Queue {
  readonly batchesMax: number;
  elements: (PooledBatch | Control)[] = [];
  /** Index of the next element to read. */
  head = 0;
  open = new PooledBatch();
  readonly spare: PooledBatch[] = [];
  batches = 0;
  recordsWritten = 0;
  writable = true;
  endOfData = false;
  writer: 'open' | 'closed' = 'open';
  reader: 'open' | 'closed' = 'open';
  wakeReader: Wake | undefined = undefined;
  wakeWriter: Wake | undefined = undefined;
  announced: ((barrier: CheckpointBarrier) => void) | undefined = undefined;

  constructor(batchesMax: number) {
    this.batchesMax = batchesMax;
  }

  isDrained(): boolean {
    return this.head === this.elements.length && this.open.size === 0;
  }
}

class LocalWriter implements ChannelWriter {
  readonly #queue: Queue;

  constructor(queue: Queue) {
    this.#queue = queue;
  }

  append(value: unknown, timestampMs: number, hash: number): boolean {
    const queue = this.#queue;
    const batch = queue.open;
    const at = batch.size;
    batch.values[at] = value;
    batch.timestamps[at] = timestampMs;
    batch.hashes[at] = hash;
    batch.size = at + 1;
    if (at === BATCH_RECORDS_MAX - 1) this.flush();
    return queue.writable;
  }

  control(control: Control): void {
    const queue = this.#queue;
    assert(queue.writer === 'open', 'a control is written to a closed channel');
    this.flush();
    if (queue.reader === 'closed') return;
    if (control.kind === 'end-of-data') queue.endOfData = true;
    queue.elements.push(control);
    queue.wakeReader?.();
  }

  flush(): void {
    const queue = this.#queue;
    const batch = queue.open;
    if (batch.size === 0) return;
    if (queue.reader === 'closed') {
      clear(batch);
      return;
    }
    queue.elements.push(batch);
    queue.recordsWritten += batch.size;
    queue.open = queue.spare.pop() ?? new PooledBatch();
    queue.batches++;
    queue.writable = queue.batches < queue.batchesMax;
    queue.wakeReader?.();
  }

  isWritable(): boolean {
    return this.#queue.writable;
  }

  recordsWritten(): number {
    return this.#queue.recordsWritten;
  }

  announce(barrier: CheckpointBarrier): void {
    this.#queue.announced?.(barrier);
  }

  onWritable(wake: Wake): void {
    this.#queue.wakeWriter = wake;
  }

  isBroken(): boolean {
    return this.#queue.reader === 'closed';
  }

  close(): void {
    const queue = this.#queue;
    if (queue.writer === 'closed') return;
    this.flush();
    queue.writer = 'closed';
    queue.wakeWriter = undefined;
    queue.wakeReader?.();
  }
}

class LocalReader implements ChannelReader {
  readonly #queue: Queue;

  constructor(queue: Queue) {
    this.#queue = queue;
  }

  peek(): RecordBatch | Control | undefined {
    const queue = this.#queue;
    return queue.elements[queue.head];
  }

  release(): void {
    const queue = this.#queue;
    const element = queue.elements[queue.head];
    assert(element !== undefined, 'a channel releases what it has not given');
    queue.head++;
    if (queue.head === queue.elements.length) {
      queue.elements.length = 0;
      queue.head = 0;
    } else if (queue.head >= READ_ELEMENTS_MAX) {
      queue.elements.splice(0, queue.head);
      queue.head = 0;
    }
    if (!isBatch(element)) return;
    clear(element);
    if (queue.spare.length < queue.batchesMax) queue.spare.push(element);
    queue.batches--;
    if (!queue.writable && queue.batches < queue.batchesMax) {
      queue.writable = true;
      queue.wakeWriter?.();
    }
  }

  captureInFlight(checkpointId: number): readonly RecordBatch[] {
    const queue = this.#queue;
    const captured: RecordBatch[] = [];
    for (let at = queue.head; at < queue.elements.length; at++) {
      const element = queue.elements[at];
      if (element === undefined) break;
      if (isBatch(element)) captured.push(copyOf(element));
      else if (element.kind === 'barrier' && element.barrier.checkpointId >= checkpointId) {
        return captured;
      }
    }
    if (queue.open.size > 0) captured.push(copyOf(queue.open));
    return captured;
  }

  onReadable(wake: Wake): void {
    this.#queue.wakeReader = wake;
  }

  onAnnounce(listener: (barrier: CheckpointBarrier) => void): void {
    this.#queue.announced = listener;
  }

  isBroken(): boolean {
    const queue = this.#queue;
    return queue.writer === 'closed' && !queue.endOfData && queue.isDrained();
  }

  brokenBy(): undefined {
    return undefined;
  }

  close(): void {
    const queue = this.#queue;
    if (queue.reader === 'closed') return;
    queue.reader = 'closed';
    queue.elements = [];
    queue.head = 0;
    queue.batches = 0;
    queue.spare.length = 0;
    clear(queue.open);
    queue.wakeReader = undefined;
    queue.announced = undefined;
    // A writer never waits for a reader that is gone.
    queue.writable = true;
    queue.wakeWriter?.();
  }
}

/** Lets go of the values, so that they can die young. */
function clear(batch: PooledBatch): void {
  batch.values = new Array<unknown>(BATCH_RECORDS_MAX);
  batch.size = 0;
}

function copyOf(batch: PooledBatch): RecordBatch {
  const { size } = batch;
  return {
    size,
    values: batch.values.slice(0, size),
    timestamps: batch.timestamps.slice(0, size),
    hashes: batch.hashes.slice(0, size),
  };
}

import type { Backoff } from '../client/backoff.ts';
import type { Leader } from '../client/kafka-client.ts';
import { tailOf } from './record-batch.ts';
import { type Chunk, type CursorOptions, NO_EPOCH, RecordCursor } from './record-cursor.ts';
import type { KafkaSplit } from './kafka-split.ts';

/** Waiting answers of a partition: the one that is being read is not among them. */
const CHUNKS_MAX = 1;

/**
 * A partition that is read: what was fetched and not read yet, and who leads it.
 *
 *   lost ──leader found──► ready ──fetch sent──► asked ──answer──► ready
 *    ▲                       └────── leader is another ──┴──► lost
 */
export class PartitionFetch {
  readonly split: KafkaSplit;
  readonly cursor: RecordCursor;
  readonly backoff: Backoff;
  state: 'lost' | 'finding' | 'ready' | 'asked' = 'lost';
  leader: Leader | undefined;
  /** The next offset to ask for. */
  fetchOffset: number;
  /** Under which leader the record before it was written, so that the broker can tell whether it still has it. */
  fetchEpoch: number;
  /** The next offset that will be written, or that is committed, as of the last answer. */
  endOffset: number | undefined;
  readonly #chunks: Chunk[] = [];
  /** Where reading goes on when the chunks are read. */
  #resetOffset: number | undefined;
  #readingBytes = 0;
  #waitingBytes = 0;

  constructor(split: KafkaSplit, backoff: Backoff, options: CursorOptions) {
    this.split = split;
    this.backoff = backoff;
    this.cursor = new RecordCursor(split, options);
    this.fetchOffset = split.offset;
    this.fetchEpoch = split.leaderEpoch ?? NO_EPOCH;
  }

  get id(): string {
    return this.cursor.splitId;
  }

  /** Fetched and in memory. */
  get bytes(): number {
    return (this.cursor.hasChunk ? this.#readingBytes : 0) + this.#waitingBytes;
  }

  get isFull(): boolean {
    return this.#chunks.length >= CHUNKS_MAX;
  }

  /** All that was asked for is read. */
  get isAtStop(): boolean {
    return this.cursor.position >= (this.split.stopOffset ?? Infinity);
  }

  /** Whether it is known that fetching more would be in vain. */
  get isFetchedToStop(): boolean {
    return this.fetchOffset >= (this.split.stopOffset ?? Infinity);
  }

  /** How far behind the end the reader is; undefined before the first answer. */
  get pendingRecords(): number | undefined {
    return this.endOffset === undefined
      ? undefined
      : Math.max(0, this.endOffset - this.cursor.position);
  }

  add(chunk: Chunk): void {
    const tail = tailOf(chunk.bytes);
    if (tail === undefined) return;
    this.#chunks.push(chunk);
    this.#waitingBytes += chunk.bytes.length;
    this.fetchOffset = Math.max(tail.offsetBehind, chunk.fetchOffset);
    this.fetchEpoch = tail.leaderEpoch;
  }

  /** Goes to the next chunk. False: none is there. */
  nextChunk(): boolean {
    const chunk = this.#chunks.shift();
    if (chunk === undefined) {
      if (this.#resetOffset !== undefined) this.cursor.moveTo(this.#resetOffset);
      this.#resetOffset = undefined;
      return false;
    }
    this.#readingBytes = chunk.bytes.length;
    this.#waitingBytes -= this.#readingBytes;
    this.cursor.open(chunk);
    return true;
  }

  /** Reading goes on elsewhere; what was fetched already is read first. */
  resetTo(offset: number): void {
    this.fetchOffset = offset;
    this.fetchEpoch = NO_EPOCH;
    this.#resetOffset = offset;
  }

  /** Whether something was fetched that was not handed out. */
  get isAhead(): boolean {
    return this.#chunks.length > 0 || this.cursor.hasChunk;
  }

  /** Fetching goes on where reading is. */
  dropAhead(): void {
    this.#chunks.length = 0;
    this.#waitingBytes = 0;
    this.cursor.close();
    if (this.#resetOffset !== undefined) return;
    this.fetchOffset = this.cursor.position;
    this.fetchEpoch = this.cursor.leaderEpoch;
  }

  progress(): KafkaSplit {
    const { fromEarliest, leaderEpoch: _before, ...split } = this.split;
    const { position, leaderEpoch } = this.cursor;
    const stopOffset = split.stopOffset ?? Infinity;
    const offset = Math.min(position, stopOffset);
    const isUntouched = fromEarliest === true && offset === this.split.offset;
    // Behind the end it is the epoch of a record that is not ours.
    const isKnown = leaderEpoch !== NO_EPOCH && position <= stopOffset;
    return {
      ...split,
      offset,
      ...(isUntouched ? { fromEarliest } : {}),
      ...(isKnown ? { leaderEpoch } : {}),
    };
  }
}

import type { Backoff } from '../client/backoff.ts';
import type { Leader } from '../client/kafka-client.ts';
import { offsetBehindAll } from './record-batch.ts';
import { type Chunk, RecordCursor } from './record-cursor.ts';
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
  /** The next offset that will be written, or that is committed, as of the last answer. */
  endOffset: number | undefined;
  readonly #chunks: Chunk[] = [];
  /** Where reading goes on when the chunks are read. */
  #resetOffset: number | undefined;
  #readingBytes = 0;
  #waitingBytes = 0;

  constructor(split: KafkaSplit, backoff: Backoff, checksCrc: boolean) {
    this.split = split;
    this.backoff = backoff;
    this.cursor = new RecordCursor(split, checksCrc);
    this.fetchOffset = split.offset;
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
    const behind = offsetBehindAll(chunk.bytes);
    if (behind === undefined) return;
    this.#chunks.push(chunk);
    this.#waitingBytes += chunk.bytes.length;
    this.fetchOffset = Math.max(behind, chunk.fetchOffset);
  }

  /** Goes to the next chunk. False: none is there. */
  nextChunk(): boolean {
    const chunk = this.#chunks.shift();
    if (chunk === undefined) {
      this.cursor.position = this.#resetOffset ?? this.cursor.position;
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
    this.#resetOffset = offset;
  }

  progress(): KafkaSplit {
    const { fromEarliest, ...split } = this.split;
    const offset = Math.min(this.cursor.position, split.stopOffset ?? Infinity);
    const isUntouched = fromEarliest === true && offset === this.split.offset;
    return { ...split, offset, ...(isUntouched ? { fromEarliest } : {}) };
  }
}

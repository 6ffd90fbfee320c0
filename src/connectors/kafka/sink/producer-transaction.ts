import type { Backoff } from '../client/backoff.ts';
import type { WrittenRange } from './open-transaction.ts';
import { PartitionQueue } from './partition-queue.ts';
import type { RecordBatchBuilder } from './record-batch-builder.ts';
import {
  EMPTY_TRANSACTION,
  type ProducerIdentity,
  stepTransaction,
  type TransactionEvent,
  type TransactionState,
} from './transaction-state.ts';

/** A batch that takes no more records. */
export interface Batch {
  readonly owner: ProducerTransaction;
  readonly lane: Lane;
  readonly builder: RecordBatchBuilder;
  readonly count: number;
  /** Of the records, which is what memory is counted by. */
  readonly sizeBytes: number;
  baseSequence: number;
  /** As it goes to the broker, once it was sent. A second time it must be the same. */
  bytes: Buffer | undefined;
}

/** A partition that is written to. */
export class Lane {
  readonly topic: string;
  readonly partition: number;
  readonly queue = new PartitionQueue<Batch>();
  readonly backoff: Backoff;
  /** Takes records now. */
  builder: RecordBatchBuilder | undefined;
  /** Undefined: to be found out. */
  leaderId: number | undefined;
  /** It waits before it is sent to again, or its leader is being looked up. */
  isHeld = false;

  constructor(topic: string, partition: number, backoff: Backoff) {
    this.topic = topic;
    this.partition = partition;
    this.backoff = backoff;
  }

  get name(): string {
    return `${this.topic}-${this.partition}`;
  }
}

/** What a transaction knows of one partition. */
interface Written {
  nextSequence: number;
  /** Whether the coordinator knows that the partition takes part. */
  added: 'no' | 'adding' | 'yes';
  firstOffset: bigint;
  lastOffset: bigint;
}

/** Told when all batches that were unanswered at its beginning are answered. */
interface Flush {
  left: number;
  readonly resolve: () => void;
}

/**
 * What is written under one producer id: sequences, partitions and unanswered batches. Without a
 * transactional id it never ends.
 */
export class ProducerTransaction {
  readonly transactionalId: string | undefined;
  #state: TransactionState = EMPTY_TRANSACTION;
  readonly #lanes = new Map<Lane, Written>();
  readonly #unanswered = new Map<Batch, Flush[]>();

  constructor(transactionalId: string | undefined) {
    this.transactionalId = transactionalId;
  }

  get state(): TransactionState {
    return this.#state;
  }

  step(event: TransactionEvent): void {
    this.#state = stepTransaction(this.#state, event);
  }

  /** Undefined: not known yet. */
  get identity(): ProducerIdentity | undefined {
    return this.#state.kind === 'open' ? this.#state : undefined;
  }

  get hasUnanswered(): boolean {
    return this.#unanswered.size > 0;
  }

  /** Takes a batch of so many records in, and says where its sequence numbers begin. */
  take(batch: Batch, lane: Lane, count: number): number {
    this.#unanswered.set(batch, []);
    let written = this.#lanes.get(lane);
    if (written === undefined) {
      const added = this.transactionalId === undefined ? 'yes' : 'no';
      written = { nextSequence: 0, added, firstOffset: -1n, lastOffset: -1n };
      this.#lanes.set(lane, written);
    }
    const baseSequence = written.nextSequence;
    // Sequence numbers begin anew behind the greatest one.
    written.nextSequence = (baseSequence + count) & 0x7fffffff;
    return baseSequence;
  }

  isAdded(lane: Lane): boolean {
    return this.#lanes.get(lane)?.added === 'yes';
  }

  /** Partitions that the coordinator must be told of; marked as being told. */
  takeUnadded(): Lane[] {
    const lanes: Lane[] = [];
    for (const [lane, written] of this.#lanes) {
      if (written.added !== 'no') continue;
      written.added = 'adding';
      lanes.push(lane);
    }
    return lanes;
  }

  added(lanes: readonly Lane[]): void {
    for (const lane of lanes) {
      const written = this.#lanes.get(lane);
      if (written !== undefined) written.added = 'yes';
    }
  }

  /** @param baseOffset -1: the broker had it already and does not say where. */
  answered(batch: Batch, baseOffset: bigint): void {
    const written = this.#lanes.get(batch.lane);
    if (written !== undefined && baseOffset >= 0n) {
      const lastOffset = baseOffset + BigInt(batch.count - 1);
      if (written.firstOffset < 0n || baseOffset < written.firstOffset) {
        written.firstOffset = baseOffset;
      }
      if (lastOffset > written.lastOffset) written.lastOffset = lastOffset;
    }
    const flushes = this.#unanswered.get(batch) ?? [];
    this.#unanswered.delete(batch);
    for (const flush of flushes) {
      flush.left -= 1;
      if (flush.left === 0) flush.resolve();
    }
  }

  /** Resolves when everything that was taken in so far is answered. */
  flushed(): Promise<void> {
    if (this.#unanswered.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const flush = { left: this.#unanswered.size, resolve };
      for (const flushes of this.#unanswered.values()) flushes.push(flush);
    });
  }

  written(): WrittenRange[] {
    return [...this.#lanes].map(([{ topic, partition }, { firstOffset, lastOffset }]) => ({
      topic,
      partition,
      firstOffset,
      lastOffset,
    }));
  }
}

/**
 * Writes records to partitions: batches, idempotent sequence numbers, several requests in flight, and
 * everything again that a broker could not take. With transactions or without.
 *
 *   append ──► builder of the lane ──full, linger, flush──► queue of the lane ──pump──► request ──► answer
 *
 * Always holds: the records of a partition reach it in the order of `append`; a transaction is flushed only
 * when every one of its records is at the broker; the memory of what is on its way is bounded, because
 * `append` says when its caller must wait.
 */
import type { Cancel } from '../../../common/clock.ts';
import { deferred, type Deferred } from '../../../common/deferred.ts';
import type { World } from '../../../contracts/source.ts';
import { faultOf, isRetriable, refusal } from '../client/fault.ts';
import type { KafkaClient, Target } from '../client/kafka-client.ts';
import { type ProduceAnswer, type ProduceRequest } from './produce-request.ts';
import { NodeSender } from './node-sender.ts';
import { type Batch, Lane, ProducerTransaction } from './producer-transaction.ts';
import { addPartitions, takeTransactionalId } from './transaction-requests.ts';
import {
  type BatchCompression,
  BATCH_HEADER_BYTES,
  type KafkaBytes,
  type KafkaHeaders,
  RecordBatchBuilder,
} from './record-batch-builder.ts';
import { batchTooLarge, recordTooLarge, sequenceBroken, transactionGone } from './errors.ts';

export interface ProducerOptions {
  readonly client: KafkaClient;
  readonly world: World;
  /** Undefined: no transactions. */
  readonly nextTransactionalId: (() => string) | undefined;
  readonly transactionTimeoutMs: number;
  readonly lingerMs: number;
  readonly batchSizeBytes: number;
  readonly bufferBytesMax: number;
  readonly requestBytesMax: number;
  readonly deliveryTimeoutMs: number;
  readonly requestTimeoutMs: number;
  readonly compression: BatchCompression | undefined;
}

/** Memory of batches that are answered, for the next ones. */
const SPARE_BUFFERS_MAX = 32;
const FIRST_BUFFER_BYTES = 16 * 1024;
const DUPLICATE = 'DUPLICATE_SEQUENCE_NUMBER';
const OUT_OF_ORDER = 'OUT_OF_ORDER_SEQUENCE_NUMBER';
const GONE =
  /^(PRODUCER_FENCED|INVALID_PRODUCER_EPOCH|INVALID_TXN_STATE|INVALID_PRODUCER_ID_MAPPING|TRANSACTION_ABORTABLE|TRANSACTIONAL_ID_NOT_FOUND)$/;

export class KafkaProducer {
  readonly #options: ProducerOptions;
  readonly #nodes = new Map<number, NodeSender>();
  /** With records in their builder. */
  readonly #open = new Set<Lane>();
  /** With batches in their queue. */
  readonly #queued = new Set<Lane>();
  readonly #spare: Buffer[] = [];
  #current: ProducerTransaction;
  #queuedBytes = 0;
  #cancelLinger: Cancel | undefined;
  #isPumping = false;
  #room: Deferred<void> | undefined;
  readonly #failed = deferred<never>();
  #failure: Error | undefined;
  #isClosed = false;

  constructor(options: ProducerOptions) {
    this.#options = options;
    this.#current = this.#begin();
    this.#failed.promise.catch(() => undefined);
  }

  lane(topic: string, partition: number): Lane {
    const { client, deliveryTimeoutMs } = this.#options;
    return new Lane(topic, partition, client.backoff(deliveryTimeoutMs));
  }

  /**
   * Adds a record to the current transaction.
   *
   * @returns Whether too much is on its way: wait for `room` before the next one.
   * @throws what an earlier record met.
   */
  append(
    lane: Lane,
    timestampMs: number,
    key: KafkaBytes,
    value: KafkaBytes,
    headers: KafkaHeaders | undefined,
  ): boolean {
    if (this.#failure !== undefined) throw this.#failure;
    const builder = lane.builder ?? this.#beginBatch(lane);
    const before = builder.sizeBytes;
    builder.append(timestampMs, key, value, headers);
    if (builder.sizeBytes >= this.#options.batchSizeBytes) {
      this.#checkSize(lane, builder.sizeBytes - before);
      this.#closeBatch(lane, builder);
    }
    return this.#queuedBytes > this.#options.bufferBytesMax;
  }

  /** Resolves when less is on its way than the limit. */
  room(): Promise<void> {
    if (this.#queuedBytes <= this.#options.bufferBytesMax) return Promise.resolve();
    this.#room ??= deferred();
    return Promise.race([this.#room.promise, this.#failed.promise]);
  }

  /** What was written so far is a transaction of its own; what follows goes to the next one. */
  rotate(): ProducerTransaction {
    this.closeBatches();
    const ended = this.#current;
    if (ended.transactionalId !== undefined) this.#current = this.#begin();
    return ended;
  }

  /** Resolves when all records of the transaction so far are at the brokers. */
  async flushed(transaction: ProducerTransaction): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    await Promise.race([transaction.flushed(), this.#failed.promise]);
  }

  get current(): ProducerTransaction {
    return this.#current;
  }

  /** Nothing is sent any more. What is under way fails or not, nobody waits for it. */
  close(): void {
    this.#isClosed = true;
    this.#cancelLinger?.();
  }

  /** Sends what waits for more records. */
  closeBatches(): void {
    for (const lane of this.#open) {
      if (lane.builder !== undefined) this.#closeBatch(lane, lane.builder);
    }
  }

  #begin(): ProducerTransaction {
    return new ProducerTransaction(this.#options.nextTransactionalId?.());
  }

  #beginBatch(lane: Lane): RecordBatchBuilder {
    const builder = new RecordBatchBuilder(
      this.#spare.pop() ?? Buffer.allocUnsafeSlow(FIRST_BUFFER_BYTES),
    );
    lane.builder = builder;
    this.#open.add(lane);
    const { world, lingerMs } = this.#options;
    this.#cancelLinger ??= world.clock.after(lingerMs, () => {
      this.#cancelLinger = undefined;
      this.closeBatches();
    });
    return builder;
  }

  #checkSize(lane: Lane, recordBytes: number): void {
    const { requestBytesMax } = this.#options;
    if (recordBytes + BATCH_HEADER_BYTES <= requestBytesMax) return;
    const error = recordTooLarge(lane.topic, recordBytes, requestBytesMax);
    this.#fail(error);
    throw error;
  }

  #closeBatch(lane: Lane, builder: RecordBatchBuilder): void {
    lane.builder = undefined;
    this.#open.delete(lane);
    const { count, sizeBytes } = builder;
    const owner = this.#current;
    const batch: Batch = {
      owner,
      lane,
      builder,
      count,
      sizeBytes,
      baseSequence: 0,
      bytes: undefined,
    };
    batch.baseSequence = owner.take(batch, lane, count);
    lane.queue.add(batch);
    this.#queued.add(lane);
    this.#queuedBytes += sizeBytes;
    if (owner.state.kind === 'empty') this.#initialize(owner);
    this.#pumpSoon();
  }

  #initialize(transaction: ProducerTransaction): void {
    transaction.step({ kind: 'record' });
    const { client, transactionTimeoutMs, deliveryTimeoutMs } = this.#options;
    const { transactionalId } = transaction;
    this.#run(transaction, async () => {
      const { producerId, producerEpoch } = await takeTransactionalId(client, {
        transactionalId,
        timeoutMs: transactionTimeoutMs,
        giveUpAfterMs: deliveryTimeoutMs,
      });
      transaction.step({ kind: 'initialized', producerId, producerEpoch });
    });
  }

  /** The coordinator must know of a partition before anything is written to it. */
  #addPartitions(transaction: ProducerTransaction): void {
    const { identity, transactionalId } = transaction;
    if (identity === undefined || transactionalId === undefined) return;
    const lanes = transaction.takeUnadded();
    if (lanes.length === 0) return;
    const { client, deliveryTimeoutMs } = this.#options;
    this.#run(transaction, async () => {
      await addPartitions(client, { transactionalId, ...identity }, lanes, deliveryTimeoutMs);
      transaction.added(lanes);
    });
  }

  /** Does something for a transaction without which its batches cannot go on. */
  #run(transaction: ProducerTransaction, task: () => Promise<void>): void {
    task().then(
      () => {
        this.#pumpSoon();
      },
      (error: unknown) => {
        const { apiError } = faultOf(error);
        const { transactionalId } = transaction;
        const isGone = transactionalId !== undefined && GONE.test(apiError ?? '');
        this.#fail(isGone ? transactionGone(transactionalId, apiError ?? '', error) : error);
      },
    );
  }

  /** At the event loop's next turn, so that the batches of all partitions share requests. */
  #pumpSoon(): void {
    if (this.#isPumping || this.#isClosed) return;
    this.#isPumping = true;
    this.#options.world.clock.turn(() => {
      this.#isPumping = false;
      while (!this.#isClosed && this.#failure === undefined && this.#pump());
    });
  }

  /** Sends what can be sent, a batch per partition. False: there was nothing. */
  #pump(): boolean {
    const requests = new Map<
      string,
      { nodeId: number; owner: ProducerTransaction; lanes: Lane[] }
    >();
    const full: { nodeId: number; owner: ProducerTransaction; lanes: Lane[] }[] = [];
    const bytes = new Map<string, number>();
    for (const lane of this.#queued) {
      const batch = lane.isHeld ? undefined : lane.queue.peek();
      if (batch === undefined) continue;
      const { owner } = batch;
      if (owner.identity === undefined) continue;
      if (!owner.isAdded(lane)) {
        this.#addPartitions(owner);
        continue;
      }
      const nodeId = lane.leaderId;
      if (nodeId === undefined) {
        this.#findLeader(lane);
        continue;
      }
      const key = `${nodeId}/${owner.transactionalId ?? ''}`;
      const sum = (bytes.get(key) ?? 0) + batch.sizeBytes;
      const request = requests.get(key);
      if (request !== undefined && sum <= this.#options.requestBytesMax) {
        request.lanes.push(lane);
        bytes.set(key, sum);
        continue;
      }
      if (request !== undefined) full.push(request);
      requests.set(key, { nodeId, owner, lanes: [lane] });
      bytes.set(key, batch.sizeBytes);
    }
    const all = [...full, ...requests.values()];
    for (const { nodeId, owner, lanes } of all) this.#send(nodeId, owner, lanes);
    return all.length > 0;
  }

  #send(nodeId: number, owner: ProducerTransaction, lanes: readonly Lane[]): void {
    const { identity, transactionalId } = owner;
    if (identity === undefined) return;
    const batches: Batch[] = [];
    for (const lane of lanes) {
      const batch = lane.queue.next();
      if (batch === undefined) continue;
      batch.bytes ??= batch.builder.finish({
        ...identity,
        baseSequence: batch.baseSequence,
        isTransactional: transactionalId !== undefined,
        compression: this.#options.compression,
      });
      batches.push(batch);
    }
    let node = this.#nodes.get(nodeId);
    if (node === undefined) {
      node = new NodeSender(this.#options.client, nodeId);
      this.#nodes.set(nodeId, node);
    }
    const timeoutMs = this.#options.requestTimeoutMs;
    const request: ProduceRequest = { transactionalId, batches, timeoutMs };
    node.send(request).then(
      (answers) => {
        for (const batch of batches) this.#answered(batch, answers.get(batch));
      },
      (error: unknown) => {
        const fault = faultOf(error);
        for (const batch of batches) {
          if (fault.retriable) this.#again(batch, error);
          else this.#fail(this.#options.client.errorOf('write', leaderOf(batch.lane), error));
        }
      },
    );
  }

  #answered(batch: Batch, answer: ProduceAnswer | undefined): void {
    const { lane, owner } = batch;
    const error = answer?.error;
    if (answer !== undefined && (error === undefined || error === DUPLICATE)) {
      lane.queue.done(batch);
      lane.backoff.reset();
      owner.answered(batch, error === undefined ? answer.baseOffset : -1n);
      if (lane.queue.isIdle) this.#queued.delete(lane);
      if (this.#spare.length < SPARE_BUFFERS_MAX) this.#spare.push(batch.builder.memory);
      this.#queuedBytes -= batch.sizeBytes;
      if (this.#room !== undefined && this.#queuedBytes <= this.#options.bufferBytesMax) {
        this.#room.resolve();
        this.#room = undefined;
      }
      this.#pumpSoon();
      return;
    }
    // Something before it is missing, which comes again, and then this one too.
    const isBehind = error === OUT_OF_ORDER && !lane.queue.isOldest(batch);
    if (error === undefined || isBehind || isRetriable(error)) {
      this.#again(batch, error ?? 'NETWORK_EXCEPTION');
      return;
    }
    this.#fail(this.#errorOf(batch, error));
  }

  #errorOf(batch: Batch, error: string): unknown {
    const { lane, owner } = batch;
    if (owner.transactionalId !== undefined && GONE.test(error)) {
      return transactionGone(owner.transactionalId, error);
    }
    if (error === 'MESSAGE_TOO_LARGE' || error === 'RECORD_LIST_TOO_LARGE') {
      return batchTooLarge(lane.name, batch.bytes?.length ?? batch.sizeBytes, batch.count);
    }
    if (error === OUT_OF_ORDER || error === 'UNKNOWN_PRODUCER_ID') {
      return sequenceBroken(lane.name, error);
    }
    const cause = refusal(error);
    return this.#options.client.errorOf('write', leaderOf(lane), cause);
  }

  /** @param cause The library's error, or Kafka's name of one. */
  #again(batch: Batch, cause: unknown): void {
    const { lane } = batch;
    const { client } = this.#options;
    lane.queue.again(batch);
    const error = typeof cause === 'string' ? refusal(cause) : cause;
    client.forget(leaderOf(lane), faultOf(error));
    lane.leaderId = undefined;
    this.#hold(lane, error);
  }

  /** Waits before the partition is tried again. */
  #hold(lane: Lane, error: unknown): void {
    if (lane.isHeld) return;
    lane.isHeld = true;
    void lane.backoff.wait().then((isInTime) => {
      lane.isHeld = false;
      if (isInTime) this.#pumpSoon();
      else this.#fail(this.#options.client.errorOf('write', leaderOf(lane), error));
    });
  }

  #findLeader(lane: Lane): void {
    const { client } = this.#options;
    lane.isHeld = true;
    client.leader(lane.topic, lane.partition).then(
      ({ nodeId }) => {
        lane.isHeld = false;
        lane.leaderId = nodeId;
        this.#pumpSoon();
      },
      (error: unknown) => {
        lane.isHeld = false;
        if (faultOf(error).retriable) this.#hold(lane, error);
        else this.#fail(client.errorOf('write', leaderOf(lane), error));
      },
    );
  }

  #fail(error: unknown): void {
    if (this.#failure !== undefined || this.#isClosed) return;
    this.#failure = error instanceof Error ? error : new TypeError(String(error));
    this.#failed.reject(this.#failure);
  }
}

function leaderOf({ topic, partition }: Lane): Target {
  return { kind: 'leader', topic, partition };
}

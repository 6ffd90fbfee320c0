import type { DeadLetter } from '../../../contracts/dead-letter.ts';
import { recordTooLarge } from '../sink/errors.ts';
import { refusal } from '../client/fault.ts';
import type { KafkaClient } from '../client/kafka-client.ts';
import { partitionOfText } from '../sink/murmur2.ts';
import { produce } from '../sink/produce-request.ts';
import { Lane, ProducerTransaction, type Batch } from '../sink/producer-transaction.ts';
import { RecordBatchBuilder } from '../sink/record-batch-builder.ts';
import {
  addPartitions,
  endTransaction,
  type TransactionHandle,
} from '../sink/transaction-requests.ts';

const GIVE_UP_MS = 30_000;
const REQUEST_MS = 30_000;
/** A letter may be larger: it then has a batch of its own. */
const BATCH_BYTES = 512 * 1024;
const NO_TIME = -1;
const WRITTEN = new Set([undefined, 'DUPLICATE_SEQUENCE_NUMBER']);

/**
 * Letters of one step, written one request after another under an identity that was taken before. A request whose
 * answer is lost is sent again as it was: the broker knows it by its sequence number.
 */
export class LetterTransaction {
  readonly #client: KafkaClient;
  readonly #handle: TransactionHandle;

  constructor(client: KafkaClient, handle: TransactionHandle) {
    this.#client = client;
    this.#handle = handle;
  }

  async write(topic: string, partitions: number, letters: readonly DeadLetter[]): Promise<void> {
    const byPartition = new Map<number, DeadLetter[]>();
    for (const letter of letters) {
      const partition = Math.max(0, partitionOfText(letter.id, partitions));
      const own = byPartition.get(partition) ?? [];
      byPartition.set(partition, own);
      own.push(letter);
    }
    const lanes = [...byPartition.keys()].map((partition) => ({ topic, partition }));
    await addPartitions(this.#client, this.#handle, lanes, GIVE_UP_MS);
    for (const [partition, own] of byPartition) await this.#writeTo(topic, partition, own);
  }

  commit(): Promise<void> {
    return endTransaction(this.#client, this.#handle, 'commit', GIVE_UP_MS);
  }

  async #writeTo(topic: string, partition: number, letters: readonly DeadLetter[]): Promise<void> {
    const lane = new Lane(topic, partition, this.#client.backoff());
    let baseSequence = 0;
    let builder = newBuilder();
    const send = async (): Promise<void> => {
      await this.#send(lane, builder, baseSequence);
      baseSequence += builder.count;
      builder = newBuilder();
    };
    for (const letter of letters) {
      const timestampMs = letter.eventTime === null ? NO_TIME : Date.parse(letter.eventTime);
      const text = JSON.stringify(letter);
      if (builder.count > 0 && builder.sizeBytes + text.length > BATCH_BYTES) await send();
      builder.append(timestampMs, letter.id, text, undefined);
    }
    if (builder.count > 0) await send();
  }

  async #send(lane: Lane, builder: RecordBatchBuilder, baseSequence: number): Promise<void> {
    const { topic, partition } = lane;
    const { transactionalId, producerId, producerEpoch } = this.#handle;
    const stamp = { producerId, producerEpoch, baseSequence };
    const bytes = builder.finish({ ...stamp, isTransactional: true, compression: undefined });
    const batch: Batch = {
      owner: new ProducerTransaction(transactionalId),
      lane,
      builder,
      count: builder.count,
      sizeBytes: bytes.length,
      baseSequence,
      bytes,
    };
    await this.#client.call({
      to: { kind: 'leader', topic, partition },
      doing: 'write letters',
      giveUpAfterMs: GIVE_UP_MS,
      send: async (connection) => {
        const request = { transactionalId, batches: [batch], timeoutMs: REQUEST_MS };
        const error = (await produce(connection, request)).get(batch)?.error;
        if (error === 'MESSAGE_TOO_LARGE') throw recordTooLarge(topic, bytes.length, BATCH_BYTES);
        if (!WRITTEN.has(error)) throw refusal(error ?? 'UNKNOWN_SERVER_ERROR');
      },
    });
  }
}

function newBuilder(): RecordBatchBuilder {
  return new RecordBatchBuilder(Buffer.allocUnsafeSlow(BATCH_BYTES));
}

/** Requests about transactions, as their coordinator takes them. */
import type { KafkaClient, Target } from '../client/kafka-client.ts';
import { library } from '../client/library.ts';

export interface TransactionHandle {
  readonly transactionalId: string;
  readonly producerId: bigint;
  readonly producerEpoch: number;
}

export interface TransactionDescription {
  /** `Empty`, `Ongoing`, `PrepareCommit`, `PrepareAbort`, `CompleteCommit`, `CompleteAbort`, `Dead`. */
  readonly state: string;
  readonly producerId: bigint;
  readonly producerEpoch: number;
  readonly timeoutMs: number;
}

/** A transaction in one of the two states in which its writer may still write. */
const UNFINISHED = ['Ongoing', 'Empty'] as const;
/** No writer uses a time that short. */
const FENCED_MS = 1;

export async function addPartitions(
  client: KafkaClient,
  handle: TransactionHandle,
  partitions: readonly { readonly topic: string; readonly partition: number }[],
  giveUpAfterMs: number,
): Promise<void> {
  const topics = new Map<string, number[]>();
  for (const { topic, partition } of partitions) {
    topics.set(topic, [...(topics.get(topic) ?? []), partition]);
  }
  const transaction = {
    ...handle,
    topics: [...topics].map(([name, numbers]) => ({ name, partitions: numbers })),
    verifyOnly: false,
  };
  await client.call({
    to: coordinatorOf(handle.transactionalId),
    doing: 'write to a partition in a transaction',
    giveUpAfterMs,
    send: (connection) => library().addPartitionsToTxnV3.api.async(connection, [transaction]),
  });
}

/**
 * Always the same version: a transaction that one version of this request ended is refused by another
 * one, as if it had not been committed.
 */
export async function endTransaction(
  client: KafkaClient,
  handle: TransactionHandle,
  how: 'commit' | 'abort',
  giveUpAfterMs: number,
): Promise<void> {
  const { transactionalId, producerId, producerEpoch } = handle;
  await client.call({
    to: coordinatorOf(transactionalId),
    doing: `${how} a transaction`,
    giveUpAfterMs,
    send: (connection) =>
      library().endTxnV4.api.async(
        connection,
        transactionalId,
        producerId,
        producerEpoch,
        how === 'commit',
      ),
  });
}

export interface TakeOptions {
  /** Undefined: a producer without transactions. */
  readonly transactionalId: string | undefined;
  /** Remembered by the coordinator. */
  readonly timeoutMs: number;
  readonly giveUpAfterMs: number;
}

/** Gives the id a new epoch: what is open under it is aborted, and whoever had it can write no more. */
export async function takeTransactionalId(
  client: KafkaClient,
  { transactionalId, timeoutMs, giveUpAfterMs }: TakeOptions,
): Promise<{ readonly producerId: bigint; readonly producerEpoch: number }> {
  return client.call({
    to: transactionalId === undefined ? { kind: 'any' } : coordinatorOf(transactionalId),
    doing: 'open a transaction',
    giveUpAfterMs,
    // If the first answer is lost, the second gives a later epoch, and nobody has the first.
    send: (connection) =>
      library().initProducerIdV4.api.async(connection, transactionalId ?? null, timeoutMs, -1n, -1),
  });
}

/**
 * Aborts what is open under an id, and shuts its writer out. The id is never used again; its short
 * timeout marks it as done with, so that later starts pass it over.
 */
export async function fenceTransactionalId(
  client: KafkaClient,
  transactionalId: string,
  giveUpAfterMs: number,
): Promise<void> {
  await takeTransactionalId(client, { transactionalId, timeoutMs: FENCED_MS, giveUpAfterMs });
}

/** Whether `fenceTransactionalId` has been here. */
export function isFenced({ state, timeoutMs }: TransactionDescription): boolean {
  return state === 'Empty' && timeoutMs === FENCED_MS;
}

/** What the coordinator knows of a transactional id; undefined: nothing, or nothing any more. */
export async function describeTransaction(
  client: KafkaClient,
  transactionalId: string,
  giveUpAfterMs: number,
): Promise<TransactionDescription | undefined> {
  const { transactionStates } = await client.call({
    to: coordinatorOf(transactionalId),
    doing: 'look a transaction up',
    giveUpAfterMs,
    send: (connection) => library().describeTransactionsV0.api.async(connection, [transactionalId]),
  });
  const [found] = transactionStates;
  if (found === undefined) return undefined;
  return {
    state: found.transactionState,
    producerId: found.producerId,
    producerEpoch: found.producerEpoch,
    timeoutMs: found.transactionTimeoutMs,
  };
}

/** Ids whose writers may still write, at all coordinators of the cluster. */
export async function unfinishedTransactions(
  client: KafkaClient,
  giveUpAfterMs: number,
): Promise<readonly string[]> {
  await client.metadata([]);
  const ids = await Promise.all(
    client.brokerIds.map(async (nodeId) => {
      const { transactionStates } = await client.call({
        to: { kind: 'broker', nodeId },
        doing: 'list transactions',
        giveUpAfterMs,
        send: (connection) =>
          library().listTransactionsV1.api.async(connection, [...UNFINISHED], [], -1n, null),
      });
      return transactionStates.map(({ transactionalId }) => transactionalId);
    }),
  );
  return ids.flat();
}

function coordinatorOf(id: string): Target {
  return { kind: 'coordinator', of: 'transaction', id };
}

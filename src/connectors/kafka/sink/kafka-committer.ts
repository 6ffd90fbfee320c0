import type {
  Committer,
  CommitResult,
  CommitterContext,
  Stamped,
} from '../../../contracts/sink.ts';
import { apiErrorOf } from '../client/fault.ts';
import { KafkaClient } from '../client/kafka-client.ts';
import type { KafkaSinkPlan } from './sink-options.ts';
import type { OpenTransaction } from './open-transaction.ts';
import {
  describeTransaction,
  endTransaction,
  fenceTransactionalId,
  isFenced,
  type TransactionDescription,
  unfinishedTransactions,
} from './transaction-requests.ts';
import { scopeOf, writerOf } from './transactional-id.ts';

/** A commit that takes longer is left to the next round. */
const COMMIT_MS_MAX = 30_000;
const AT_ONCE_MAX = 16;
/** The broker's ways to say that this transaction is not there (any more) to be committed. */
const REFUSED =
  /^(INVALID_TXN_STATE|PRODUCER_FENCED|INVALID_PRODUCER_EPOCH|INVALID_PRODUCER_ID_MAPPING|TRANSACTIONAL_ID_NOT_FOUND)$/;

/**
 * Ends transactions that other processes wrote. To commit twice is harmless: the coordinator answers as the
 * first time, as long as it remembers the id.
 */
export class KafkaCommitter implements Committer<OpenTransaction> {
  readonly #context: CommitterContext;
  readonly #client: KafkaClient;
  readonly #scope: string;
  /** Asked for and not done: their transactions must be left open. */
  readonly #unsettled = new Set<string>();

  constructor(context: CommitterContext, plan: KafkaSinkPlan<never>) {
    this.#context = context;
    const { world, uid } = context;
    this.#client = new KafkaClient({ access: plan.access, world, clientId: `${uid}-committer` });
    this.#scope = scopeOf(plan.transactionalIdPrefix, uid);
  }

  async commit(stamped: readonly Stamped<OpenTransaction>[]): Promise<CommitResult[]> {
    const failures: unknown[] = [];
    const results = await inParallel(stamped, async ({ committable }) => {
      try {
        return await this.#commit(committable);
      } catch (error) {
        failures.push(error);
        return 'retry' as const;
      }
    });
    for (const [index, result] of results.entries()) {
      const id = stamped[index]?.committable.transactionalId ?? '';
      if (result === 'retry') this.#unsettled.add(id);
      else this.#unsettled.delete(id);
    }
    // Thrown, it is what the coordinator tells people; with some of them done, it must not be.
    if (failures.length > 0 && failures.length === results.length) throw failures[0];
    return results;
  }

  async abortLeftovers(): Promise<void> {
    const ids = await unfinishedTransactions(this.#client, COMMIT_MS_MAX);
    const leftovers = ids.filter((id) => {
      const writer = writerOf(this.#scope, id);
      const isOurs = writer !== undefined && this.#context.isLeftover(writer);
      return isOurs && !this.#unsettled.has(id);
    });
    await inParallel(leftovers, async (id) => {
      const found = await describeTransaction(this.#client, id, COMMIT_MS_MAX);
      if (found === undefined || isFenced(found)) return;
      await fenceTransactionalId(this.#client, id, COMMIT_MS_MAX);
    });
  }

  async close(): Promise<void> {
    await this.#client.close();
  }

  async #commit(transaction: OpenTransaction): Promise<CommitResult> {
    try {
      await endTransaction(this.#client, transaction, 'commit', COMMIT_MS_MAX);
      return 'done';
    } catch (error) {
      if (!REFUSED.test(apiErrorOf(error) ?? '')) throw error;
    }
    return this.#lookUp(transaction);
  }

  /** Refused is what was committed long ago as well as what the broker has aborted. */
  async #lookUp(transaction: OpenTransaction): Promise<CommitResult> {
    const { transactionalId } = transaction;
    let found: TransactionDescription | undefined;
    try {
      found = await describeTransaction(this.#client, transactionalId, COMMIT_MS_MAX);
    } catch (error) {
      if (apiErrorOf(error) !== 'TRANSACTIONAL_ID_NOT_FOUND') throw error;
    }
    return fateOf(transaction, found);
  }
}

/** What became of a transaction whose commit was refused, from what its coordinator says of the id. */
export function fateOf(
  { producerId, producerEpoch }: OpenTransaction,
  found: TransactionDescription | undefined,
): CommitResult {
  if (found === undefined) return 'lost';
  // Ids are used once, so another producer or epoch is one that has shut this one out.
  if (found.producerId !== producerId || found.producerEpoch !== producerEpoch) return 'lost';
  switch (found.state) {
    case 'CompleteCommit':
    case 'PrepareCommit':
      return 'already';
    case 'Ongoing':
      return 'retry';
    default:
      return 'lost';
  }
}

/** Some at a time, with the results in order. */
async function inParallel<T, R>(items: readonly T[], task: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (let from = 0; from < items.length; from += AT_ONCE_MAX) {
    results.push(...(await Promise.all(items.slice(from, from + AT_ONCE_MAX).map(task))));
  }
  return results;
}

import type { Committer, CommitResult, CommitterContext, Stamped } from '../../contracts/sink.ts';
import { appendCheckpoint } from './append-snapshot.ts';
import { tableText } from './catalog.ts';
import type { PendingManifest } from './committable.ts';
import { sharedTable } from './errors.ts';
import { stampOf } from './job-stamp.ts';
import { prepareTable, type WantedTable } from './prepare-table.ts';
import { removeLeftovers } from './remove-leftovers.ts';
import type { CommitTarget } from './table-commit.ts';
import type { TableMetadata } from './table-metadata.ts';

export interface IcebergCommitterOptions {
  readonly target: CommitTarget;
  readonly wanted: WantedTable;
  readonly removeLeftovers: boolean;
  /** Called after a checkpoint was committed; what it throws is not the commit's failure. */
  readonly afterCommit: () => Promise<void>;
}

/**
 * Makes one snapshot of each checkpoint, in the order of checkpoints: a later one says by its mark that all
 * before it are in the table, so after the first that fails none is tried.
 */
export class IcebergCommitter implements Committer<PendingManifest> {
  readonly #context: CommitterContext;
  readonly #options: IcebergCommitterOptions;
  /** What is not in the table yet needs its files. */
  #isAllIn = true;

  constructor(context: CommitterContext, options: IcebergCommitterOptions) {
    this.#context = context;
    this.#options = options;
  }

  async commit(stamped: readonly Stamped<PendingManifest>[]): Promise<CommitResult[]> {
    const byCheckpoint = new Map<number, PendingManifest[]>();
    for (const { checkpointId, committable } of stamped) {
      const pending = byCheckpoint.get(checkpointId) ?? [];
      pending.push(committable);
      byCheckpoint.set(checkpointId, pending);
    }
    const results = new Map<number, CommitResult>();
    const failure = await this.#commitEach(byCheckpoint, results);
    this.#isAllIn = results.size === byCheckpoint.size;
    // A throw stands for 'retry' of all: only if nothing was committed that has to be told.
    if (failure !== undefined && results.size === 0) throw failure;
    return stamped.map(({ checkpointId }) => results.get(checkpointId) ?? 'retry');
  }

  async abortLeftovers(): Promise<void> {
    const { target, wanted } = this.#options;
    // Before the writers begin, so that they need not race for it.
    const { table } = await prepareTable(target, wanted);
    this.#requireOwnTable(table.metadata);
    if (!this.#options.removeLeftovers || !this.#isAllIn) return;
    const { uid } = this.#context;
    await removeLeftovers(target, uid, (writerId) => this.#context.isLeftover(writerId));
  }

  /** Whoever reads the table would see the records of a fork and of its original. */
  #requireOwnTable({ snapshots }: TableMetadata): void {
    const { forkedFrom, uid } = this.#context;
    if (forkedFrom === undefined) return;
    const isOriginals = (snapshots ?? []).some((one) => stampOf(one)?.lineage === forkedFrom);
    if (isOriginals) throw sharedTable(uid, tableText(this.#options.target.table));
  }

  async #commitEach(
    byCheckpoint: ReadonlyMap<number, readonly PendingManifest[]>,
    results: Map<number, CommitResult>,
  ): Promise<Error | undefined> {
    const { lineage, uid } = this.#context;
    const { target, afterCommit } = this.#options;
    const inOrder = [...byCheckpoint].sort(([a], [b]) => a - b);
    for (const [checkpointId, pending] of inOrder) {
      try {
        const stamp = { lineage, uid, checkpointId };
        results.set(checkpointId, await appendCheckpoint(target, stamp, pending));
      } catch (error) {
        return error as Error;
      }
    }
    await afterCommit().catch(() => undefined);
    return undefined;
  }
}

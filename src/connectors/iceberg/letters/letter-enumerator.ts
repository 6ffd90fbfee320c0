import type { Cancel } from '../../../common/clock.ts';
import { EngineError } from '../../../common/errors.ts';
import type { EnumeratorContext, SplitEnumerator } from '../../../contracts/source.ts';
import { tableText, type Catalog, type LoadedTable, type TableName } from '../catalog.ts';
import { STATUS } from '../manifest.ts';
import { entriesOf, manifestsOf } from '../read-manifests.ts';
import { ancestry, idOf, type Snapshot } from '../table-metadata.ts';
import { replaySnapshotsGone } from './errors.ts';
import { dataFilesOf, placeIn, type DataFilePlace } from './letter-rows.ts';
import type { LetterFilesState, LetterSplit } from './letter-split.ts';

export interface LetterEnumeratorOptions {
  readonly catalog: Catalog;
  readonly table: TableName;
  /** Undefined: looks once. */
  readonly everyMs: number | undefined;
}

/**
 * Finds the data files that replays have added to a table, snapshot by snapshot, and gives one to each reader that
 * asks. Each snapshot is looked at once: what others do to the files afterwards (merge them, say) changes nothing.
 */
export class LetterEnumerator implements SplitEnumerator<LetterFilesState> {
  readonly #context: EnumeratorContext<LetterSplit>;
  readonly #options: LetterEnumeratorOptions;
  #seen: string;
  #complete: boolean;
  #pending: LetterSplit[];
  readonly #waiting = new Set<number>();
  #cancel: Cancel | undefined;
  #closed = false;

  constructor(
    context: EnumeratorContext<LetterSplit>,
    options: LetterEnumeratorOptions,
    from: LetterFilesState | undefined,
  ) {
    this.#context = context;
    this.#options = options;
    this.#seen = from?.seen ?? '';
    this.#complete = from?.complete ?? false;
    this.#pending = [...(from?.pending ?? [])];
  }

  async start(): Promise<void> {
    const { everyMs } = this.#options;
    if (!this.#complete || everyMs !== undefined) await this.#look();
    this.#complete = everyMs === undefined;
    this.#lookLater();
    this.#serve();
  }

  splitRequested(subtask: number): void {
    this.#waiting.add(subtask);
    this.#serve();
  }

  snapshot(): LetterFilesState {
    return { seen: this.#seen, complete: this.#complete, pending: [...this.#pending] };
  }

  close(): Promise<void> {
    this.#closed = true;
    this.#cancel?.();
    return Promise.resolve();
  }

  async #look(): Promise<void> {
    const { catalog, table } = this.#options;
    const loaded = await catalog.load(table);
    if (loaded === undefined) return;
    const files: DataFilePlace[] = [];
    const { snapshots, from } = this.#unseen(loaded);
    for (const snapshot of snapshots) {
      // The first one is looked at as a whole: what it was made of may have been expired.
      const added = from === 'all' && snapshot === snapshots[0];
      const found = added ? dataFilesOf(loaded, table, snapshot) : addedFiles(loaded, snapshot);
      for await (const file of found) files.push(file);
    }
    const newest = snapshots.at(-1);
    if (this.#closed || newest === undefined) return;
    // Together: a snapshot of this enumerator has both or neither.
    this.#seen = String(idOf(newest));
    this.#pending.push(...files.map((file) => ({ ...file, row: 0 })));
  }

  /** Oldest first. */
  #unseen({ metadata }: LoadedTable): {
    readonly snapshots: readonly Snapshot[];
    readonly from: 'all' | 'seen';
  } {
    const { snapshots } = ancestry(metadata);
    if (this.#seen === '') return { snapshots: snapshots.toReversed(), from: 'all' };
    const at = snapshots.findIndex((each) => String(idOf(each)) === this.#seen);
    if (at < 0) throw replaySnapshotsGone(tableText(this.#options.table), this.#seen);
    return { snapshots: snapshots.slice(0, at).toReversed(), from: 'seen' };
  }

  #lookLater(): void {
    const { everyMs } = this.#options;
    if (this.#closed || everyMs === undefined) return;
    this.#cancel = this.#context.world.clock.after(everyMs, () => {
      this.#look()
        .then(() => this.#serve())
        .catch((error: unknown) => {
          // A catalog that is away now may be there at the next look.
          const isPassing = error instanceof EngineError && error.kind === 'unavailable';
          if (!isPassing && !this.#closed) this.#context.fail(error);
        })
        .finally(() => this.#lookLater());
    });
  }

  #serve(): void {
    if (this.#closed) return;
    for (const subtask of this.#waiting) {
      const split = this.#pending.shift();
      if (split === undefined && !this.#complete) return;
      this.#waiting.delete(subtask);
      if (split === undefined) this.#context.noMoreSplits(subtask);
      else this.#context.assign(split, subtask);
    }
  }
}

/** Other operations than appending move rows or take some away: they bring nothing that is to be read. */
async function* addedFiles({ io }: LoadedTable, snapshot: Snapshot): AsyncIterable<DataFilePlace> {
  if (snapshot.summary?.['operation'] !== 'append') return;
  const id = idOf(snapshot);
  for (const manifest of await manifestsOf(io, snapshot)) {
    if (manifest.addedSnapshotId !== id || manifest.content !== 0) continue;
    for (const entry of await entriesOf(io, manifest)) {
      if (entry.status === STATUS.added) yield placeIn(entry);
    }
  }
}

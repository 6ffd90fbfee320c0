/** Changes a table that others change too: again on what they have made, and sure of what became of it. */
import { sleep } from '../../common/clock.ts';
import type { World } from '../../contracts/source.ts';
import { type Catalog, type LoadedTable, type TableName, tableText } from './catalog.ts';
import { catalogUnavailable, noSuchTable, tooManyConflicts } from './errors.ts';
import type { TableChange } from './table-change.ts';

/** One try, made of the table as it is now. */
export type Attempt<R> =
  /** Nothing is to be changed any more. */
  | { readonly kind: 'nothing'; readonly result: R }
  | {
      readonly kind: 'change';
      readonly change: TableChange;
      readonly result: R;
      /** Whether the table shows that this try was made, whatever its answer was. */
      readonly isIn: (table: LoadedTable) => boolean;
      /** Removes what was written for it; called only if it certainly was not made. */
      readonly undo: () => Promise<void>;
    };

type Change<R> = Extract<Attempt<R>, { kind: 'change' }>;

export interface CommitTarget {
  readonly catalog: Catalog;
  readonly table: TableName;
  readonly world: World;
  readonly attemptsMax: number;
}

const WAIT_MS = 50;
const WAIT_MS_MAX = 5_000;

/**
 * @param attempt Called again after each conflict.
 * @throws {EngineError} `ICE-002` (`invalid`) if the table is gone, `ICE-008` (`unavailable`) if nobody
 * knows whether the change was made, `ICE-010` (`unavailable`) if others were first each time.
 */
export async function commitToTable<R>(
  { catalog, table, world, attemptsMax }: CommitTarget,
  attempt: (table: LoadedTable) => Promise<Attempt<R>>,
): Promise<R> {
  /** Made perhaps, and perhaps only later: each is looked for in every version that is loaded. */
  const uncertain: Change<R>[] = [];
  let refused: Change<R> | undefined;
  let cause: unknown;
  for (let attempts = 0; ; attempts++) {
    const loaded = await catalog.load(table);
    if (loaded === undefined) throw noSuchTable(tableText(table), catalog.url);
    const made = [...uncertain, ...(refused === undefined ? [] : [refused])].find((each) =>
      each.isIn(loaded),
    );
    if (made !== undefined) return made.result;
    await refused?.undo().catch(() => undefined);
    if (attempts === attemptsMax) {
      if (uncertain.length === 0) throw tooManyConflicts(tableText(table), attempts);
      throw catalogUnavailable(catalog.url, 'commit', 'its answers are lost', cause);
    }
    if (attempts > 0) await sleep(world.clock, waitMs(attempts, world));
    const next = await attempt(loaded);
    if (next.kind === 'nothing') return next.result;
    const outcome = await catalog.commit(table, loaded, next.change);
    if (outcome.kind === 'done') return next.result;
    refused = outcome.kind === 'conflict' ? next : undefined;
    if (outcome.kind === 'unknown') {
      uncertain.push(next);
      cause = outcome.cause;
    }
  }
}

function waitMs(attempts: number, { random }: World): number {
  return random.next() * Math.min(WAIT_MS_MAX, WAIT_MS * 2 ** attempts);
}

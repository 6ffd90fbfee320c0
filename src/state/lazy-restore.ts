/**
 * Begins a restore that is loaded while records are processed: docs/decisions/0010-lazy-restore.md.
 * All headers and indexes are read and checked, stored schemas are compared with the declared ones,
 * and timers are loaded, since time must not pass them by. The rest is `LazyLoader`'s.
 */
import type { KeyedRunHandle, StateSchema } from '../contracts/snapshots.ts';
import { BlockFetcher } from './block-fetcher.ts';
import type { DeclaredState } from './declared-state.ts';
import { maxParallelismChanged } from './errors.ts';
import { LazyLoader, type LazyBlock } from './lazy-loader.ts';
import {
  applyBlock,
  baseOf,
  beginTables,
  finishState,
  runsFor,
  wantedOf,
  type RestoredTables,
  type RestoreTablesOptions,
} from './restore.ts';
import { storedRowsOf, type StoredRows } from './row-codec.ts';
import { lastFull } from './run-chain.ts';
import { RunFile } from './run-file.ts';

/** Smaller restores are loaded at once: they take some ten milliseconds. */
export const LAZY_BYTES = 4 * 1024 * 1024;

/** Of smaller files, index and header are about all. */
export const WHOLE_BYTES = 128 * 1024;

/** Files that are opened at a time. */
const OPENING_MAX = 8;
const HIGHEST_HASH = 0xffffffff;

export interface LazyRestoreOptions extends RestoreTablesOptions {
  readonly monotonicMs: () => number;
  /** Restores of fewer bytes are not worth it. */
  readonly lazyBytes: number;
  /** Smaller files are read whole. */
  readonly wholeBytes: number;
  /** About how many rows are loaded for a key that is looked for. */
  readonly sliceRows: number;
}

export interface LazilyRestored extends RestoredTables {
  readonly loader: LazyLoader;
}

/** What the blocks of all files are for. */
interface Plan {
  /** By position in the range, oldest run first. */
  readonly groups: LazyBlock[][];
  readonly timers: { readonly block: LazyBlock; readonly wanted: (group: number) => boolean }[];
  readonly others: LazyBlock[];
  readonly undeclared: Map<string, StateSchema>;
  /** Rows of each state in the runs that hold key groups in full. */
  readonly rows: Map<DeclaredState, number>;
}

/** `undefined` if everything is to be loaded at once instead. Throws as `restoreTables`. */
export async function restoreLazily(
  options: LazyRestoreOptions,
): Promise<LazilyRestored | undefined> {
  const runs = runsFor(options);
  const sizeBytes = runs.reduce((sum, { blob }) => sum + blob.sizeBytes, 0);
  if (runs.length === 0 || sizeBytes < options.lazyBytes) return undefined;
  const files = await openAll(runs, options);
  if (files.some((file) => startsToExpire(file, options.states))) return undefined;
  const plan = planOf(files, options);
  const base = baseOf(runs, plan.undeclared.size === 0, options);
  const { readRange, onArrival } = options;
  let arrived = (): void => undefined;
  const fetcher = new BlockFetcher({
    readRange,
    files: files.length,
    onArrival: () => {
      arrived();
      onArrival?.();
    },
  });
  await loadTimers(plan, fetcher, base !== undefined, {
    options,
    onArrival: (then) => {
      arrived = then;
    },
  });
  const { groups, others, undeclared } = plan;
  const states = options.states.filter(({ descriptor }) => descriptor !== 'timers');
  const isBase = base !== undefined;
  const loader = new LazyLoader({ ...options, files, groups, others, states, isBase }, fetcher);
  return { loader, undeclared: [...undeclared.values()], base };
}

async function openAll(
  runs: readonly KeyedRunHandle[],
  options: LazyRestoreOptions,
): Promise<RunFile[]> {
  const { uid, maxParallelism } = options;
  const files: RunFile[] = [];
  for (let from = 0; from < runs.length; from += OPENING_MAX) {
    const some = runs.slice(from, from + OPENING_MAX);
    files.push(...(await Promise.all(some.map((run) => RunFile.open(run, options)))));
  }
  for (const { header } of files) {
    const stored = header.maxParallelism;
    if (stored !== maxParallelism) throw maxParallelismChanged(uid, stored, maxParallelism);
  }
  return files;
}

/**
 * A state that gets or loses its time to live changes all its rows. Changes belong to an epoch, so
 * they have to be made before the first barrier.
 */
function startsToExpire({ header }: RunFile, states: readonly DeclaredState[]): boolean {
  return states.some(({ codec }) => {
    const written = header.states.find(({ name }) => name === codec.schema.name);
    return (
      written !== undefined && (written.ttlMs === undefined) !== (codec.schema.ttlMs === undefined)
    );
  });
}

function planOf(files: readonly RunFile[], options: LazyRestoreOptions): Plan {
  const { range, states } = options;
  const last = lastFull(files.map(({ run }) => run));
  const plan: Plan = {
    groups: Array.from({ length: range.end - range.start + 1 }, () => []),
    timers: [],
    others: [],
    undeclared: new Map(),
    rows: new Map(),
  };
  for (const file of files) {
    const wanted = wantedOf(file.run, last, range);
    const codecs = new Map<number, StoredRows>();
    for (const [number, entry] of file.entries.entries()) {
      const written = file.schemaOf(entry);
      const state = states.find(({ codec }) => codec.schema.name === written.name);
      if (state === undefined) plan.undeclared.set(written.name, written);
      else if (!codecs.has(entry.state)) {
        codecs.set(entry.state, storedRowsOf(options.uid, written, state));
      }
      const stored = codecs.get(entry.state);
      const block = { file, number, entry, state, stored, lastHash: lastHashOf(file, number) };
      addBlock(plan, { ...block, groupsLeft: 0 }, wanted, range.start);
      if (state !== undefined && last.get(entry.firstGroup) === file.run.checkpointId) {
        plan.rows.set(state, (plan.rows.get(state) ?? 0) + entry.rows);
      }
    }
  }
  for (const [{ table }, rows] of plan.rows) table.reserve(rows);
  return plan;
}

function addBlock(
  { groups, timers, others }: Plan,
  block: LazyBlock,
  wanted: (group: number) => boolean,
  first: number,
): void {
  const { firstGroup, lastGroup } = block.entry;
  if (block.state?.descriptor === 'timers') {
    timers.push({ block, wanted });
    return;
  }
  for (let group = firstGroup; group <= lastGroup && block.state !== undefined; group++) {
    if (!wanted(group)) continue;
    groups[group - first]?.push(block);
    block.groupsLeft++;
  }
  if (block.groupsLeft === 0) others.push(block);
}

/** Of the last key group of a block: what follows it in that key group begins there. */
function lastHashOf({ entries }: RunFile, number: number): number {
  const entry = entries[number];
  const next = entries
    .slice(number + 1)
    .find(({ state, tombstones }) => state === entry?.state && tombstones === entry.tombstones);
  return next !== undefined && next.firstGroup === entry?.lastGroup ? next.firstHash : HIGHEST_HASH;
}

interface TimerLoading {
  readonly options: LazyRestoreOptions;
  readonly onArrival: (then: () => void) => void;
}

/** They are all there before the first record, and so before event time or the clock moves on. */
async function loadTimers(
  { timers }: Plan,
  fetcher: BlockFetcher,
  isBase: boolean,
  { options, onArrival }: TimerLoading,
): Promise<void> {
  const states = options.states.filter(({ descriptor }) => descriptor === 'timers');
  beginTables(states);
  for (const { block } of timers) fetcher.request(block.file, block.number, false);
  for (const { block, wanted } of timers) {
    const { file, number, state, stored } = block;
    while (!file.has(number)) {
      fetcher.check();
      await new Promise<void>((resolve) => {
        onArrival(resolve);
      });
    }
    if (state === undefined || stored === undefined) continue;
    applyBlock(allRows(file, number, stored), state, wanted, options);
    file.drop(number);
    fetcher.dropped(file, number);
  }
  options.context.setNamespace(undefined);
  for (const state of states) finishState(state, isBase, options);
  options.context.setNamespace(undefined);
}

function allRows(file: RunFile, number: number, stored: StoredRows) {
  const rows = file.rows(number, stored);
  try {
    return rows.all();
  } catch (error) {
    throw file.unreadable(number, error);
  }
}

/**
 * Fills empty tables from run files, of any parallelism. Runs come oldest first; what a newer run
 * holds in full is not taken from older ones.
 */
import { keyGroupOf, type KeyGroupRange } from '../common/key-groups.ts';
import type { CheckpointId, KeyedRunHandle, StateSchema } from '../contracts/snapshots.ts';
import { maxParallelismChanged } from './errors.ts';
import type { DeclaredState } from './declared-state.ts';
import type { KeyContext } from './key-context.ts';
import { keyHash } from '../common/key-hash.ts';
import type { DecodedBlock } from './block-rows.ts';
import { rangesMeet } from './keyed-run-parts.ts';
import { KeyedRunReader } from './keyed-run-reader.ts';
import type { RestoreOptions } from './keyed-state-backend.ts';
import { storedRowsOf, type StoredRows } from './row-codec.ts';
import { isSuperseded, lastFull, type ConfirmedBase } from './run-chain.ts';
import type { Table } from './table.ts';
import { hashOfTime } from './timer-table.ts';

export interface RestoreTablesOptions extends RestoreOptions {
  readonly uid: string;
  readonly range: KeyGroupRange;
  readonly maxParallelism: number;
  readonly states: readonly DeclaredState[];
  readonly context: KeyContext;
  readonly nowMs: number;
}

export interface RestoredTables {
  /** States that the runs have and the operator does not declare; their rows were passed over. */
  readonly undeclared: readonly StateSchema[];
  /** What the next checkpoint may be a delta against. */
  readonly base: ConfirmedBase | undefined;
}

/** The epoch of restored rows: before all others. */
const RESTORED_EPOCH = 0;

export async function restoreTables(options: RestoreTablesOptions): Promise<RestoredTables> {
  const runs = runsFor(options);
  const last = lastFull(runs);
  const undeclared = new Map<string, StateSchema>();
  beginTables(options.states);
  for (const run of runs) await restoreRun(run, last, undeclared, options);
  options.context.setNamespace(undefined);
  const base = baseOf(runs, undeclared.size === 0, options);
  for (const state of options.states) finishState(state, base !== undefined, options);
  options.context.setNamespace(undefined);
  return { undeclared: [...undeclared.values()], base };
}

/** The runs that have something of the range, oldest first. */
export function runsFor({ handles, range }: RestoreTablesOptions): KeyedRunHandle[] {
  return handles
    .filter(({ keyGroups }) => rangesMeet(keyGroups, range))
    .toSorted((a, b) => a.checkpointId - b.checkpointId);
}

/** The runs as what the next checkpoint may be a delta against, if it may. */
export function baseOf(
  runs: readonly KeyedRunHandle[],
  allDeclared: boolean,
  { reusableBase, range, checkpointId }: RestoreTablesOptions,
): ConfirmedBase | undefined {
  const isBase =
    reusableBase &&
    allDeclared &&
    runs.every(({ keyGroups: { start, end } }) => start >= range.start && end <= range.end);
  return isBase ? { checkpointId, epoch: RESTORED_EPOCH, runs } : undefined;
}

/** From now on rows are restored into the tables; `finishState` ends it. */
export function beginTables(states: readonly DeclaredState[]): void {
  for (const { table } of states) table.epoch = RESTORED_EPOCH;
}

async function restoreRun(
  run: KeyedRunHandle,
  last: ReadonlyMap<number, CheckpointId>,
  undeclared: Map<string, StateSchema>,
  options: RestoreTablesOptions,
): Promise<void> {
  const { uid, range, maxParallelism } = options;
  const reader = new KeyedRunReader(await options.read(run.blob), run);
  const stored = reader.header.maxParallelism;
  if (stored !== maxParallelism) throw maxParallelismChanged(uid, stored, maxParallelism);
  const wanted = wantedOf(run, last, range);
  const codecs = new Map<number, StoredRows | undefined>();
  for (const [number, entry] of reader.blocks.entries()) {
    const written = reader.schemaOf(entry);
    const state = options.states.find(({ codec }) => codec.schema.name === written.name);
    if (state === undefined) {
      undeclared.set(written.name, written);
      continue;
    }
    if (!codecs.has(entry.state)) {
      codecs.set(entry.state, storedRowsOf(uid, written, state));
    }
    const how = codecs.get(entry.state);
    if (how === undefined || !anyWanted(entry.firstGroup, entry.lastGroup, wanted)) continue;
    applyBlock(reader.decode(number, how), state, wanted, options);
  }
}

/** Tells which key groups count in a run. */
export function wantedOf(
  run: KeyedRunHandle,
  last: ReadonlyMap<number, CheckpointId>,
  range: KeyGroupRange,
): (group: number) => boolean {
  return (group) => group >= range.start && group <= range.end && !isSuperseded(run, group, last);
}

function anyWanted(first: number, last: number, wanted: (group: number) => boolean): boolean {
  for (let group = first; group <= last; group++) if (wanted(group)) return true;
  return false;
}

export function applyBlock(
  block: DecodedBlock,
  state: DeclaredState,
  wanted: (group: number) => boolean,
  { context, maxParallelism }: RestoreTablesOptions,
): void {
  const { table } = state;
  if (block.expiries !== undefined && table.expiry === undefined) {
    table.expiry = new Float64Array(table.rowHash.length).fill(Infinity);
  }
  for (let i = 0; i < block.rows; i++) {
    const hash = block.hashes[i] ?? 0;
    if (!wanted(keyGroupOf(hash, maxParallelism))) continue;
    context.setKey(block.keys[i], hash);
    context.setNamespace(block.namespaces?.[i]);
    const sub = block.subs?.[i];
    const row = rowFor(table, state, sub, !block.tombstones);
    if (row < 0) continue;
    if (block.tombstones) {
      table.remove(row);
      continue;
    }
    table.vals[row] = block.values[i];
    if (table.expiry !== undefined) table.expiry[row] = block.expiries?.[i] ?? Infinity;
  }
}

/** The row of the current key; made if need be, unless it is to be deleted. */
function rowFor(table: Table, state: DeclaredState, sub: unknown, make: boolean): number {
  if (sub === undefined) {
    const row = table.locate();
    return row >= 0 || !make ? row : table.create();
  }
  const hash = state.descriptor === 'timers' ? hashOfTime(sub as number) : keyHash(sub);
  const row = table.locateSub(sub, hash);
  return row >= 0 || !make ? row : table.createSub(sub, hash);
}

export interface FinishOptions {
  readonly context: KeyContext;
  readonly nowMs: number;
}

/** Drops what has expired, builds the state's own index, and begins the first epoch. */
export function finishState(state: DeclaredState, isBase: boolean, options: FinishOptions): void {
  const { table } = state;
  table.seal(RESTORED_EPOCH + 1);
  table.forgetUntil(RESTORED_EPOCH);
  const each = { ...options, isBase };
  for (let row = 0; row < table.rowCount; row++) {
    if (table.isLive(row)) finishRow(state, row, each);
  }
  if (ttlOf(state) === undefined) table.expiry = undefined;
}

/** The same for one live row; of a restore that goes on, when the row is loaded. */
export function finishRow(
  state: DeclaredState,
  row: number,
  { context, nowMs, isBase }: FinishOptions & { readonly isBase: boolean },
): void {
  const { table } = state;
  if (isBase) table.markHeld(row);
  context.setKey(table.keys[row], table.rowHash[row] ?? 0);
  context.setNamespace(table.namespaceOf(row));
  state.index(row);
  if (table.expiry === undefined) return;
  const expiresMs = table.expiry[row] ?? Infinity;
  const ttlMs = ttlOf(state);
  // A tombstone, so that the base cannot bring it back whatever the clock says next time.
  if (expiresMs <= nowMs) state.remove(row);
  else if (expiresMs === Infinity && ttlMs !== undefined) {
    // Written before the state had a time to live: it begins now, and must not begin again.
    table.expiry[row] = nowMs + ttlMs;
    table.markDirty(row);
  }
}

function ttlOf({ descriptor }: DeclaredState): number | undefined {
  return descriptor === 'timers' ? undefined : descriptor.ttl?.ttlMs;
}

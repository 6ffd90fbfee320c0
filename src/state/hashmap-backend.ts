/**
 * Keyed state as JavaScript values in memory: the `hashmap` backend.
 *
 * Each state is a `Table`. Epochs number the time between barriers; a row is in the dirty list of
 * the epoch that last changed it, and lists stay until a confirmed checkpoint holds them. So a
 * checkpoint is what changed since the last *confirmed* one, whatever was aborted in between, and a
 * savepoint, which is full and no base, changes nothing about that.
 */
import { assert } from '../common/assert.ts';
import type { CheckpointBarrier, CheckpointId, StateSchema } from '../contracts/snapshots.ts';
import type { AnyStateDescriptor, StateOf } from '../contracts/state.ts';
import type { DeclaredState } from './declared-state.ts';
import { declaredTwice } from './errors.ts';
import { HeapAggregatingState, HeapReducingState } from './folding-state.ts';
import { HashmapSnapshot } from './hashmap-snapshot.ts';
import { KeyContext } from './key-context.ts';
import { FILE_BYTES } from './keyed-run-format.ts';
import type {
  BackendOptions,
  KeyedStateBackend,
  LoadProgress,
  Namespace,
  RestoreOptions,
  RestoreResult,
  RunningSnapshot,
  SnapshotTarget,
  TimerTable,
} from './keyed-state-backend.ts';
import { HeapListState, TtlListState, type ListRow } from './list-state.ts';
import { HeapMapState } from './map-state.ts';
import { SLICE_ROWS, type LazyLoader } from './lazy-loader.ts';
import { LAZY_BYTES, restoreLazily, WHOLE_BYTES } from './lazy-restore.ts';
import type { RestoreProgress } from '../common/restore-progress.ts';
import { restoreTables, runsFor } from './restore.ts';
import { rowCodecOf, timerCodec } from './row-codec.ts';
import { appendRuns, RunChain, type RewritePolicy } from './run-chain.ts';
import { Table } from './table.ts';
import { TableSnapshot, type SnapshotPlants } from './table-snapshot.ts';
import { HeapTimerTable } from './timer-table.ts';
import type { TtlClock } from './ttl.ts';
import { HeapCell, HeapValueState, hasExpired, TtlCell, type StateCell } from './value-state.ts';

/** Rows that one call of `beginBatch` looks at, over all states with a time to live. */
const CLEANUP_ROWS = 128;
/** Smaller tables stay in the near cache, beside what else a record needs. */
const PREFETCH_ROWS_LEAST = 16_384;
/** Bytes per row, until the first snapshot has measured them. */
const ASSUMED_ROW_BYTES = 24;

/** For tests: small states that go the ways of large ones, and planted bugs. */
export interface BackendTuning {
  readonly rewrite?: RewritePolicy;
  readonly fileBytes?: number;
  /** Restores of fewer bytes are loaded before the first record. Default: `LAZY_BYTES`. */
  readonly lazyBytes?: number;
  /** Smaller files are read whole where ranges can be read. Default: `WHOLE_BYTES`. */
  readonly wholeBytes?: number;
  /** Rows that are loaded for a key that is looked for. Default: `SLICE_ROWS`. */
  readonly sliceRows?: number;
  /** Bugs that a test plants, to see that it would find them. */
  readonly plants?: BackendPlants;
}

export interface BackendPlants extends SnapshotPlants {
  readonly forgetOnAbort?: boolean;
  readonly noTombstones?: boolean;
  readonly savepointEndsDirtySet?: boolean;
}

export class HashmapBackend implements KeyedStateBackend {
  readonly #options: BackendOptions;
  readonly #plants: BackendPlants;
  readonly #tuning: BackendTuning;
  readonly #context = new KeyContext();
  readonly #clock: TtlClock;
  readonly #chain: RunChain;
  readonly #states = new Map<string, DeclaredState>();
  readonly #timers = new Map<string, HeapTimerTable>();
  #expiring: DeclaredState[] = [];
  #cleanupState = 0;
  #cleanupRow = 0;
  #epoch = 1;
  #snapshots = 0;
  /** What is still to be loaded of a restore. */
  #loader: LazyLoader | undefined;
  /** Bytes of all that was restored; 0: nothing was. */
  #restoredBytes = 0;
  #running: HashmapSnapshot | undefined;
  #runningId: CheckpointId | undefined;

  constructor(options: BackendOptions, tuning: BackendTuning = {}) {
    this.#options = options;
    this.#tuning = tuning;
    this.#plants = tuning.plants ?? {};
    this.#clock = { nowMs: options.nowMs() };
    this.#chain = new RunChain(options.range, tuning.rewrite);
  }

  declare<D extends AnyStateDescriptor>(descriptor: D): StateOf<D> {
    const table = this.#table(descriptor.ttl !== undefined);
    const codec = rowCodecOf(descriptor);
    if (descriptor.kind === 'map') {
      const directory = this.#table(false);
      const map = new HeapMapState(table, directory, this.#clock, descriptor.ttl);
      this.#add({
        descriptor,
        codec,
        table,
        directory,
        index: (row) => map.link(row),
        remove: (row) => map.removeRow(row),
      });
      return map as unknown as StateOf<D>;
    }
    this.#add({
      descriptor,
      codec,
      table,
      index: () => undefined,
      remove: (row) => table.remove(row),
    });
    return this.#singleRowState(descriptor, table) as StateOf<D>;
  }

  timers(name: string): TimerTable {
    const known = this.#timers.get(name);
    if (known !== undefined) return known;
    const table = this.#table(false);
    const timers = new HeapTimerTable(
      table,
      (hash) => this.#loader?.isReady(Int32Array.of(hash), 0, 1) !== false,
    );
    this.#add({
      descriptor: 'timers',
      codec: timerCodec(name),
      table,
      index: (row) => timers.push(row, table.subs?.[row] as number),
      remove: (row) => table.remove(row),
    });
    this.#timers.set(name, timers);
    return timers;
  }

  setCurrentKey(key: unknown, hash: number): void {
    this.#context.setKey(key, hash);
  }

  currentKey(): unknown {
    return this.#context.key;
  }

  currentHash(): number {
    return this.#context.hash;
  }

  setCurrentNamespace(namespace: Namespace): void {
    this.#context.setNamespace(namespace);
  }

  currentNamespace(): Namespace {
    return this.#context.namespace;
  }

  beginBatch(): void {
    if (this.#expiring.length === 0) return;
    this.#clock.nowMs = this.#options.nowMs();
    this.#cleanUp(CLEANUP_ROWS);
  }

  prefetch(hashes: Int32Array, from: number, count: number): void {
    for (const { table } of this.#states.values()) {
      if (table.rowCount >= PREFETCH_ROWS_LEAST) table.prefetch(hashes, from, count);
    }
  }

  snapshot(barrier: CheckpointBarrier, target: SnapshotTarget): RunningSnapshot {
    this.#running?.drainAll();
    this.#context.invalidate();
    this.#clock.nowMs = this.#options.nowMs();
    const until = this.#epoch++;
    for (const { table } of this.#states.values()) table.seal(this.#epoch);
    const isBase = barrier.kind !== 'savepoint' && !barrier.full;
    if (!isBase && this.#plants.savepointEndsDirtySet === true) this.#forget(until);
    const base = isBase ? this.#chain.base : undefined;
    const since = base?.epoch ?? -1;
    const unchanged = base !== undefined && this.#dirtyRows(since).every((rows) => rows === 0);
    const { full, groupBytes } = this.#plan(isBase, since);
    const snapshot: HashmapSnapshot = new HashmapSnapshot({
      header: this.#header(barrier, !isBase),
      scope: isBase ? 'shared' : 'exclusive',
      target,
      tables: unchanged ? [] : this.#tableSnapshots(since, until, full, isBase, () => snapshot),
      full,
      groupBytes,
      fileBytes: this.#tuning.fileBytes ?? FILE_BYTES,
      writeEmpty: base !== undefined && base.runs.length > 0 && !unchanged,
      monotonicMs: this.#options.monotonicMs,
      load: (budgetMs) => this.loadSlice(budgetMs) === 'loaded',
      stored: (added) => {
        const runs = appendRuns(base?.runs ?? [], added);
        const { checkpointId } = barrier;
        if (isBase) this.#chain.add({ checkpointId, epoch: until, runs });
        return runs;
      },
      measured: (state, bytes, rows) => this.#learnRowBytes(state, bytes, rows),
    });
    this.#running = snapshot;
    this.#runningId = barrier.checkpointId;
    return snapshot;
  }

  confirmed(checkpointId: CheckpointId): void {
    const base = this.#chain.confirm(checkpointId);
    if (base === undefined) return;
    this.#context.invalidate();
    this.#forget(base.epoch);
  }

  aborted(checkpointId: CheckpointId): void {
    if (this.#runningId === checkpointId) this.#running?.cancel();
    this.#chain.abort(checkpointId);
    if (this.#plants.forgetOnAbort === true) this.#forget(this.#epoch - 1);
  }

  async restore(options: RestoreOptions): Promise<RestoreResult> {
    assert(this.rows() === 0 && this.#snapshots === 0, 'restore comes before the first record');
    this.#clock.nowMs = this.#options.nowMs();
    const states = [...this.#states.values()];
    const { uid, range, maxParallelism, monotonicMs } = this.#options;
    const from = {
      ...options,
      uid,
      range,
      maxParallelism,
      states,
      context: this.#context,
      nowMs: this.#clock.nowMs,
      monotonicMs,
      lazyBytes: this.#tuning.lazyBytes ?? LAZY_BYTES,
      wholeBytes: this.#tuning.wholeBytes ?? WHOLE_BYTES,
      sliceRows: this.#tuning.sliceRows ?? SLICE_ROWS,
    };
    const lazy = await restoreLazily(from);
    this.#loader = lazy?.loader;
    const result = lazy ?? (await restoreTables(from));
    this.#restoredBytes = runsFor(from).reduce((sum, { blob }) => sum + blob.sizeBytes, 0);
    if (result.base !== undefined) this.#chain.restoreBase(result.base);
    return { undeclared: result.undeclared, rows: this.rows() };
  }

  loadSlice(budgetMs: number): LoadProgress {
    const progress = this.#loader?.loadSlice(budgetMs) ?? 'loaded';
    if (progress === 'loaded') this.#loader = undefined;
    return progress;
  }

  get verified(): boolean {
    return this.#loader === undefined;
  }

  restoreProgress(): RestoreProgress | undefined {
    const totalBytes = this.#restoredBytes;
    if (totalBytes === 0) return undefined;
    const all = { totalBytes, loadedBytes: totalBytes, verifiedBytes: totalBytes };
    return this.#loader?.progress() ?? all;
  }

  ready(hashes: Int32Array, from: number, count: number): boolean {
    return this.#loader === undefined || this.#loader.isReady(hashes, from, count);
  }

  schemas(): readonly StateSchema[] {
    return Array.from(this.#states.values(), ({ codec }) => codec.schema);
  }

  rows(): number {
    let rows = 0;
    for (const { table } of this.#states.values()) rows += table.liveRows;
    return rows;
  }

  close(): void {
    this.#running?.cancel();
    this.#running = undefined;
    this.#loader?.close();
    this.#states.clear();
    this.#timers.clear();
    this.#expiring = [];
  }

  #table(expires: boolean): Table {
    const { range, maxParallelism } = this.#options;
    const noTombstones = this.#plants.noTombstones === true;
    return new Table({ context: this.#context, range, maxParallelism, expires, noTombstones });
  }

  #add(state: Omit<DeclaredState, 'rowBytes'>): void {
    const { name } = state.codec.schema;
    if (this.#states.has(name)) throw declaredTwice(this.#options.uid, name);
    state.table.epoch = this.#epoch;
    const declared = { ...state, rowBytes: ASSUMED_ROW_BYTES };
    this.#states.set(name, declared);
    if (state.descriptor !== 'timers' && state.descriptor.ttl !== undefined) {
      this.#expiring.push(declared);
    }
  }

  #singleRowState(descriptor: Exclude<AnyStateDescriptor, { kind: 'map' }>, table: Table): unknown {
    const { ttl } = descriptor;
    const cell: StateCell<unknown> =
      ttl === undefined ? new HeapCell(table) : new TtlCell(table, this.#clock, ttl);
    switch (descriptor.kind) {
      case 'value':
        return new HeapValueState(cell, defaultOf(descriptor));
      case 'list': {
        const rows = cell as StateCell<ListRow>;
        return ttl === undefined
          ? new HeapListState(rows)
          : new TtlListState(rows, this.#clock, ttl);
      }
      case 'reducing':
        return new HeapReducingState(cell, descriptor.reduce);
      case 'aggregating':
        return new HeapAggregatingState(cell, descriptor);
    }
  }

  /** Deletes expired rows that nobody reads, a few with each call, round and round. */
  #cleanUp(rowsMax: number): void {
    for (let left = rowsMax; left > 0; left--) {
      const state = this.#expiring[this.#cleanupState];
      if (state === undefined) {
        this.#cleanupState = 0;
        return;
      }
      if (this.#cleanupRow >= state.table.rowCount) {
        this.#cleanupRow = 0;
        this.#cleanupState++;
        continue;
      }
      const row = this.#cleanupRow++;
      if (!state.table.isLive(row) || !hasExpired(state.table, row, this.#clock.nowMs)) continue;
      this.#context.invalidate();
      state.remove(row);
    }
  }

  #header(barrier: CheckpointBarrier, canonical: boolean) {
    const { uid, range, maxParallelism } = this.#options;
    const { checkpointId, kind } = barrier;
    const states = this.schemas();
    return {
      uid,
      checkpointId,
      kind,
      canonical,
      maxParallelism,
      keyGroups: range,
      full: [],
      states,
    };
  }

  #tableSnapshots(
    since: number,
    until: number,
    full: Uint8Array,
    holds: boolean,
    snapshot: () => HashmapSnapshot,
  ): TableSnapshot[] {
    const number = ++this.#snapshots;
    return Array.from(
      this.#states.values(),
      ({ table, codec }) =>
        new TableSnapshot({
          uid: this.#options.uid,
          table,
          codec,
          number,
          range: this.#options.range,
          since,
          until,
          full,
          nowMs: this.#clock.nowMs,
          canonical: !holds,
          holds,
          plants: this.#plants,
          failed: (error) => snapshot().fail(error),
        }),
    );
  }

  #dirtyRows(since: number): number[] {
    return Array.from(this.#states.values(), ({ table }) =>
      table.dirtySince(since).reduce((sum, { rows }) => sum + rows.length, 0),
    );
  }

  /** What to write in full, and about how large each key group's part will be. */
  #plan(isBase: boolean, since: number): { full: Uint8Array; groupBytes: Float64Array } {
    const { range } = this.#options;
    const groupBytes = new Float64Array(range.end - range.start + 1);
    const states = [...this.#states.values()];
    for (const state of states) {
      const { table, rowBytes } = state;
      for (let i = 0; i < groupBytes.length; i++) {
        const rows = Math.max(table.groupRows[i] ?? 0, this.#loader?.rowsOf(state, i) ?? 0);
        groupBytes[i] = (groupBytes[i] ?? 0) + rows * rowBytes;
      }
    }
    if (!isBase) return { full: new Uint8Array(groupBytes.length).fill(1), groupBytes };
    const dirty = this.#dirtyRows(since);
    const deltaBytes = states.reduce((sum, { rowBytes }, i) => sum + (dirty[i] ?? 0) * rowBytes, 0);
    const full = this.#chain.chooseRewrites({ groupBytes, deltaBytes });
    const deltaShare = deltaBytes / groupBytes.length;
    const bytes = groupBytes.map((each, i) => (full[i] === 1 ? each : deltaShare));
    return { full, groupBytes: bytes };
  }

  #learnRowBytes(index: number, bytes: number, rows: number): void {
    const state = [...this.#states.values()][index];
    if (state !== undefined) state.rowBytes += (bytes / rows - state.rowBytes) / 4;
  }

  #forget(epoch: number): void {
    for (const { table } of this.#states.values()) table.forgetUntil(epoch);
  }
}

function defaultOf(descriptor: Extract<AnyStateDescriptor, { kind: 'value' }>): () => unknown {
  const { defaultValue, serializer } = descriptor as {
    defaultValue: unknown;
    serializer: { copy(v: unknown): unknown };
  };
  if (typeof defaultValue !== 'object' || defaultValue === null) return () => defaultValue;
  return () => serializer.copy(defaultValue);
}

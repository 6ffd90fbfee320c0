/**
 * Loads restored rows while records are processed already.
 *
 * The keys are cut into *slices*: some dozen keys each, of one key group and with neighbouring
 * hashes, so that a slice is a few rows next to each other in each run. A slice is loaded as a
 * whole, with all states, when a key of it is first looked for or when its turn comes. So there is
 * no second place to look in: what is in the tables is the state, and only a lookup that finds
 * nothing asks whether the slice is still to come.
 *
 * Always holds:
 * - A slice's rows are in the tables before the first row of it is found, made or deleted.
 * - All blocks that a slice needs are checked before a row of it is used.
 * - After a failure everything throws it, also if user code has caught the first one.
 * - `isVerified` is true only when each byte of each file was checked.
 *
 * Loaded rows have the epoch before all others: for snapshots they are what the base holds.
 */
import { assert } from '../common/assert.ts';
import { keyGroupOf, type KeyGroupRange } from '../common/key-groups.ts';
import { keyHash } from '../common/key-hash.ts';
import type { BlockFetcher } from './block-fetcher.ts';
import type { BlockRows } from './block-rows.ts';
import type { DeclaredState } from './declared-state.ts';
import type { KeyContext } from './key-context.ts';
import type { BlockEntry } from './keyed-run-format.ts';
import type { LoadProgress, RestoreOptions } from './keyed-state-backend.ts';
import type { RestoreProgress } from '../common/restore-progress.ts';
import { finishRow } from './restore.ts';
import type { StoredRows } from './row-codec.ts';
import type { RunFile } from './run-file.ts';
import type { Table, UnloadedRows } from './table.ts';

/** Fewer: a first access decodes less; more: less is spent on finding the rows of each run. */
export const SLICE_ROWS = 64;
/** Slices that are loaded in one go in the background, between two looks at the clock. */
const SLICES_PER_STEP = 8;
const SLICES_MAX = 1 << 20;
const ALL_HASHES = 2 ** 32;

export interface LazyBlock {
  readonly file: RunFile;
  readonly number: number;
  readonly entry: BlockEntry;
  /** `undefined` for a block of which no row is wanted; it is checked all the same. */
  readonly state: DeclaredState | undefined;
  readonly stored: StoredRows | undefined;
  /** No row of the last key group has a higher hash. */
  readonly lastHash: number;
  /** Key groups whose rows in this block are still to be loaded. */
  groupsLeft: number;
}

export interface LazyLoaderOptions extends Pick<RestoreOptions, 'readRange' | 'onArrival'> {
  readonly range: KeyGroupRange;
  readonly maxParallelism: number;
  readonly context: KeyContext;
  readonly files: readonly RunFile[];
  /** By position in the range: the blocks that have rows of the key group, oldest run first. */
  readonly groups: readonly (readonly LazyBlock[])[];
  /** Blocks that are only checked. */
  readonly others: readonly LazyBlock[];
  /** What has rows in the blocks. */
  readonly states: readonly DeclaredState[];
  readonly isBase: boolean;
  readonly nowMs: number;
  /** About how many rows a slice has. */
  readonly sliceRows: number;
  readonly monotonicMs: () => number;
}

/** Rows of one block that belong to a slice. */
interface Part {
  readonly block: LazyBlock;
  readonly state: DeclaredState;
  readonly rows: BlockRows;
  readonly start: number;
  readonly end: number;
}

export class LazyLoader implements UnloadedRows {
  readonly #options: LazyLoaderOptions;
  readonly #fetcher: BlockFetcher;
  /** The highest bits of a hash that number the slices of a key group. */
  readonly #bits: number;
  /** 1 from when the slice's loading begins. */
  readonly #taken: Uint8Array;
  /** Where loading in the background is. */
  #group = 0;
  #slice = 0;
  #other = 0;
  /** Up to here blocks were asked for. */
  #aheadGroup = 0;
  #aheadOther = 0;
  #failure: { readonly error: unknown } | undefined;

  constructor(options: LazyLoaderOptions, fetcher: BlockFetcher) {
    this.#options = options;
    this.#fetcher = fetcher;
    const { groups, files, sliceRows } = options;
    const rows = files.reduce((sum, { run }) => sum + run.rows, 0);
    const bits = Math.ceil(Math.log2(Math.max(1, rows / groups.length / sliceRows)));
    this.#bits = Math.min(bits, Math.floor(Math.log2(SLICES_MAX / groups.length)));
    this.#taken = new Uint8Array(groups.length << this.#bits);
    for (const table of this.#tables()) table.unloaded = this;
  }

  get isVerified(): boolean {
    return this.#options.files.every(({ isVerified }) => isVerified);
  }

  progress(): RestoreProgress {
    const progress = { totalBytes: 0, loadedBytes: 0, verifiedBytes: 0 };
    for (const { run, droppedBytes, verifiedBytes } of this.#options.files) {
      progress.totalBytes += run.blob.sizeBytes;
      progress.loadedBytes += droppedBytes;
      progress.verifiedBytes += verifiedBytes;
    }
    return progress;
  }

  /** About how many rows of a state a key group of the range will have; not less. */
  rowsOf(state: DeclaredState, group: number): number {
    let rows = 0;
    for (const { state: of, entry } of this.#options.groups[group] ?? []) {
      if (of !== state || entry.tombstones) continue;
      rows += entry.rows / (entry.lastGroup - entry.firstGroup + 1);
    }
    return rows;
  }

  /** Loads the slice of a hash; false if it was there. */
  load(hash: number): boolean {
    this.#check();
    const group = this.#groupOf(hash);
    if (group < 0 || group >= this.#options.groups.length) return false;
    const slice = this.#sliceOf(hash);
    if (this.#taken[(group << this.#bits) + slice] === 1) return false;
    this.#load(group, slice, slice + 1);
    return true;
  }

  /**
   * Whether the keys can be looked for without waiting. If not, what is missing is asked for, and
   * `onArrival` tells when to ask again.
   */
  isReady(hashes: Int32Array, from: number, count: number): boolean {
    this.#check();
    let isReady = true;
    for (let i = from; i < from + count; i++) {
      const hash = hashes[i] ?? 0;
      const group = this.#groupOf(hash);
      const slice = this.#sliceOf(hash);
      if (this.#taken[(group << this.#bits) + slice] !== 0) continue;
      for (const block of this.#options.groups[group] ?? []) {
        const { file, number } = block;
        if (file.has(number) || !this.#meets(block, group, slice, slice + 1)) continue;
        isReady = false;
        this.#fetcher.request(file, number, true);
      }
    }
    return isReady;
  }

  /** Loads for about `budgetMs`. Throws what makes the restore fail. */
  loadSlice(budgetMs: number): LoadProgress {
    this.#check();
    const { monotonicMs } = this.#options;
    const untilMs = monotonicMs() + budgetMs;
    do {
      const progress = this.#step();
      if (progress !== 'loading') return progress;
    } while (monotonicMs() < untilMs);
    return 'loading';
  }

  close(): void {
    this.#fetcher.close();
    this.#detach();
  }

  #detach(): void {
    for (const table of this.#tables()) table.unloaded = undefined;
  }

  #step(): LoadProgress {
    const { groups, others, files } = this.#options;
    const blocks = groups[this.#group] ?? others.slice(this.#other, this.#other + 1);
    if (blocks.length > 0) this.#fetchAhead(blocks);
    if (!blocks.every(({ file, number }) => file.has(number))) return 'waiting';
    if (this.#group < groups.length) {
      this.#loadNext(blocks);
      return 'loading';
    }
    const [other] = blocks;
    if (other !== undefined) {
      this.#other++;
      this.#guarded(() => {
        this.#drop(other);
      });
      return 'loading';
    }
    assert(
      files.every(({ isVerified }) => isVerified),
      'each block is checked',
    );
    this.#detach();
    return 'loaded';
  }

  /** Some slices of the key group whose turn it is. */
  #loadNext(blocks: readonly LazyBlock[]): void {
    const count = 1 << this.#bits;
    const base = this.#group << this.#bits;
    const taken = this.#taken;
    let from = this.#slice;
    while (from < count && taken[base + from] === 1) from++;
    let to = from;
    while (to < count && to < from + SLICES_PER_STEP && taken[base + to] === 0) to++;
    if (to > from) this.#load(this.#group, from, to);
    this.#slice = to;
    if (to < count) return;
    this.#slice = 0;
    this.#group++;
    this.#guarded(() => {
      for (const block of blocks) if (--block.groupsLeft === 0) this.#drop(block);
    });
  }

  #fetchAhead(now: readonly LazyBlock[]): void {
    const { groups, others } = this.#options;
    const fetcher = this.#fetcher;
    const request = ({ file, number }: LazyBlock) => {
      fetcher.request(file, number, false);
    };
    now.forEach(request);
    while (this.#aheadGroup < groups.length && fetcher.hasRoom()) {
      groups[this.#aheadGroup++]?.forEach(request);
    }
    if (this.#aheadGroup < groups.length) return;
    while (this.#aheadOther < others.length && fetcher.hasRoom()) {
      others.slice(this.#aheadOther++, this.#aheadOther).forEach(request);
    }
  }

  #load(group: number, from: number, to: number): void {
    this.#guarded(() => {
      const parts = this.#partsOf(group, from, to);
      this.#taken.fill(1, (group << this.#bits) + from, (group << this.#bits) + to);
      if (parts.length > 0) this.#apply(parts);
    });
  }

  /** Finds the rows; every block of them is checked when this returns. */
  #partsOf(group: number, from: number, to: number): Part[] {
    const { groups, range } = this.#options;
    const parts: Part[] = [];
    for (const block of groups[group] ?? []) {
      const { file, number, state, stored } = block;
      if (state === undefined || stored === undefined) continue;
      if (!this.#meets(block, group, from, to)) continue;
      const rows = file.rows(number, stored);
      const [start, end] = rows.between(group + range.start, this.#lowest(from), this.#lowest(to));
      if (start < end) parts.push({ block, state, rows, start, end });
    }
    return parts;
  }

  #apply(parts: readonly Part[]): void {
    const { context, states } = this.#options;
    const { key, hash, namespace } = context;
    const before = states.map(({ table }) => ({ rows: table.rowCount, draining: table.draining }));
    // What an older run says and a newer one changes has no image: only the outcome counts.
    for (const { table } of states) table.draining = 0;
    for (const part of parts) this.#applyPart(part);
    for (const [i, { table }] of states.entries()) table.draining = before[i]?.draining ?? 0;
    for (const [i, state] of states.entries()) {
      for (let row = before[i]?.rows ?? 0; row < state.table.rowCount; row++) {
        if (state.table.isLive(row)) finishRow(state, row, this.#options);
      }
    }
    context.resume(key, hash, namespace);
  }

  #applyPart({ block, state, rows, start, end }: Part): void {
    const { context } = this.#options;
    const { table } = state;
    try {
      for (let i = start; i < end; i++) {
        context.setKey(rows.key(i), rows.hashes[i] ?? 0);
        context.setNamespace(rows.namespace(i));
        const sub = rows.sub(i);
        const subHash = sub === undefined ? 0 : keyHash(sub);
        let row = sub === undefined ? table.locate() : table.locateSub(sub, subHash);
        if (rows.tombstones) {
          if (row >= 0) table.remove(row);
          continue;
        }
        const value = rows.value(i);
        if (row < 0) row = table.createLoaded(sub, subHash);
        table.vals[row] = value;
        if (table.expiry !== undefined) table.expiry[row] = rows.expiry(i);
      }
    } catch (error) {
      throw block.file.unreadable(block.number, error);
    }
  }

  /** Whether a block may have rows of these slices. */
  #meets(block: LazyBlock, group: number, from: number, to: number): boolean {
    const { entry, lastHash } = block;
    const at = group + this.#options.range.start;
    if (entry.firstGroup === at && entry.firstHash >= this.#lowest(to)) return false;
    return entry.lastGroup !== at || lastHash >= this.#lowest(from);
  }

  #drop({ file, number }: LazyBlock): void {
    file.drop(number);
    this.#fetcher.dropped(file, number);
  }

  #check(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
    this.#guarded(() => {
      this.#fetcher.check();
    });
  }

  #guarded(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#failure ??= { error };
      throw error;
    }
  }

  #groupOf(hash: number): number {
    return keyGroupOf(hash, this.#options.maxParallelism) - this.#options.range.start;
  }

  #sliceOf(hash: number): number {
    return this.#bits === 0 ? 0 : hash >>> (32 - this.#bits);
  }

  /** The lowest unsigned hash of a slice. */
  #lowest(slice: number): number {
    return slice * (ALL_HASHES / (1 << this.#bits));
  }

  *#tables(): Generator<Table> {
    for (const { table, directory } of this.#options.states) {
      yield table;
      if (directory !== undefined) yield directory;
    }
  }
}

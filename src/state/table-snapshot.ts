/**
 * The part of a snapshot that one table has: which rows belong to it, and their images as of the
 * barrier, while the table goes on changing.
 *
 * A row is *listed* when `collect` has put it into the order to write. `rowSnapshot` of a row is
 * this snapshot's number once its image is taken, minus that number while it is listed only. The
 * image of a row whose value cannot change by itself is taken as it is listed: that is quicker than
 * to wait for the record that touches it, and with no other rows the table is released at once.
 *
 * Always holds: each row that belongs to the snapshot is written once, with what it was at the
 * barrier. Whoever is about to change a row calls `keep` first, through the table's `touch`.
 */
import { keyGroupOf, type KeyGroupRange } from '../common/key-groups.ts';
import { NO_EXPIRY, type BlockEncoder } from './block-encoder.ts';
import { compareRows } from './canonical-order.ts';
import type { DirtyList } from './dirty-rows.ts';
import { doubled } from './doubled.ts';
import { valueNotStored } from './errors.ts';
import type { Namespace } from './keyed-state-backend.ts';
import type { RowCodec } from './row-codec.ts';
import { RowImages } from './row-images.ts';
import { sortByHash } from './row-order.ts';
import {
  ROW_FREE,
  ROW_KIND,
  ROW_LIVE,
  ROW_TOMBSTONE,
  type ImageKeeper,
  type Table,
} from './table.ts';

/** Rows that are looked at between two looks at the clock. */
const SCAN_STEP = 4096;
const ENCODE_STEP = 64;
/** Rows whose images are taken as they are listed: some 20 bytes each until they are written. */
const EARLY_IMAGES_MAX = 2 ** 20;

/** Bugs that tests plant, to see that they would be found. Never set outside tests. */
export interface SnapshotPlants {
  readonly keepNoImages?: boolean;
  readonly skipExpiredInDelta?: boolean;
}

export interface TableSnapshotOptions {
  readonly uid: string;
  readonly table: Table;
  readonly codec: RowCodec;
  /** Counts snapshots of a backend from 1. */
  readonly number: number;
  readonly range: KeyGroupRange;
  /** Changes up to this epoch are in the base. */
  readonly since: number;
  /** The epoch that the barrier ended. */
  readonly until: number;
  /** By position in the range: 1 where the key group is written in full. */
  readonly full: Uint8Array;
  /** Rows that have expired at this moment are not written, or as tombstones. */
  readonly nowMs: number;
  readonly canonical: boolean;
  /** It may become a base, so rows in it need tombstones when they go. */
  readonly holds: boolean;
  readonly plants: SnapshotPlants;
  /** An image cannot be taken: the snapshot is lost, but not the record that touches the row. */
  readonly failed: (error: unknown) => void;
}

export class TableSnapshot implements ImageKeeper {
  readonly table: Table;
  readonly codec: RowCodec;
  readonly #options: TableSnapshotOptions;
  readonly #lists: readonly DirtyList[];
  readonly #images = new RowImages();
  /** Of rows that were listed before their image was taken. */
  readonly #imageOf = new Map<number, number>();
  /** Images of rows that are not listed yet. */
  #unlisted: number[] = [];
  /** Rows, or -1 - image; first as they were found, then by key group. */
  #members = new Int32Array(1024);
  #memberHashes = new Int32Array(1024);
  /** Members that are rows. */
  #listedRows = 0;
  #count = 0;
  readonly #groupStart: Int32Array;
  #rows = new Int32Array(0);
  #hashes = new Int32Array(0);

  constructor(options: TableSnapshotOptions) {
    const { table, since, number, range, full } = options;
    this.#options = options;
    this.table = table;
    this.codec = options.codec;
    this.#lists = full.every((is) => is === 1) ? [] : table.dirtySince(since);
    this.#groupStart = new Int32Array(range.end - range.start + 2);
    table.draining = number;
    table.keeper = options.plants.keepNoImages === true ? { keep: () => undefined } : this;
  }

  /** The table no longer waits for this snapshot. */
  release(): void {
    if (this.table.draining !== this.#options.number) return;
    this.table.draining = 0;
    this.table.keeper = undefined;
  }

  keep(row: number): void {
    const { table } = this;
    const { number, until, holds } = this.#options;
    const listed = table.rowSnapshot[row] === -number;
    const is = listed || (table.rowEpoch[row]! <= until && this.#belongs(row));
    table.rowSnapshot[row] = number;
    if (!is) return;
    const image = this.#take(row);
    if (listed) this.#imageOf.set(row, image);
    else this.#unlisted.push(image);
    if (holds) table.markHeld(row);
  }

  /** Finds all rows of the snapshot and puts them in the order of key groups. Yields now and then. */
  *collect(): Generator<void> {
    if (this.#options.full.includes(1)) yield* this.#listFullGroups();
    for (const list of this.#lists) yield* this.#listDirty(list);
    for (const image of this.#unlisted) this.#push(-1 - image, this.#images.hashes[image]!);
    this.#unlisted = [];
    if (this.#listedRows === 0) this.release();
    yield* this.#orderByGroup();
  }

  /** How many rows the snapshot has of a key group, by its position in the range. */
  rowsOf(group: number): number {
    return this.#groupStart[group + 1]! - this.#groupStart[group]!;
  }

  /**
   * Writes the rows of a key group into `live` and `tombstones`. Yields now and then, also whenever
   * one of the two is full and must be emptied.
   */
  *encode(group: number, live: BlockEncoder, tombstones: BlockEncoder): Generator<void> {
    const count = this.#sortGroup(group);
    const isFull = this.#options.full[group] === 1;
    for (let i = 0; i < count; i++) {
      const member = this.#rows[i]!;
      if (member < 0) this.#encodeImage(-1 - member, isFull, live, tombstones);
      else this.#encodeRow(member, this.#hashes[i]!, isFull, live, tombstones);
      if (i % ENCODE_STEP === 0 || live.isFull() || tombstones.isFull()) yield;
    }
  }

  #take(row: number): number {
    const { table } = this;
    const tombstone = table.kindOf(row) === ROW_TOMBSTONE;
    const value = tombstone ? undefined : this.#copyOf(table.vals[row]);
    const expiresMs = expiryOf(table, row);
    const sub = table.subs?.[row];
    const namespace = table.namespaceOf(row);
    const isPlain =
      !tombstone && expiresMs === NO_EXPIRY && sub === undefined && namespace === undefined;
    return this.#images.add(
      table.rowHash[row]!,
      table.keys[row],
      value,
      isPlain ? undefined : { namespace, sub, expiresMs, tombstone },
    );
  }

  /** Puts a row into the order to write, with its image if that costs little. */
  #list(row: number, hash: number): void {
    const { table } = this;
    const { number, holds } = this.#options;
    const value = table.vals[row];
    if (
      (typeof value === 'object' && value !== null) ||
      this.#images.count >= EARLY_IMAGES_MAX ||
      !table.isPlain()
    ) {
      table.rowSnapshot[row] = -number;
      this.#listedRows++;
      this.#push(row, hash);
      return;
    }
    table.rowSnapshot[row] = number;
    this.#push(-1 - this.#take(row), hash);
    if (holds) table.markHeld(row);
  }

  #copyOf(value: unknown): unknown {
    if (typeof value !== 'object' || value === null) return value;
    const { serializer, schema } = this.codec;
    try {
      return serializer.copy(value);
    } catch (error) {
      this.#options.failed(valueNotStored(this.#options.uid, schema.name, error));
      return undefined;
    }
  }

  #belongs(row: number): boolean {
    const { table } = this;
    const kind = table.kindOf(row);
    if (kind === ROW_FREE) return false;
    if (this.#options.full[table.groupOf(row) - table.firstGroup] === 1) return kind === ROW_LIVE;
    return table.rowEpoch[row]! > this.#options.since;
  }

  /** Also rows that a restore has loaded since the barrier; new ones are of a later epoch. */
  *#listFullGroups(): Generator<void> {
    const { rowCount } = this.table;
    for (let from = 0; from < rowCount; from += SCAN_STEP) {
      this.#listFullRows(from, Math.min(from + SCAN_STEP, rowCount));
      yield;
    }
  }

  /** Looks at every row there is, so it is kept short: the table's arrays may be others next time. */
  #listFullRows(from: number, to: number): void {
    const { rowHash, rowState, rowEpoch, rowSnapshot, maxParallelism } = this.table;
    const { full, until, number, range } = this.#options;
    const first = range.start;
    const mask = maxParallelism - 1;
    const isPower = (maxParallelism & mask) === 0;
    for (let row = from; row < to; row++) {
      const hash = rowHash[row]!;
      const group = isPower ? (hash < 0 ? -hash : hash) & mask : keyGroupOf(hash, maxParallelism);
      if (full[group - first] !== 1) continue;
      if ((rowState[row]! & ROW_KIND) !== ROW_LIVE || rowEpoch[row]! > until) continue;
      if (rowSnapshot[row] === number) continue;
      this.#list(row, hash);
    }
  }

  *#listDirty(list: DirtyList): Generator<void> {
    const { table } = this;
    const { full, number, range } = this.#options;
    for (const [i, row] of list.rows.entries()) {
      if (i % SCAN_STEP === SCAN_STEP - 1) yield;
      // A row of several lists counts in that of its last change.
      if (table.rowEpoch[row] !== list.epoch || table.kindOf(row) === ROW_FREE) continue;
      if (Math.abs(table.rowSnapshot[row]!) === number) continue;
      if (full[table.groupOf(row) - range.start] === 1) continue;
      this.#list(row, table.rowHash[row]!);
    }
  }

  #push(member: number, hash: number): void {
    if (this.#count === this.#members.length) {
      this.#members = doubled(this.#members);
      this.#memberHashes = doubled(this.#memberHashes);
    }
    this.#members[this.#count] = member;
    this.#memberHashes[this.#count++] = hash;
    this.#groupStart[this.#groupOf(hash) + 1]!++;
  }

  *#orderByGroup(): Generator<void> {
    const starts = this.#groupStart;
    for (let group = 0; group + 1 < starts.length; group++) starts[group + 1]! += starts[group]!;
    const next = starts.slice();
    const ordered = new Int32Array(this.#count);
    const orderedHashes = new Int32Array(this.#count);
    for (let i = 0; i < this.#count; i++) {
      const hash = this.#memberHashes[i]!;
      const to = next[this.#groupOf(hash)]!++;
      ordered[to] = this.#members[i]!;
      orderedHashes[to] = hash;
      if (i % SCAN_STEP === SCAN_STEP - 1) yield;
    }
    this.#members = ordered;
    this.#memberHashes = orderedHashes;
  }

  #groupOf(hash: number): number {
    return keyGroupOf(hash, this.table.maxParallelism) - this.#options.range.start;
  }

  #sortGroup(group: number): number {
    const start = this.#groupStart[group]!;
    const count = this.rowsOf(group);
    if (this.#rows.length < count) {
      this.#rows = new Int32Array(count * 2);
      this.#hashes = new Int32Array(count * 2);
    }
    this.#rows.set(this.#members.subarray(start, start + count));
    this.#hashes.set(this.#memberHashes.subarray(start, start + count));
    sortByHash(this.#rows, this.#hashes, count);
    if (this.#options.canonical) this.#sortTies(count);
    return count;
  }

  #sortTies(count: number): void {
    for (let from = 0; from < count;) {
      let to = from + 1;
      while (to < count && this.#hashes[to] === this.#hashes[from]) to++;
      if (to - from > 1) {
        const tied = Array.from(this.#rows.subarray(from, to), (member) => ({
          member,
          identity: this.#identityOf(member),
        }));
        tied.sort((a, b) => compareRows(a.identity, b.identity));
        for (const [i, { member }] of tied.entries()) this.#rows[from + i] = member;
      }
      from = to;
    }
  }

  #identityOf(member: number): { key: unknown; namespace: Namespace; sub: unknown } {
    const { table } = this;
    const image = member < 0 ? -1 - member : this.#imageOf.get(member);
    if (image !== undefined) {
      const { namespace, sub } = this.#images.extra(image);
      return { key: this.#images.keys[image], namespace, sub };
    }
    const namespace = table.namespaceOf(member);
    return { key: table.keys[member], namespace, sub: table.subs?.[member] };
  }

  #encodeRow(
    row: number,
    hash: number,
    isFull: boolean,
    live: BlockEncoder,
    tombstones: BlockEncoder,
  ): void {
    const { table } = this;
    const { number, holds, nowMs } = this.#options;
    if (table.rowSnapshot[row] === number) {
      this.#encodeImage(this.#imageOf.get(row), isFull, live, tombstones);
      return;
    }
    table.rowSnapshot[row] = number;
    if (holds) table.markHeld(row);
    const expiresMs = expiryOf(table, row);
    const isLive = table.isLive(row);
    const namespace = table.namespaces === undefined ? undefined : table.namespaces[row];
    const sub = table.subs === undefined ? undefined : table.subs[row];
    if (isLive && expiresMs > nowMs) {
      live.add(hash, table.keys[row], namespace, sub, expiresMs);
      live.addValue(table.vals[row]);
    } else if (!isFull && !(isLive && this.#options.plants.skipExpiredInDelta === true)) {
      // Expired rows need a tombstone as well: an older run may hold them with a later time.
      tombstones.add(hash, table.keys[row], namespace, sub, NO_EXPIRY);
    }
  }

  #encodeImage(
    image: number | undefined,
    isFull: boolean,
    live: BlockEncoder,
    tombstones: BlockEncoder,
  ): void {
    if (image === undefined) return;
    const { hashes, keys, values } = this.#images;
    const { namespace, sub, expiresMs, tombstone } = this.#images.extra(image);
    const hash = hashes[image]!;
    const key = keys[image];
    if (!tombstone && expiresMs > this.#options.nowMs) {
      live.add(hash, key, namespace, sub, expiresMs);
      live.addValue(values[image]);
    } else if (!isFull && (tombstone || this.#options.plants.skipExpiredInDelta !== true)) {
      tombstones.add(hash, key, namespace, sub, NO_EXPIRY);
    }
  }
}

function expiryOf(table: Table, row: number): number {
  return table.expiry === undefined ? NO_EXPIRY : table.expiry[row]!;
}

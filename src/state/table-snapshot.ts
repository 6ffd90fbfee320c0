/**
 * The part of a snapshot that one table has: which rows belong to it, and their images as of the
 * barrier, while the table goes on changing.
 *
 * A row is *listed* when `collect` has put it into the order to write. `rowSnapshot` of a row is
 * this snapshot's number once its image is taken, minus that number while it is listed only.
 *
 * Always holds: each row that belongs to the snapshot is written once, with what it was at the
 * barrier. Whoever is about to change a row calls `keep` first, through the table's `touch`.
 */
import { keyGroupOf, type KeyGroupRange } from '../common/key-groups.ts';
import { NO_EXPIRY, type BlockEncoder } from './block-encoder.ts';
import { compareRows } from './canonical-order.ts';
import { valueNotStored } from './errors.ts';
import type { Namespace } from './keyed-state-backend.ts';
import type { RowCodec } from './row-codec.ts';
import { sortByHash } from './row-order.ts';
import {
  ROW_FREE,
  ROW_KIND,
  ROW_LIVE,
  ROW_TOMBSTONE,
  type DirtyList,
  type ImageKeeper,
  type Table,
} from './table.ts';

/** Rows that are looked at between two looks at the clock. */
const SCAN_STEP = 4096;
const ENCODE_STEP = 64;

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

interface RowImage {
  readonly hash: number;
  readonly key: unknown;
  readonly namespace: Namespace;
  readonly sub: unknown;
  /** A copy, if it can change. */
  readonly value: unknown;
  readonly expiresMs: number;
  readonly tombstone: boolean;
  /** The row was listed before the image was taken. */
  readonly listed: boolean;
}

export class TableSnapshot implements ImageKeeper {
  readonly table: Table;
  readonly codec: RowCodec;
  readonly #options: TableSnapshotOptions;
  readonly #lists: readonly DirtyList[];
  readonly #images: RowImage[] = [];
  readonly #imageOf = new Map<number, number>();
  /** Rows, or -1 - image; first as they were found, then by key group. */
  #members = new Int32Array(1024);
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
    const tombstone = table.kindOf(row) === ROW_TOMBSTONE;
    const value = tombstone ? undefined : this.#copyOf(table.vals[row]);
    this.#imageOf.set(row, this.#images.length);
    this.#images.push({
      hash: table.rowHash[row]!,
      key: table.keys[row],
      namespace: table.namespaceOf(row),
      sub: table.subs?.[row],
      value,
      expiresMs: expiryOf(table, row),
      tombstone,
      listed,
    });
    if (holds) table.markHeld(row);
  }

  /** Finds all rows of the snapshot and puts them in the order of key groups. Yields now and then. */
  *collect(): Generator<void> {
    if (this.#options.full.includes(1)) yield* this.#listFullGroups();
    for (const list of this.#lists) yield* this.#listDirty(list);
    for (const [i, image] of this.#images.entries()) {
      if (!image.listed) this.#push(-1 - i, image.hash);
    }
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
      if (member < 0) this.#encodeImage(this.#images[-1 - member], isFull, live, tombstones);
      else this.#encodeRow(member, this.#hashes[i]!, isFull, live, tombstones);
      if (i % ENCODE_STEP === 0 || live.isFull() || tombstones.isFull()) yield;
    }
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
      rowSnapshot[row] = -number;
      this.#push(row, hash);
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
      table.rowSnapshot[row] = -number;
      this.#push(row, table.rowHash[row]!);
    }
  }

  #push(member: number, hash: number): void {
    if (this.#count === this.#members.length) {
      const members = new Int32Array(this.#members.length * 2);
      members.set(this.#members);
      this.#members = members;
    }
    this.#members[this.#count++] = member;
    this.#groupStart[this.#groupOf(hash) + 1]!++;
  }

  *#orderByGroup(): Generator<void> {
    const starts = this.#groupStart;
    for (let group = 0; group + 1 < starts.length; group++) starts[group + 1]! += starts[group]!;
    const next = starts.slice();
    const ordered = new Int32Array(this.#count);
    for (let i = 0; i < this.#count; i++) {
      const member = this.#members[i]!;
      ordered[next[this.#groupOf(this.#hashOf(member))]!++] = member;
      if (i % SCAN_STEP === SCAN_STEP - 1) yield;
    }
    this.#members = ordered;
  }

  #groupOf(hash: number): number {
    return keyGroupOf(hash, this.table.maxParallelism) - this.#options.range.start;
  }

  /** A freed row may belong to another key by now; its image has the hash it had. */
  #hashOf(member: number): number {
    if (member < 0) return this.#images[-1 - member]?.hash ?? 0;
    if (this.table.rowSnapshot[member] !== this.#options.number) return this.table.rowHash[member]!;
    return this.#takenImage(member)?.hash ?? this.table.rowHash[member]!;
  }

  #takenImage(row: number): RowImage | undefined {
    const index = this.#imageOf.get(row);
    return index === undefined ? undefined : this.#images[index];
  }

  #sortGroup(group: number): number {
    const start = this.#groupStart[group]!;
    const count = this.rowsOf(group);
    if (this.#rows.length < count) {
      this.#rows = new Int32Array(count * 2);
      this.#hashes = new Int32Array(count * 2);
    }
    for (let i = 0; i < count; i++) {
      const member = this.#members[start + i]!;
      this.#rows[i] = member;
      this.#hashes[i] = this.#hashOf(member);
    }
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
    const image =
      member < 0
        ? this.#images[-1 - member]
        : table.rowSnapshot[member] === this.#options.number
          ? this.#takenImage(member)
          : undefined;
    if (image !== undefined) return image;
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
      this.#encodeImage(this.#takenImage(row), isFull, live, tombstones);
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
    image: RowImage | undefined,
    isFull: boolean,
    live: BlockEncoder,
    tombstones: BlockEncoder,
  ): void {
    if (image === undefined) return;
    const { hash, key, namespace, sub, value, expiresMs, tombstone } = image;
    if (!tombstone && expiresMs > this.#options.nowMs) {
      live.add(hash, key, namespace, sub, expiresMs);
      live.addValue(value);
    } else if (!isFull && (tombstone || this.#options.plants.skipExpiredInDelta !== true)) {
      tombstones.add(hash, key, namespace, sub, NO_EXPIRY);
    }
  }
}

function expiryOf(table: Table, row: number): number {
  return table.expiry === undefined ? NO_EXPIRY : table.expiry[row]!;
}

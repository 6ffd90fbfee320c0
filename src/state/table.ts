/**
 * The rows of one state: an open-addressing table of our own over dense parallel arrays.
 *
 * A row's identity is (key, namespace, sub): `sub` is a map's key or a timer's time, `undefined`
 * for other states. `slots` holds pairs [mixed hash, row + 1]; a negative row is a tombstone, so a
 * read passes over it without a look at the row itself. Rows never move; freed ones are reused.
 *
 * What a snapshot needs is kept per row:
 * - `rowEpoch`: the epoch of its last change. The row is in the dirty list of that epoch, once. A bit
 *   per row that is set says the same of the current epoch; for a record's update it is enough to
 *   look there, and all bits of a table stay in the near cache where the epochs do not.
 * - `rowState`: free, live or tombstone; and whether a base may hold the row (`HELD`). Deleting a
 *   row that no base can hold frees it at once; others become tombstones until a confirmed
 *   checkpoint has them.
 * - `rowSnapshot`: the number of the last snapshot that has taken the row's image. While a snapshot
 *   drains (`draining` is its number), whoever changes a row, or hands out a value that can be
 *   changed, calls `touch` first.
 *
 * Nothing here allocates per call, but for growth.
 */
import { assert } from '../common/assert.ts';
import { keyGroupOf, type KeyGroupRange } from '../common/key-groups.ts';
import { keysEqual } from '../common/key-hash.ts';
import { DirtyRows, type DirtyList } from './dirty-rows.ts';
import { doubled } from './doubled.ts';
import { KEYS_INT, KEYS_STRING, KEYS_STRUCTURED, type KeyContext } from './key-context.ts';
import type { Namespace } from './keyed-state-backend.ts';

export const ROW_FREE = 0;
export const ROW_LIVE = 1;
export const ROW_TOMBSTONE = 2;
/** Bit of `rowState`: a checkpoint that was or may be confirmed holds the row. */
export const ROW_HELD = 4;
/** The bits of `rowState` that say which of the three it is. */
export const ROW_KIND = 3;

const GOLDEN = 0x9e3779b1;
const INITIAL_SLOT_BITS = 6;
const PREFETCH_MAX = 1024;

/** Takes a row's image before the row changes. */
export interface ImageKeeper {
  keep(row: number): void;
}

/** Restored rows that are not in the table yet. */
export interface UnloadedRows {
  /** Brings the rows of a hash into their tables; false if they are there. */
  load(hash: number): boolean;
}

export interface TableOptions {
  readonly context: KeyContext;
  readonly range: KeyGroupRange;
  readonly maxParallelism: number;
  readonly expires: boolean;
  /** A bug that tests plant. Never set outside tests. */
  readonly noTombstones?: boolean;
}

export class Table {
  readonly context: KeyContext;
  readonly maxParallelism: number;
  readonly firstGroup: number;

  slots = new Int32Array(2 << INITIAL_SLOT_BITS);
  shift = 32 - INITIAL_SLOT_BITS;

  /** Rows in use or free; row numbers are below it. */
  rowCount = 0;
  keys: unknown[] = [];
  vals: unknown[] = [];
  namespaces: Namespace[] | undefined = undefined;
  subs: unknown[] | undefined = undefined;
  rowHash = new Int32Array(1 << (INITIAL_SLOT_BITS - 1));
  rowMixed = new Int32Array(1 << (INITIAL_SLOT_BITS - 1));
  rowEpoch = new Int32Array(1 << (INITIAL_SLOT_BITS - 1));
  rowSnapshot = new Int32Array(1 << (INITIAL_SLOT_BITS - 1));
  rowState = new Uint8Array(1 << (INITIAL_SLOT_BITS - 1));
  /** When a row ceases to be, in milliseconds since 1970; only with a time to live. */
  expiry: Float64Array | undefined;

  liveRows = 0;
  tombstoneRows = 0;
  /** Live rows of each key group of the range. */
  readonly groupRows: Int32Array;

  epoch = 1;
  /** Number of the snapshot that has not yet taken all its images; 0: none. */
  draining = 0;
  keeper: ImageKeeper | undefined = undefined;
  /** While a restore goes on: whoever finds no row asks here before there is none. */
  unloaded: UnloadedRows | undefined = undefined;

  /** Row of the current key and namespace as of `serial`; -1: none. */
  row = -1;
  serial = 0;

  #free = new Int32Array(16);
  #freeCount = 0;
  readonly #dirty = new DirtyRows();
  #dirtyBits = new Int32Array(1);
  /** All rows so far are outside windows and without `sub`. */
  #plain = true;
  #subsStructured = false;
  readonly #noTombstones: boolean;
  #prefetched = new Int32Array(0);
  /** Keeps the loads of `prefetch` from being optimised away. */
  prefetchSum = 0;

  constructor({ context, range, maxParallelism, expires, noTombstones }: TableOptions) {
    this.#noTombstones = noTombstones === true;
    this.context = context;
    this.maxParallelism = maxParallelism;
    this.firstGroup = range.start;
    this.groupRows = new Int32Array(range.end - range.start + 1);
    this.expiry = expires ? new Float64Array(this.rowHash.length) : undefined;
  }

  /** The live row of the current key and namespace; -1: none. */
  locate(): number {
    const context = this.context;
    if (this.serial === context.serial) return this.row;
    this.serial = context.serial;
    const kind = context.voidKind;
    let row: number;
    if (this.#plain && kind === KEYS_INT) row = this.#findInt(context.hash);
    else if (this.#plain && kind === KEYS_STRING) {
      row = this.#findString(context.hash, context.key);
    } else row = this.#findCurrent();
    if (row < 0 && this.unloaded?.load(context.hash) === true) {
      this.serial = context.serial;
      row = this.#findCurrent();
    }
    return (this.row = row);
  }

  /** Makes the row after `locate` found none. The caller sets its value at once. */
  create(): number {
    const context = this.context;
    const row = this.#create(context.hash ^ context.namespaceHash, undefined);
    this.row = row;
    this.serial = context.serial;
    return row;
  }

  /** The live row of the current key and namespace with this `sub`; -1: none. */
  locateSub(sub: unknown, subHash: number): number {
    const { hash, namespaceHash, key, namespace } = this.context;
    const mixed = mixSub(hash ^ namespaceHash, subHash);
    const row = this.#find(mixed, key, namespace, sub, false);
    if (row >= 0 || this.unloaded?.load(hash) !== true) return row;
    return this.#find(mixed, key, namespace, sub, false);
  }

  /** Makes the row after `locateSub` found none. The caller sets its value at once. */
  createSub(sub: unknown, subHash: number): number {
    const context = this.context;
    this.#noteSub(sub);
    return this.#create(mixSub(context.hash ^ context.namespaceHash, subHash), sub);
  }

  /** Makes room for rows that will be restored, so that it need not grow while records wait. */
  reserve(rows: number): void {
    while (this.rowHash.length < rows) this.#growRows();
    while (2 * rows > this.slots.length >>> 1) this.#growSlots();
  }

  /**
   * Makes a row that was restored, after it was not found: it is no change, and belongs to the epoch
   * before all others. It never takes a free row, which may be in the list of a later epoch.
   */
  createLoaded(sub: unknown, subHash: number): number {
    const { hash, namespaceHash } = this.context;
    this.#noteSub(sub);
    this.liveRows++;
    this.groupRows[this.#ownGroup(hash)]!++;
    const mixed = hash ^ namespaceHash;
    const row = this.#append();
    this.#fill(row, sub === undefined ? mixed : mixSub(mixed, subHash), sub);
    return row;
  }

  /** Deletes a live row: frees it, or leaves a tombstone where a base may hold it. */
  remove(row: number): void {
    if (this.draining !== 0) this.touch(row);
    const held = (this.rowState[row]! & ROW_HELD) !== 0 && !this.#noTombstones;
    this.liveRows--;
    this.groupRows[this.groupOf(row) - this.firstGroup]!--;
    this.vals[row] = typeof this.vals[row] === 'number' ? 0 : undefined;
    if (held) {
      this.rowState[row] = ROW_TOMBSTONE | ROW_HELD;
      this.tombstoneRows++;
      this.slots[2 * this.#slotOf(row) + 1] = -(row + 1);
      this.markDirty(row);
      this.#dirty.addTombstone(row);
    } else {
      this.#release(row);
    }
    if (this.row === row) this.row = -1;
  }

  /** The row is changed: puts it into the dirty list of the current epoch, unless it is there. */
  markDirty(row: number): void {
    if ((this.#dirtyBits[row >>> 5]! & (1 << (row & 31))) === 0) this.#noteDirty(row);
  }

  #noteDirty(row: number): void {
    this.#dirtyBits[row >>> 5]! |= 1 << (row & 31);
    if (this.rowEpoch[row] === this.epoch) return;
    this.rowEpoch[row] = this.epoch;
    this.#dirty.add(row);
  }

  /** Lets a draining snapshot take the row as it is, if it has not yet. */
  touch(row: number): void {
    if (this.rowSnapshot[row] !== this.draining) this.keeper?.keep(row);
  }

  groupOf(row: number): number {
    return keyGroupOf(this.rowHash[row]!, this.maxParallelism);
  }

  kindOf(row: number): number {
    return this.rowState[row]! & ROW_KIND;
  }

  isLive(row: number): boolean {
    return (this.rowState[row]! & ROW_KIND) === ROW_LIVE;
  }

  namespaceOf(row: number): Namespace {
    return this.namespaces === undefined ? undefined : this.namespaces[row];
  }

  /** No row has a namespace, a `sub` or a time to live. */
  isPlain(): boolean {
    return this.#plain && this.expiry === undefined;
  }

  /** A base may hold the row from now on. */
  markHeld(row: number): void {
    this.rowState[row]! |= ROW_HELD;
  }

  /** Ends the current epoch; its dirty list stays until `forgetUntil`. */
  seal(nextEpoch: number): void {
    this.#dirty.seal(this.epoch, this);
    this.#dirtyBits.fill(0);
    this.epoch = nextEpoch;
  }

  /** The dirty lists after epoch `after`, the current one not among them. */
  dirtySince(after: number): readonly DirtyList[] {
    return this.#dirty.since(after);
  }

  /**
   * A confirmed checkpoint holds all changes up to `epoch`: their lists go, and so do the
   * tombstones among them that nothing has touched since.
   */
  forgetUntil(epoch: number): void {
    for (const { tombstones } of this.#dirty.forget(epoch)) {
      for (const row of tombstones) {
        if (this.kindOf(row) !== ROW_TOMBSTONE || this.rowEpoch[row]! > epoch) continue;
        if (this.draining !== 0) this.touch(row);
        this.tombstoneRows--;
        this.#release(row);
      }
    }
  }

  /** Loads what a batch of keys will need, so that the misses overlap. Changes nothing. */
  prefetch(hashes: Int32Array, from: number, count: number): void {
    const { slots, shift, vals } = this;
    const n = Math.min(count, PREFETCH_MAX);
    if (this.#prefetched.length === 0) this.#prefetched = new Int32Array(PREFETCH_MAX);
    const rows = this.#prefetched;
    let sum = 0;
    for (let i = 0; i < n; i++) {
      rows[i] = slots[2 * (Math.imul(hashes[from + i]!, GOLDEN) >>> shift) + 1]!;
    }
    for (let i = 0; i < n; i++) {
      const row = rows[i]! - 1;
      if (row < 0) continue;
      if (vals[row] === -7) sum++;
    }
    this.prefetchSum = sum;
  }

  #findCurrent(): number {
    const { hash, namespaceHash, key, namespace } = this.context;
    return this.#find(hash ^ namespaceHash, key, namespace, undefined, false);
  }

  #noteSub(sub: unknown): void {
    if (!this.#subsStructured && (typeof sub === 'object' ? sub !== null : sub !== sub)) {
      this.#subsStructured = true;
    }
  }

  /** Int32 keys outside windows: the hash alone decides. */
  #findInt(hash: number): number {
    const slots = this.slots;
    const mask = (slots.length >>> 1) - 1;
    let i = Math.imul(hash, GOLDEN) >>> this.shift;
    for (;;) {
      const entry = slots[2 * i + 1]!;
      if (entry === 0) return -1;
      if (slots[2 * i] === hash && entry > 0) return entry - 1;
      i = (i + 1) & mask;
    }
  }

  /** Apart from `#find`, so that V8 knows at this place that both are strings. */
  #findString(hash: number, key: unknown): number {
    const slots = this.slots;
    const keys = this.keys;
    const mask = (slots.length >>> 1) - 1;
    let i = Math.imul(hash, GOLDEN) >>> this.shift;
    for (;;) {
      const entry = slots[2 * i + 1]!;
      if (entry === 0) return -1;
      if (slots[2 * i] === hash && entry > 0 && keys[entry - 1] === key) return entry - 1;
      i = (i + 1) & mask;
    }
  }

  #find(
    mixed: number,
    key: unknown,
    namespace: Namespace,
    sub: unknown,
    tombstone: boolean,
  ): number {
    const slots = this.slots;
    const mask = (slots.length >>> 1) - 1;
    let i = Math.imul(mixed, GOLDEN) >>> this.shift;
    for (;;) {
      const entry = slots[2 * i + 1]!;
      if (entry === 0) return -1;
      if (slots[2 * i] === mixed && entry < 0 === tombstone) {
        const row = (entry < 0 ? -entry : entry) - 1;
        if (this.#same(row, key, namespace, sub)) return row;
      }
      i = (i + 1) & mask;
    }
  }

  #same(row: number, key: unknown, namespace: Namespace, sub: unknown): boolean {
    const keyHere = this.keys[row];
    if (keyHere !== key) {
      if (this.context.keyKind !== KEYS_STRUCTURED || !keysEqual(keyHere, key)) return false;
    }
    if (this.namespaces !== undefined) {
      const here = this.namespaces[row];
      if (here !== namespace) {
        if (here === undefined || namespace === undefined) return false;
        if (here.start !== namespace.start || here.end !== namespace.end) return false;
      }
    } else if (namespace !== undefined) return false;
    if (this.subs !== undefined) {
      const here = this.subs[row];
      if (here !== sub) return this.#subsStructured && keysEqual(here, sub);
    }
    return true;
  }

  #create(mixed: number, sub: unknown): number {
    const { key, hash, namespace } = this.context;
    const row = this.tombstoneRows > 0 ? this.#find(mixed, key, namespace, sub, true) : -1;
    this.liveRows++;
    this.groupRows[this.#ownGroup(hash)]!++;
    if (row >= 0) {
      if (this.draining !== 0) this.touch(row);
      this.tombstoneRows--;
      this.rowState[row] = ROW_LIVE | (this.rowState[row]! & ROW_HELD);
      this.slots[2 * this.#slotOf(row) + 1] = row + 1;
      this.markDirty(row);
      return row;
    }
    return this.#insert(mixed, sub);
  }

  #insert(mixed: number, sub: unknown): number {
    const row = this.#freeCount > 0 ? this.#free[--this.#freeCount]! : this.#append();
    this.#fill(row, mixed, sub);
    this.markDirty(row);
    return row;
  }

  #fill(row: number, mixed: number, sub: unknown): void {
    const { key, hash, namespace } = this.context;
    this.keys[row] = key === 0 ? 0 : key;
    this.rowHash[row] = hash;
    this.rowMixed[row] = mixed;
    this.rowState[row] = ROW_LIVE;
    if (namespace !== undefined || sub !== undefined) this.#plain = false;
    if (namespace !== undefined && this.namespaces === undefined) {
      this.namespaces = new Array<Namespace>(this.rowCount).fill(undefined);
    }
    if (this.namespaces !== undefined) this.namespaces[row] = namespace;
    if (sub !== undefined && this.subs === undefined) {
      this.subs = new Array<unknown>(this.rowCount).fill(undefined);
    }
    if (this.subs !== undefined) this.subs[row] = sub;
    this.#place(mixed, row + 1);
  }

  #append(): number {
    const row = this.rowCount++;
    if (row === this.rowHash.length) this.#growRows();
    if (2 * (row + 1) > this.slots.length >>> 1) this.#growSlots();
    this.keys.push(0);
    this.vals.push(0);
    return row;
  }

  #place(mixed: number, entry: number): void {
    const slots = this.slots;
    const mask = (slots.length >>> 1) - 1;
    let i = Math.imul(mixed, GOLDEN) >>> this.shift;
    while (slots[2 * i + 1] !== 0) i = (i + 1) & mask;
    slots[2 * i] = mixed;
    slots[2 * i + 1] = entry;
  }

  #slotOf(row: number): number {
    const slots = this.slots;
    const mask = (slots.length >>> 1) - 1;
    let i = Math.imul(this.rowMixed[row]!, GOLDEN) >>> this.shift;
    for (;;) {
      const entry = slots[2 * i + 1]!;
      if (entry === row + 1 || entry === -(row + 1)) return i;
      assert(entry !== 0, 'a row has no slot');
      i = (i + 1) & mask;
    }
  }

  /** Takes the row out of the slots and makes it free. */
  #release(row: number): void {
    const slots = this.slots;
    const mask = (slots.length >>> 1) - 1;
    let hole = this.#slotOf(row);
    for (let i = (hole + 1) & mask; slots[2 * i + 1] !== 0; i = (i + 1) & mask) {
      const home = Math.imul(slots[2 * i]!, GOLDEN) >>> this.shift;
      if (((i - home) & mask) < ((i - hole) & mask)) continue;
      slots[2 * hole] = slots[2 * i]!;
      slots[2 * hole + 1] = slots[2 * i + 1]!;
      hole = i;
    }
    slots[2 * hole + 1] = 0;
    // `rowEpoch` stays: if it is the current epoch, the row is in the dirty list already.
    this.rowState[row] = ROW_FREE;
    if (typeof this.keys[row] !== 'number') this.keys[row] = undefined;
    if (this.subs !== undefined) this.subs[row] = undefined;
    if (this.#freeCount === this.#free.length) this.#free = doubled(this.#free);
    this.#free[this.#freeCount++] = row;
  }

  /** Old slot i goes to 2i or next to it, so this runs through memory in order: fast at any size. */
  #growSlots(): void {
    const old = this.slots;
    this.slots = new Int32Array(old.length * 2);
    this.shift--;
    for (let i = 0; i < old.length; i += 2) {
      if (old[i + 1] !== 0) this.#place(old[i]!, old[i + 1]!);
    }
  }

  #growRows(): void {
    this.rowHash = doubled(this.rowHash);
    this.rowMixed = doubled(this.rowMixed);
    this.rowEpoch = doubled(this.rowEpoch);
    if (this.#dirtyBits.length * 32 < this.rowEpoch.length) {
      this.#dirtyBits = doubled(this.#dirtyBits);
    }
    this.rowSnapshot = doubled(this.rowSnapshot);
    const state = new Uint8Array(this.rowState.length * 2);
    state.set(this.rowState);
    this.rowState = state;
    if (this.expiry !== undefined) {
      const expiry = new Float64Array(this.expiry.length * 2);
      expiry.set(this.expiry);
      this.expiry = expiry;
    }
  }

  #ownGroup(hash: number): number {
    const group = keyGroupOf(hash, this.maxParallelism) - this.firstGroup;
    assert(group >= 0 && group < this.groupRows.length, 'a key of another subtask');
    return group;
  }
}

function mixSub(mixed: number, subHash: number): number {
  return (Math.imul(mixed, 0x85ebca6b) ^ Math.imul(subHash, 0xc2b2ae35)) | 0;
}

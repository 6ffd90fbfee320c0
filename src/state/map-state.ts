/**
 * A map per key and namespace: one row per entry, so that a change costs a delta one entry. The
 * live entries of one map are linked in the order they were put; `directory` has a row per map
 * that is not empty, with its first and last entry. The links are an index and in no snapshot.
 */
import { keyHash } from '../common/key-hash.ts';
import type { MapState, StateTtl } from '../contracts/state.ts';
import type { Table } from './table.ts';
import type { TtlClock } from './ttl.ts';
import { hasExpired, setExpiry } from './value-state.ts';

const NONE = -1;

export class HeapMapState<K, V> implements MapState<K, V> {
  readonly #table: Table;
  /** `vals` holds the first entry's row. Never part of a snapshot. */
  readonly #directory: Table;
  readonly #clock: TtlClock;
  readonly #ttl: StateTtl | undefined;
  #last = new Int32Array(16);
  #next = new Int32Array(16);
  #previous = new Int32Array(16);
  /** The directory's row of each entry. */
  #owner = new Int32Array(16);
  /** Iterators of the current key, which must not stand on a row that goes away. */
  #cursors: EntryCursor[] = [];
  #cursorSerial = -1;

  constructor(table: Table, directory: Table, clock: TtlClock, ttl: StateTtl | undefined) {
    this.#table = table;
    this.#directory = directory;
    this.#clock = clock;
    this.#ttl = ttl;
  }

  get(key: K): V | undefined {
    const row = this.#liveRow(key);
    return row < 0 ? undefined : this.#read(row);
  }

  has(key: K): boolean {
    return this.#liveRow(key) >= 0;
  }

  put(key: K, value: V): void {
    const table = this.#table;
    const hash = keyHash(key);
    let row = table.locateSub(key, hash);
    if (row < 0) {
      row = table.createSub(key === 0 ? 0 : key, hash);
      this.link(row);
    } else if (table.draining !== 0) table.touch(row);
    table.vals[row] = value;
    if (this.#ttl !== undefined) setExpiry(table, row, this.#clock.nowMs + this.#ttl.ttlMs);
    table.markDirty(row);
  }

  remove(key: K): void {
    const row = this.#table.locateSub(key, keyHash(key));
    if (row >= 0) this.removeRow(row);
  }

  entries(): IterableIterator<[K, V]> {
    return this.#iterate((row) => [this.#table.subs?.[row] as K, this.#read(row)]);
  }

  keys(): IterableIterator<K> {
    return this.#iterate((row) => this.#table.subs?.[row] as K);
  }

  values(): IterableIterator<V> {
    return this.#iterate((row) => this.#read(row));
  }

  isEmpty(): boolean {
    return this.#skipExpired(this.#first()) === NONE;
  }

  clear(): void {
    for (let row = this.#first(); row !== NONE;) {
      const next = this.#next[row] ?? NONE;
      this.removeRow(row);
      row = next;
    }
  }

  /** Deletes an entry of any key: also what the clean-up of expired rows calls. */
  removeRow(row: number): void {
    this.#unlink(row);
    this.#table.remove(row);
  }

  /** Adds a new row to its map, which is the current key's; also after a restore. */
  link(row: number): void {
    const directory = this.#directory;
    this.#reserve(row);
    let owner = directory.locate();
    if (owner < 0) {
      owner = directory.create();
      directory.vals[owner] = row;
      if (owner >= this.#last.length) this.#last = grown(this.#last, owner);
      this.#previous[row] = NONE;
    } else {
      const last = this.#last[owner] ?? NONE;
      this.#next[last] = row;
      this.#previous[row] = last;
    }
    this.#last[owner] = row;
    this.#next[row] = NONE;
    this.#owner[row] = owner;
  }

  #first(): number {
    const owner = this.#directory.locate();
    return owner < 0 ? NONE : (this.#directory.vals[owner] as number);
  }

  #unlink(row: number): void {
    const owner = this.#owner[row] ?? NONE;
    const next = this.#next[row] ?? NONE;
    const previous = this.#previous[row] ?? NONE;
    for (const cursor of this.#cursors) if (cursor.next === row) cursor.next = next;
    if (next === NONE && previous === NONE) {
      this.#directory.remove(owner);
      return;
    }
    if (next === NONE) this.#last[owner] = previous;
    else this.#previous[next] = previous;
    if (previous === NONE) this.#directory.vals[owner] = next;
    else this.#next[previous] = next;
  }

  #liveRow(key: K): number {
    const table = this.#table;
    const row = table.locateSub(key, keyHash(key));
    if (row < 0 || !hasExpired(table, row, this.#clock.nowMs)) return row;
    this.removeRow(row);
    return NONE;
  }

  #read(row: number): V {
    const table = this.#table;
    const value = table.vals[row];
    if (this.#ttl?.update === 'on-read-and-write') this.#renew(row, this.#ttl.ttlMs);
    if (table.draining !== 0 && typeof value === 'object') table.touch(row);
    return value as V;
  }

  #renew(row: number, ttlMs: number): void {
    const table = this.#table;
    const expiresMs = this.#clock.nowMs + ttlMs;
    if (table.expiry?.[row] === expiresMs) return;
    if (table.draining !== 0) table.touch(row);
    setExpiry(table, row, expiresMs);
    table.markDirty(row);
  }

  #skipExpired(from: number): number {
    let row = from;
    while (row !== NONE && hasExpired(this.#table, row, this.#clock.nowMs)) {
      row = this.#next[row] ?? NONE;
    }
    return row;
  }

  /** Entries may be removed and put while it runs; it is good for the current key only. */
  #iterate<R>(result: (row: number) => R): IterableIterator<R> {
    const { context } = this.#table;
    if (this.#cursorSerial !== context.serial) {
      this.#cursorSerial = context.serial;
      this.#cursors = [];
    }
    const cursor: EntryCursor = { next: this.#first() };
    this.#cursors.push(cursor);
    const close = () => {
      cursor.next = NONE;
      const at = this.#cursors.indexOf(cursor);
      if (at >= 0) this.#cursors.splice(at, 1);
    };
    const iterator: IterableIterator<R> = {
      next: () => {
        const row = this.#skipExpired(cursor.next);
        if (row === NONE) {
          close();
          return { done: true, value: undefined };
        }
        cursor.next = this.#next[row] ?? NONE;
        return { done: false, value: result(row) };
      },
      return: () => {
        close();
        return { done: true, value: undefined };
      },
      [Symbol.iterator]: () => iterator,
    };
    return iterator;
  }

  #reserve(row: number): void {
    if (row < this.#next.length) return;
    this.#next = grown(this.#next, row);
    this.#previous = grown(this.#previous, row);
    this.#owner = grown(this.#owner, row);
  }
}

interface EntryCursor {
  next: number;
}

function grown(array: Int32Array, index: number): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(Math.max(array.length * 2, index + 1));
  larger.set(array);
  return larger;
}

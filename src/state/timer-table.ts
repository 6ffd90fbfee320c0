/**
 * Timers of one time domain. Each is a row (key, namespace, time) of a table, so that snapshots,
 * tombstones and rescaling treat it as any other state; a binary heap is an index over the rows.
 *
 * Always holds: the heap has exactly the live rows; `#position[row]` is where a row stands in it.
 * Equal times fire in the order of key hash, key and namespace, whatever order they were set in.
 */
import { compareKeys } from './canonical-order.ts';
import type { TimerTable } from './keyed-state-backend.ts';
import type { Table } from './table.ts';

export class HeapTimerTable implements TimerTable {
  readonly #table: Table;
  #times = new Float64Array(16);
  #rows = new Int32Array(16);
  #position = new Int32Array(16);
  #size = 0;
  readonly #isReady: (hash: number) => boolean;

  /** @param isReady Whether the state of a key hash can be used: it may still be loading. */
  constructor(table: Table, isReady: (hash: number) => boolean = () => true) {
    this.#table = table;
    this.#isReady = isReady;
  }

  register(timestampMs: number): void {
    const time = timestampMs === 0 ? 0 : timestampMs;
    const hash = hashOfTime(time);
    const table = this.#table;
    if (table.locateSub(time, hash) >= 0) return;
    const row = table.createSub(time, hash);
    table.vals[row] = 0;
    this.push(row, time);
  }

  delete(timestampMs: number): void {
    const row = this.#table.locateSub(timestampMs, hashOfTime(timestampMs));
    if (row < 0) return;
    this.#removeAt(this.#position[row] ?? 0);
    this.#table.remove(row);
  }

  peek(): number {
    return this.#size === 0 ? Infinity : (this.#times[0] ?? Infinity);
  }

  isReady(): boolean {
    return this.#size === 0 || this.#isReady(this.#table.rowHash[this.#rows[0] ?? 0] ?? 0);
  }

  poll(): number {
    if (this.#size === 0) return Infinity;
    const table = this.#table;
    const time = this.#times[0] ?? Infinity;
    const row = this.#rows[0] ?? 0;
    const namespace = table.namespaceOf(row);
    table.context.setKey(table.keys[row], table.rowHash[row] ?? 0);
    table.context.setNamespace(namespace);
    this.#removeAt(0);
    table.remove(row);
    return time;
  }

  size(): number {
    return this.#size;
  }

  /** Puts a live row into the heap; also for each row after a restore. */
  push(row: number, time: number): void {
    if (this.#size === this.#rows.length) this.#grow();
    if (row >= this.#position.length) {
      const position = new Int32Array(Math.max(this.#position.length * 2, row + 1));
      position.set(this.#position);
      this.#position = position;
    }
    this.#siftUp(this.#size++, row, time);
  }

  #removeAt(index: number): void {
    const last = --this.#size;
    if (index === last) return;
    const row = this.#rows[last] ?? 0;
    const time = this.#times[last] ?? 0;
    const parent = (index - 1) >> 1;
    if (index > 0 && this.#isBefore(time, row, parent)) this.#siftUp(index, row, time);
    else this.#siftDown(index, row, time);
  }

  #siftUp(from: number, row: number, time: number): void {
    let index = from;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!this.#isBefore(time, row, parent)) break;
      this.#set(index, this.#rows[parent] ?? 0, this.#times[parent] ?? 0);
      index = parent;
    }
    this.#set(index, row, time);
  }

  #siftDown(from: number, row: number, time: number): void {
    let index = from;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= this.#size) break;
      const right = child + 1;
      if (right < this.#size) {
        const rightTime = this.#times[right] ?? 0;
        if (this.#isBefore(rightTime, this.#rows[right] ?? 0, child)) child = right;
      }
      if (this.#isBefore(time, row, child)) break;
      this.#set(index, this.#rows[child] ?? 0, this.#times[child] ?? 0);
      index = child;
    }
    this.#set(index, row, time);
  }

  #set(index: number, row: number, time: number): void {
    this.#rows[index] = row;
    this.#times[index] = time;
    this.#position[row] = index;
  }

  /** Whether a timer fires before the one at `index`. */
  #isBefore(time: number, row: number, index: number): boolean {
    const timeThere = this.#times[index] ?? 0;
    if (time !== timeThere) return time < timeThere;
    const there = this.#rows[index] ?? 0;
    const table = this.#table;
    const hash = table.rowHash[row] ?? 0;
    const hashThere = table.rowHash[there] ?? 0;
    if (hash !== hashThere) return hash >>> 0 < hashThere >>> 0;
    const order = compareKeys(table.keys[row], table.keys[there]);
    if (order !== 0) return order < 0;
    const namespace = table.namespaceOf(row);
    const namespaceThere = table.namespaceOf(there);
    if (namespace === undefined || namespaceThere === undefined) {
      return namespace === undefined && namespaceThere !== undefined;
    }
    if (namespace.start !== namespaceThere.start) return namespace.start < namespaceThere.start;
    return namespace.end < namespaceThere.end;
  }

  #grow(): void {
    const times = new Float64Array(this.#times.length * 2);
    times.set(this.#times);
    this.#times = times;
    const rows = new Int32Array(this.#rows.length * 2);
    rows.set(this.#rows);
    this.#rows = rows;
  }
}

export function hashOfTime(timestampMs: number): number {
  return (timestampMs | 0) ^ Math.floor(timestampMs / 4294967296);
}

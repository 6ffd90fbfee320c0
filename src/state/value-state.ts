/**
 * One value per key and namespace. `StateCell` is the same as `ValueState`, and the other states
 * with one row per key stand on it: list, reducing and aggregating.
 *
 * Always holds: an object leaves a cell only after a draining snapshot has its image, because its
 * receiver may change it before `update` is called.
 */
import type { StateTtl, ValueState } from '../contracts/state.ts';
import type { SavableState } from './savable-state.ts';
import type { Table } from './table.ts';
import type { TtlClock } from './ttl.ts';

/** A row of the current key; with `undefined` for: there is none. */
export type StateCell<T> = ValueState<T>;

export class HeapCell<T> implements StateCell<T> {
  readonly #table: Table;

  constructor(table: Table) {
    this.#table = table;
  }

  value(): T | undefined {
    const table = this.#table;
    const row = table.locate();
    if (row < 0) return undefined;
    const value = table.vals[row];
    if (table.draining !== 0 && typeof value === 'object') table.touch(row);
    return value as T;
  }

  update(value: T): void {
    const table = this.#table;
    let row = table.locate();
    if (row < 0) row = table.create();
    else if (table.draining !== 0) table.touch(row);
    table.vals[row] = value;
    table.markDirty(row);
  }

  clear(): void {
    const row = this.#table.locate();
    if (row >= 0) this.#table.remove(row);
  }
}

/** A cell whose rows expire. The time is in the row and is judged by the batch's clock. */
export class TtlCell<T> implements StateCell<T> {
  readonly #table: Table;
  readonly #clock: TtlClock;
  readonly #ttlMs: number;
  readonly #readsRenew: boolean;

  constructor(table: Table, clock: TtlClock, ttl: StateTtl) {
    this.#table = table;
    this.#clock = clock;
    this.#ttlMs = ttl.ttlMs;
    this.#readsRenew = ttl.update === 'on-read-and-write';
  }

  value(): T | undefined {
    const table = this.#table;
    const row = this.#liveRow();
    if (row < 0) return undefined;
    const value = table.vals[row];
    if (this.#readsRenew) this.#renew(row);
    if (table.draining !== 0 && typeof value === 'object') table.touch(row);
    return value as T;
  }

  update(value: T): void {
    const table = this.#table;
    let row = table.locate();
    if (row < 0) row = table.create();
    else if (table.draining !== 0) table.touch(row);
    table.vals[row] = value;
    setExpiry(table, row, this.#clock.nowMs + this.#ttlMs);
    table.markDirty(row);
  }

  clear(): void {
    const row = this.#table.locate();
    if (row >= 0) this.#table.remove(row);
  }

  #liveRow(): number {
    const row = this.#table.locate();
    if (row < 0 || !hasExpired(this.#table, row, this.#clock.nowMs)) return row;
    this.#table.remove(row);
    return -1;
  }

  /** The new time is part of the row: without the dirty mark, a restore would know the old one. */
  #renew(row: number): void {
    const table = this.#table;
    const expiresMs = this.#clock.nowMs + this.#ttlMs;
    if (table.expiry?.[row] === expiresMs) return;
    if (table.draining !== 0) table.touch(row);
    setExpiry(table, row, expiresMs);
    table.markDirty(row);
  }
}

/** As Flink: the last moment of its life is the one before. */
export function hasExpired(table: Table, row: number, nowMs: number): boolean {
  return table.expiry !== undefined && (table.expiry[row] ?? Infinity) <= nowMs;
}

export function setExpiry(table: Table, row: number, expiresMs: number): void {
  if (table.expiry !== undefined) table.expiry[row] = expiresMs;
}

/** What users get: the cell with the descriptor's default in front. */
export class HeapValueState<T> implements ValueState<T>, SavableState {
  readonly #cell: StateCell<T>;
  readonly #defaultValue: () => T | undefined;

  /** @param defaultValue Makes a new one each time where it could be changed by its receiver. */
  constructor(cell: StateCell<T>, defaultValue: () => T | undefined) {
    this.#cell = cell;
    this.#defaultValue = defaultValue;
  }

  value(): T | undefined {
    const value = this.#cell.value();
    return value === undefined ? this.#defaultValue() : value;
  }

  /** As in Flink, where `update(null)` clears: `undefined` is no value. */
  update(value: T): void {
    if (value === undefined) this.#cell.clear();
    else this.#cell.update(value);
  }

  clear(): void {
    this.#cell.clear();
  }

  saved(): () => void {
    return savedCell(this.#cell, (value) => value);
  }
}

/** @param keep Makes a copy of what could be changed in place. */
export function savedCell<T>(cell: StateCell<T>, keep: (value: T) => T): () => void {
  const value = cell.value();
  if (value === undefined) {
    return () => {
      cell.clear();
    };
  }
  const kept = keep(value);
  return () => {
    cell.update(kept);
  };
}

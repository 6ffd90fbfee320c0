/**
 * A list per key and namespace: one row, whose value is a `ListRow`. Elements expire one by one, as
 * in Flink; the row expires with its last element.
 */
import type { ListState, StateTtl } from '../contracts/state.ts';
import type { SavableState } from './savable-state.ts';
import { savedCell, type StateCell } from './value-state.ts';
import type { TtlClock } from './ttl.ts';

export interface ListRow<T = unknown> {
  items: T[];
  /** When each element expires; only with a time to live. */
  expiresMs: number[] | undefined;
  /** `items` was handed out by `get`: whoever has it must not see later additions. */
  shared: boolean;
}

const NO_ITEMS: readonly never[] = Object.freeze([]);

export class HeapListState<T> implements ListState<T>, SavableState {
  readonly #cell: StateCell<ListRow<T>>;

  constructor(cell: StateCell<ListRow<T>>) {
    this.#cell = cell;
  }

  get(): readonly T[] {
    const row = this.#cell.value();
    if (row === undefined) return NO_ITEMS;
    row.shared = true;
    return row.items;
  }

  add(value: T): void {
    const row = this.#cell.value();
    if (row === undefined) {
      this.#cell.update({ items: [value], expiresMs: undefined, shared: false });
      return;
    }
    ownItems(row).push(value);
    this.#cell.update(row);
  }

  addAll(values: readonly T[]): void {
    if (values.length === 0) return;
    const row = this.#cell.value();
    if (row === undefined) {
      this.update(values);
      return;
    }
    const items = ownItems(row);
    for (const value of values) items.push(value);
    this.#cell.update(row);
  }

  update(values: readonly T[]): void {
    if (values.length === 0) this.#cell.clear();
    else this.#cell.update({ items: [...values], expiresMs: undefined, shared: false });
  }

  clear(): void {
    this.#cell.clear();
  }

  saved(): () => void {
    return savedCell(this.#cell, copyOfRow);
  }
}

export class TtlListState<T> implements ListState<T>, SavableState {
  readonly #cell: StateCell<ListRow<T>>;
  readonly #clock: TtlClock;
  readonly #ttl: StateTtl;

  constructor(cell: StateCell<ListRow<T>>, clock: TtlClock, ttl: StateTtl) {
    this.#cell = cell;
    this.#clock = clock;
    this.#ttl = ttl;
  }

  get(): readonly T[] {
    const row = this.#live();
    if (row === undefined) return NO_ITEMS;
    if (this.#ttl.update === 'on-read-and-write') {
      row.expiresMs?.fill(this.#nextExpiry());
      this.#cell.update(row);
    }
    row.shared = true;
    return row.items;
  }

  add(value: T): void {
    this.addAll([value]);
  }

  addAll(values: readonly T[]): void {
    if (values.length === 0) return;
    const row = this.#live();
    if (row === undefined) {
      this.update(values);
      return;
    }
    const items = ownItems(row);
    for (const value of values) {
      items.push(value);
      row.expiresMs?.push(this.#nextExpiry());
    }
    this.#cell.update(row);
  }

  update(values: readonly T[]): void {
    if (values.length === 0) {
      this.#cell.clear();
      return;
    }
    const expiresMs = values.map(() => this.#nextExpiry());
    this.#cell.update({ items: [...values], expiresMs, shared: false });
  }

  clear(): void {
    this.#cell.clear();
  }

  saved(): () => void {
    return savedCell(this.#cell, copyOfRow);
  }

  #nextExpiry(): number {
    return this.#clock.nowMs + this.#ttl.ttlMs;
  }

  /** The row without its expired elements. They are in order of time, but for a clock that jumped. */
  #live(): ListRow<T> | undefined {
    const row = this.#cell.value();
    if (row?.expiresMs === undefined) return row;
    const now = this.#clock.nowMs;
    if (row.expiresMs.every((expiry) => expiry > now)) return row;
    const live = withoutExpired(row, now);
    if (live.items.length === 0) {
      this.#cell.clear();
      return undefined;
    }
    row.items = live.items;
    row.expiresMs = live.expiresMs;
    row.shared = false;
    return row;
  }
}

/** A new row of what has not expired at `nowMs`. */
export function withoutExpired<T>(row: ListRow<T>, nowMs: number): ListRow<T> {
  const { expiresMs } = row;
  if (expiresMs === undefined) return row;
  const isLive = (_: unknown, i: number) => (expiresMs[i] ?? Infinity) > nowMs;
  return {
    items: row.items.filter(isLive),
    expiresMs: expiresMs.filter(isLive),
    shared: false,
  };
}

function ownItems<T>(row: ListRow<T>): T[] {
  if (row.shared) {
    row.items = row.items.slice();
    row.shared = false;
  }
  return row.items;
}

function copyOfRow<T>({ items, expiresMs }: ListRow<T>): ListRow<T> {
  return { items: [...items], expiresMs: expiresMs && [...expiresMs], shared: false };
}

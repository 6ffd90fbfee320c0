/** For tests: what `KeyedStateModel` holds as plain values, and what user code may do to it. */
import type {
  AggregatingState,
  ListState,
  MapState,
  ReducingState,
  ValueState,
} from '../contracts/state.ts';
import { encodeKey } from '../serde/key-serializer.ts';
import type { HashmapBackend } from './hashmap-backend.ts';
import type { Namespace, TimerTable } from './keyed-state-backend.ts';

export interface Doc {
  n: number;
  tags: string[];
}

export interface Subtask {
  readonly backend: HashmapBackend;
  readonly count: ValueState<number>;
  readonly doc: ValueState<Doc>;
  readonly list: ListState<Doc>;
  readonly map: MapState<string, Doc>;
  readonly sum: ReducingState<Doc>;
  readonly mean: AggregatingState<number, number>;
  readonly short: ValueState<number>;
  readonly cache: MapState<string, number>;
  readonly recent: ListState<number>;
  readonly timers: TimerTable;
}

/** What one key holds in one namespace. */
export interface Held {
  count: number | undefined;
  doc: Doc | undefined;
  list: Doc[];
  map: Map<string, Doc>;
  sum: number | undefined;
  mean: number[];
  short: Expiring | undefined;
  cache: Map<string, Expiring>;
  recent: Expiring[];
  timers: Set<number>;
}

export interface Expiring {
  readonly value: number;
  readonly expiresMs: number;
}

/** By canonical key and namespace. */
export type Content = Map<string, Held>;

export interface Change {
  readonly subtask: Subtask;
  readonly held: Held;
  readonly value: number;
  /** A map key. */
  readonly name: string;
  readonly nowMs: number;
  readonly expiresMs: number;
}

function isLive(entry: Expiring | undefined, nowMs: number): entry is Expiring {
  return entry !== undefined && entry.expiresMs > nowMs;
}

/** Everything that user code may do, done to the state and to the model. */
export const CHANGES: readonly ((change: Change) => void)[] = [
  ({ subtask, held, value }) => {
    subtask.count.update((subtask.count.value() ?? 0) + value);
    held.count = (held.count ?? 0) + value;
  },
  ({ subtask, held, value }) => {
    const doc = subtask.doc.value() ?? { n: 0, tags: [] };
    doc.n += value;
    doc.tags.push(`t${value}`);
    subtask.doc.update(doc);
    held.doc ??= { n: 0, tags: [] };
    held.doc.n += value;
    held.doc.tags.push(`t${value}`);
  },
  ({ subtask, held }) => {
    subtask.count.clear();
    subtask.doc.clear();
    held.count = undefined;
    held.doc = undefined;
  },
  ({ subtask, held, value }) => {
    subtask.list.add({ n: value, tags: [] });
    held.list.push({ n: value, tags: [] });
  },
  ({ subtask, held, value }) => {
    const items = subtask.list.get();
    for (const item of items) item.n += value;
    subtask.list.update(items);
    for (const item of held.list) item.n += value;
  },
  ({ subtask, held, value }) => {
    if (value % 2 === 0) subtask.list.clear();
    else subtask.list.update([{ n: value, tags: ['a'] }]);
    held.list = value % 2 === 0 ? [] : [{ n: value, tags: ['a'] }];
  },
  ({ subtask, held, value, name }) => {
    subtask.map.put(name, { n: value, tags: [] });
    held.map.set(name, { n: value, tags: [] });
  },
  ({ subtask, held, value }) => {
    for (const [name, entry] of subtask.map.entries()) {
      entry.n += value;
      if (value % 2 === 0) subtask.map.put(name, entry);
      else subtask.map.remove(name);
    }
    for (const [name, entry] of held.map) {
      entry.n += value;
      if (value % 2 !== 0) held.map.delete(name);
    }
  },
  ({ subtask, held, name }) => {
    subtask.map.remove(name);
    held.map.delete(name);
  },
  ({ subtask, held }) => {
    subtask.map.clear();
    held.map.clear();
  },
  ({ subtask, held, value }) => {
    subtask.sum.add({ n: value, tags: [] });
    held.sum = (held.sum ?? 0) + value;
    subtask.mean.add(value);
    held.mean.push(value);
  },
  ({ subtask, held }) => {
    subtask.sum.clear();
    subtask.mean.clear();
    held.sum = undefined;
    held.mean = [];
  },
  ({ subtask, held, value, expiresMs }) => {
    subtask.short.update(value);
    held.short = { value, expiresMs };
  },
  ({ subtask, held, value, name, expiresMs }) => {
    subtask.cache.put(name, value);
    held.cache.set(name, { value, expiresMs });
  },
  ({ subtask, held, name, nowMs, expiresMs }) => {
    subtask.cache.get(name);
    const entry = held.cache.get(name);
    if (isLive(entry, nowMs)) held.cache.set(name, { ...entry, expiresMs });
  },
  ({ subtask, held, value, name }) => {
    if (value % 2 === 0) subtask.cache.clear();
    else subtask.cache.remove(name);
    if (value % 2 === 0) held.cache.clear();
    else held.cache.delete(name);
  },
  ({ subtask, held, value, expiresMs }) => {
    subtask.recent.add(value);
    held.recent.push({ value, expiresMs });
  },
  ({ subtask, held, value }) => {
    subtask.timers.register(value);
    held.timers.add(value);
  },
  ({ subtask, held, value }) => {
    subtask.timers.delete(value);
    held.timers.delete(value);
  },
];

/** How many different changes there are. */
export const MODEL_CHANGES = CHANGES.length;

export function nothingHeld(): Held {
  return {
    count: undefined,
    doc: undefined,
    list: [],
    map: new Map(),
    sum: undefined,
    mean: [],
    short: undefined,
    cache: new Map(),
    recent: [],
    timers: new Set(),
  };
}

export function renew(held: Held, nowMs: number, expiresMs: number): void {
  for (const [name, entry] of held.cache) {
    if (isLive(entry, nowMs)) held.cache.set(name, { ...entry, expiresMs });
  }
}

/** A copy without what has expired. */
export function withoutExpired(content: Content, nowMs: number): Content {
  const copy = structuredClone(content);
  for (const held of copy.values()) {
    if (!isLive(held.short, nowMs)) held.short = undefined;
    for (const [name, entry] of held.cache) if (!isLive(entry, nowMs)) held.cache.delete(name);
    held.recent = held.recent.filter((entry) => isLive(entry, nowMs));
  }
  return copy;
}

/** One line for each key and namespace that holds anything, without times of expiry. */
export function textsOf(content: Content, nowMs: number, withTimers: boolean): string[] {
  const lines: string[] = [];
  for (const [id, held] of withoutExpired(content, nowMs)) {
    const line = {
      count: held.count,
      doc: held.doc,
      list: held.list.length === 0 ? undefined : held.list,
      map: sortedEntries(held.map),
      sum: held.sum,
      mean: held.mean.length === 0 ? undefined : mean(held.mean),
      short: held.short?.value,
      cache: sortedEntries(new Map([...held.cache].map(([name, { value }]) => [name, value]))),
      recent: held.recent.length === 0 ? undefined : held.recent.map(({ value }) => value),
      timers:
        held.timers.size === 0 || !withTimers ? undefined : [...held.timers].sort((a, b) => a - b),
    };
    const json = JSON.stringify(line);
    if (json !== '{}') lines.push(`${id} ${json}`);
  }
  return lines.sort();
}

function sortedEntries(map: ReadonlyMap<string, unknown>): unknown {
  return map.size === 0 ? undefined : [...map].sort(([a], [b]) => (a < b ? -1 : 1));
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

export function readAll(states: Omit<Subtask, 'backend' | 'timers'>): Held {
  const ever = (value: number): Expiring => ({ value, expiresMs: Infinity });
  const short = states.short.value();
  const average = states.mean.get();
  const count = states.count.value();
  return {
    count: count === 0 ? undefined : count,
    doc: states.doc.value(),
    list: [...states.list.get()],
    map: new Map(states.map.entries()),
    sum: states.sum.get()?.n,
    mean: average === undefined ? [] : [average],
    short: short === undefined ? undefined : ever(short),
    cache: new Map([...states.cache.entries()].map(([name, value]) => [name, ever(value)])),
    recent: states.recent.get().map(ever),
    timers: new Set(),
  };
}

export function sameNamespace(a: Namespace, b: Namespace): boolean {
  return a?.start === b?.start && a?.end === b?.end;
}

export function idOf(key: unknown, namespace: Namespace): string {
  const bytes = Buffer.from(encodeKey(key)).toString('hex');
  return `${bytes}@${namespace === undefined ? '' : `${namespace.start}-${namespace.end}`}`;
}

/**
 * For tests: keyed state as plain Maps beside real backends, of any parallelism. Each operation is
 * done to both; each snapshot is compared with what the Maps were at its barrier.
 */
import { assert } from '../common/assert.ts';
import { crc32 } from '../common/crc32.ts';
import { keyGroupOf, keyGroupRangeOf, subtaskOfKeyGroup } from '../common/key-groups.ts';
import { keyHash } from '../common/key-hash.ts';
import type {
  AggregatingState,
  AnyStateDescriptor,
  ListState,
  MapState,
  ReducingState,
  ValueState,
} from '../contracts/state.ts';
import type { BlobHandle, KeyedRunHandle, SnapshotKind } from '../contracts/snapshots.ts';
import { encodeKey } from '../serde/key-serializer.ts';
import { serializerOf } from '../serde/structural-serializer.ts';
import { HashmapBackend, type BackendTuning } from './hashmap-backend.ts';
import type {
  Namespace,
  RunningSnapshot,
  SnapshotTarget,
  TimerTable,
} from './keyed-state-backend.ts';

export const MODEL_MAX_PARALLELISM = 16;
export const MODEL_TTL_MS = 100;

export const MODEL_NAMESPACES: readonly Namespace[] = [
  undefined,
  { start: 0, end: 10 },
  { start: 0, end: 20 },
];

export interface Doc {
  n: number;
  tags: string[];
}

const doc = serializerOf({
  kind: 'object',
  fields: [
    { name: 'n', type: { kind: 'float64' } },
    { name: 'tags', type: { kind: 'array', of: { kind: 'string' } } },
  ],
});
const float64 = serializerOf({ kind: 'float64' });
const text = serializerOf({ kind: 'string' });
const ttl = { ttlMs: MODEL_TTL_MS, update: 'on-write' } as const;
const ttlOnRead = { ttlMs: MODEL_TTL_MS, update: 'on-read-and-write' } as const;

/** The states of the modelled operator; `ttl: undefined` in place of one turns it off. */
export function modelDescriptors(ttlMs: number | undefined = MODEL_TTL_MS) {
  const onWrite = ttlMs === undefined ? undefined : { ...ttl, ttlMs };
  const onRead = ttlMs === undefined ? undefined : { ...ttlOnRead, ttlMs };
  return {
    count: { kind: 'value', name: 'count', ttl: undefined, serializer: float64, defaultValue: 0 },
    doc: { kind: 'value', name: 'doc', ttl: undefined, serializer: doc, defaultValue: undefined },
    list: { kind: 'list', name: 'list', ttl: undefined, element: doc },
    map: { kind: 'map', name: 'map', ttl: undefined, key: text, value: doc },
    sum: {
      kind: 'reducing',
      name: 'sum',
      ttl: undefined,
      serializer: doc,
      // It changes its argument, which reduce functions may do here.
      reduce: (a: Doc, b: Doc) => {
        a.n += b.n;
        return a;
      },
    },
    mean: {
      kind: 'aggregating',
      name: 'mean',
      ttl: undefined,
      accumulator: doc,
      createAccumulator: (): Doc => ({ n: 0, tags: [] }),
      add: (to: Doc, value: number) => {
        to.n += value;
        to.tags.push(`${value}`);
        return to;
      },
      getResult: (from: Doc) => from.n / from.tags.length,
      merge: undefined,
    },
    short: {
      kind: 'value',
      name: 'short',
      ttl: onWrite,
      serializer: float64,
      defaultValue: undefined,
    },
    cache: { kind: 'map', name: 'cache', ttl: onRead, key: text, value: float64 },
    recent: { kind: 'list', name: 'recent', ttl: onWrite, element: float64 },
  } as const satisfies Record<string, AnyStateDescriptor>;
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
interface Held {
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

interface Expiring {
  readonly value: number;
  readonly expiresMs: number;
}

/** By canonical key and namespace. */
type Content = Map<string, Held>;

export interface Finished {
  readonly id: number;
  readonly kind: SnapshotKind;
  readonly parallelism: number;
  readonly runs: readonly (readonly KeyedRunHandle[])[];
  readonly content: Content;
  readonly writtenBytes: number;
}

interface Running {
  readonly id: number;
  readonly kind: SnapshotKind;
  readonly snapshots: readonly RunningSnapshot[];
  readonly content: Content;
}

export class KeyedStateModel {
  readonly files = new Map<string, Uint8Array>();
  readonly keys: readonly unknown[];
  subtasks: readonly Subtask[] = [];
  nowMs = 1_000;
  ttlMs: number | undefined = MODEL_TTL_MS;
  running: Running | undefined;
  /** Not yet confirmed or aborted, oldest first. */
  pending: Finished[] = [];
  confirmed: Finished | undefined;
  readonly tuning: BackendTuning;
  #content: Content = new Map();
  #steps = 0;
  #checkpoints = 0;
  #stored = 0;

  constructor(keys: readonly unknown[], parallelism: number, tuning: BackendTuning) {
    this.keys = keys;
    this.tuning = tuning;
    this.subtasks = this.#start(parallelism);
  }

  /** Makes a key current in the subtask that owns it. */
  at(key: unknown, namespace: Namespace): Subtask {
    const hash = keyHash(key);
    const group = keyGroupOf(hash, MODEL_MAX_PARALLELISM);
    const index = subtaskOfKeyGroup(group, MODEL_MAX_PARALLELISM, this.subtasks.length);
    const subtask = this.subtasks[index];
    assert(subtask !== undefined, 'no such subtask');
    subtask.backend.setCurrentKey(key, hash);
    subtask.backend.setCurrentNamespace(namespace);
    return subtask;
  }

  /** One operation of user code on one key; `variant` chooses which. */
  change(key: unknown, namespace: Namespace, variant: number, value: number): void {
    const subtask = this.at(key, namespace);
    const change = CHANGES[variant % CHANGES.length];
    const held = this.#heldBy(key, namespace);
    change?.({
      subtask,
      held,
      value,
      name: `k${value % 3}`,
      nowMs: this.nowMs,
      expiresMs: this.nowMs + (this.ttlMs ?? Infinity),
    });
  }

  /** Fires the earliest timer of each subtask. */
  fireTimers(): void {
    for (const { backend, timers } of this.subtasks) {
      const timeMs = timers.peek();
      if (timeMs === Infinity) continue;
      assert(timers.poll() === timeMs, 'peek and poll differ');
      const key = backend.currentKey();
      const hash = keyHash(key);
      assert(backend.currentHash() === hash, 'the hash of a timer is wrong');
      const namespace = backend.currentNamespace();
      assert(this.#heldBy(key, namespace).timers.delete(timeMs), 'a timer fired that was not set');
    }
  }

  advance(ms: number): void {
    this.nowMs += ms;
    for (const { backend } of this.subtasks) backend.beginBatch();
  }

  barrier(kind: SnapshotKind, full: boolean): void {
    const id = ++this.#checkpoints;
    const barrier = { checkpointId: id, kind, timestampMs: this.nowMs, full };
    const content = withoutExpired(this.#content, this.nowMs);
    const snapshots = this.subtasks.map(({ backend }) => backend.snapshot(barrier, this.#target()));
    this.running = { id, kind: full ? 'savepoint' : kind, snapshots, content };
  }

  /** Lets the running snapshot take some steps. */
  drain(steps: number): void {
    for (const snapshot of this.running?.snapshots ?? []) snapshot.drain(steps);
  }

  async finish(): Promise<Finished | undefined> {
    const { running } = this;
    if (running === undefined) return undefined;
    for (const snapshot of running.snapshots) {
      while (!snapshot.drain(Infinity)) await Promise.resolve();
    }
    const results = await Promise.all(running.snapshots.map(({ handles }) => handles));
    this.running = undefined;
    const finished: Finished = {
      id: running.id,
      kind: running.kind,
      parallelism: this.subtasks.length,
      runs: results.map(({ runs }) => runs),
      content: running.content,
      writtenBytes: results.reduce((sum, { writtenBytes }) => sum + writtenBytes, 0),
    };
    this.pending.push(finished);
    return finished;
  }

  confirm(): void {
    const next = this.pending.pop();
    if (next === undefined) return;
    this.pending = [];
    for (const { backend } of this.subtasks) backend.confirmed(next.id);
    this.confirmed = next;
  }

  abort(): void {
    const next = this.pending.pop();
    if (next === undefined) return;
    for (const { backend } of this.subtasks) backend.aborted(next.id);
  }

  /** Fails the job and starts it again from the last confirmed snapshot. */
  async fail(parallelism: number): Promise<void> {
    for (const { backend } of this.subtasks) backend.close();
    this.running = undefined;
    this.pending = [];
    this.subtasks = await this.restored(this.confirmed, parallelism, true);
    this.#content = withoutExpired(this.confirmed?.content ?? new Map<string, Held>(), this.nowMs);
  }

  async restored(
    from: Finished | undefined,
    parallelism: number,
    reuse = false,
  ): Promise<readonly Subtask[]> {
    const subtasks = this.#start(parallelism);
    if (from === undefined) return subtasks;
    for (const { backend } of subtasks) {
      await backend.restore({
        handles: from.runs.flat(),
        checkpointId: from.id,
        reusableBase: reuse && from.kind !== 'savepoint' && from.parallelism === parallelism,
        read: async (handle) => this.read(handle),
      });
    }
    return subtasks;
  }

  async read(handle: BlobHandle): Promise<Uint8Array> {
    const bytes = handle.kind === 'blob' ? this.files.get(handle.path) : undefined;
    assert(bytes !== undefined, 'no such file');
    return bytes;
  }

  /** What a snapshot gives when it is restored now, and what it should give: for `toEqual`. */
  async compare(finished: Finished, parallelism: number) {
    const subtasks = await this.restored(finished, parallelism);
    const expected = textsOf(finished.content, this.nowMs, true);
    return { actual: this.#dump(subtasks, true), expected };
  }

  /** What the running backends hold and should hold. Reads as user code does. */
  compareRunning() {
    const expected = textsOf(this.#content, this.nowMs, false);
    const expiresMs = this.nowMs + (this.ttlMs ?? Infinity);
    for (const held of this.#content.values()) renew(held, this.nowMs, expiresMs);
    return { actual: this.#dump(this.subtasks, false), expected };
  }

  #heldBy(key: unknown, namespace: Namespace): Held {
    const id = idOf(key, namespace);
    const held = this.#content.get(id) ?? nothingHeld();
    this.#content.set(id, held);
    return held;
  }

  /** All that the states say, and the timers if they may be taken off. */
  #dump(subtasks: readonly Subtask[], poll: boolean): string[] {
    const before = this.subtasks;
    this.subtasks = subtasks;
    const content: Content = new Map();
    for (const key of this.keys) {
      for (const namespace of MODEL_NAMESPACES) {
        content.set(idOf(key, namespace), readAll(this.at(key, namespace)));
      }
    }
    for (const { backend, timers } of poll ? subtasks : []) {
      for (let last = -Infinity; timers.size() > 0;) {
        const timeMs = timers.poll();
        assert(timeMs >= last, 'timers fire out of order');
        last = timeMs;
        for (const namespace of MODEL_NAMESPACES) {
          if (!sameNamespace(backend.currentNamespace(), namespace)) continue;
          content.get(idOf(backend.currentKey(), namespace))?.timers.add(timeMs);
        }
      }
    }
    this.subtasks = before;
    return textsOf(content, -Infinity, poll);
  }

  #start(parallelism: number): Subtask[] {
    return Array.from({ length: parallelism }, (_, index) => {
      const backend = new HashmapBackend(
        {
          uid: 'model',
          range: keyGroupRangeOf(index, MODEL_MAX_PARALLELISM, parallelism),
          maxParallelism: MODEL_MAX_PARALLELISM,
          nowMs: () => this.nowMs,
          monotonicMs: () => this.#steps++,
        },
        this.tuning,
      );
      const d = modelDescriptors(this.ttlMs);
      return {
        backend,
        count: backend.declare(d.count),
        doc: backend.declare(d.doc) as ValueState<Doc>,
        list: backend.declare(d.list) as ListState<Doc>,
        map: backend.declare(d.map) as MapState<string, Doc>,
        sum: backend.declare(d.sum) as ReducingState<Doc>,
        mean: backend.declare(d.mean) as AggregatingState<number, number>,
        short: backend.declare(d.short) as ValueState<number>,
        cache: backend.declare(d.cache),
        recent: backend.declare(d.recent) as ListState<number>,
        timers: backend.timers('timers'),
      };
    });
  }

  #target(): SnapshotTarget {
    return {
      store: async (scope, name, parts) => {
        const bytes = new Uint8Array(Buffer.concat(parts));
        const path = `${scope}/${name}-${this.#stored++}`;
        this.files.set(path, bytes);
        return { kind: 'blob', path, sizeBytes: bytes.length, crc32: crc32(bytes) };
      },
    };
  }
}

interface Change {
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
const CHANGES: readonly ((change: Change) => void)[] = [
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

function nothingHeld(): Held {
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

function renew(held: Held, nowMs: number, expiresMs: number): void {
  for (const [name, entry] of held.cache) {
    if (isLive(entry, nowMs)) held.cache.set(name, { ...entry, expiresMs });
  }
}

/** A copy without what has expired. */
function withoutExpired(content: Content, nowMs: number): Content {
  const copy = structuredClone(content);
  for (const held of copy.values()) {
    if (!isLive(held.short, nowMs)) held.short = undefined;
    for (const [name, entry] of held.cache) if (!isLive(entry, nowMs)) held.cache.delete(name);
    held.recent = held.recent.filter((entry) => isLive(entry, nowMs));
  }
  return copy;
}

/** One line for each key and namespace that holds anything, without times of expiry. */
function textsOf(content: Content, nowMs: number, withTimers: boolean): string[] {
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

function readAll({ backend, ...states }: Subtask): Held {
  void backend;
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

function sameNamespace(a: Namespace, b: Namespace): boolean {
  return a?.start === b?.start && a?.end === b?.end;
}

function idOf(key: unknown, namespace: Namespace): string {
  const bytes = Buffer.from(encodeKey(key)).toString('hex');
  return `${bytes}@${namespace === undefined ? '' : `${namespace.start}-${namespace.end}`}`;
}

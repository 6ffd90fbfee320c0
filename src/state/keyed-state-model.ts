/**
 * For tests: keyed state as plain Maps beside real backends, of any parallelism. Each operation is
 * done to both; each snapshot is compared with what the Maps were at its barrier.
 */
import { assert } from '../common/assert.ts';
import { crc32 } from '../common/crc32.ts';
import { keyGroupOf, keyGroupRangeOf, subtaskOfKeyGroup } from '../common/key-groups.ts';
import { keyHash } from '../common/key-hash.ts';
import type { AnyStateDescriptor } from '../contracts/state.ts';
import type { BlobHandle, KeyedRunHandle, SnapshotKind } from '../contracts/snapshots.ts';
import { serializerOf } from '../serde/structural-serializer.ts';
import {
  CHANGES,
  idOf,
  nothingHeld,
  readAll,
  renew,
  sameNamespace,
  textsOf,
  withoutExpired,
  type Content,
  type Doc,
  type Held,
  type Subtask,
} from './keyed-state-content.ts';
import { HashmapBackend, type BackendTuning } from './hashmap-backend.ts';
import type { Namespace, RunningSnapshot, SnapshotTarget } from './keyed-state-backend.ts';

export const MODEL_MAX_PARALLELISM = 16;
export const MODEL_TTL_MS = 100;

export const MODEL_NAMESPACES: readonly Namespace[] = [
  undefined,
  { start: 0, end: 10 },
  { start: 0, end: 20 },
];

const doc = serializerOf({
  kind: 'object',
  fields: [
    { name: 'n', type: { kind: 'float64' } },
    { name: 'tags', type: { kind: 'array', of: { kind: 'string' } } },
  ],
});
const float64 = serializerOf({ kind: 'float64' });
const text = serializerOf({ kind: 'string' });

/** The states of the modelled operator. */
export function modelDescriptors(ttlMs: number) {
  const onWrite = { ttlMs, update: 'on-write' } as const;
  const onRead = { ttlMs, update: 'on-read-and-write' } as const;
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

export interface ModelTuning extends BackendTuning {
  /** Files are read by ranges. */
  readonly ranges?: boolean;
}

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
  ttlMs = MODEL_TTL_MS;
  running: Running | undefined;
  /** Not yet confirmed or aborted, oldest first. */
  pending: Finished[] = [];
  confirmed: Finished | undefined;
  readonly tuning: ModelTuning;
  #content: Content = new Map();
  #steps = 0;
  #checkpoints = 0;
  #stored = 0;

  constructor(keys: readonly unknown[], parallelism: number, tuning: ModelTuning) {
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
      expiresMs: this.nowMs + this.ttlMs,
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
        readRange:
          this.tuning.ranges === true
            ? async (handle, { offset, length }) =>
                (await this.read(handle)).subarray(offset, offset + length)
            : undefined,
      });
      await this.#ready(backend);
    }
    return subtasks;
  }

  /** Goes on with restores, one step for each unit. */
  load(steps: number): void {
    for (const { backend } of this.subtasks) backend.loadSlice(steps);
  }

  /** Waits until the bytes of all keys are there. */
  async #ready(backend: HashmapBackend): Promise<void> {
    const hashes = Int32Array.from(this.keys, keyHash);
    for (let i = 0; i < 1_000; i++) {
      if (backend.ready(hashes, 0, hashes.length)) return;
      await Promise.resolve();
    }
    assert(false, 'the bytes of a key do not come');
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
    const expiresMs = this.nowMs + this.ttlMs;
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
        doc: backend.declare(d.doc),
        list: backend.declare(d.list),
        map: backend.declare(d.map),
        sum: backend.declare(d.sum),
        mean: backend.declare(d.mean),
        short: backend.declare(d.short),
        cache: backend.declare(d.cache),
        recent: backend.declare(d.recent),
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

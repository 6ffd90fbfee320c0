import type { KeyGroupRange } from '../common/key-groups.ts';
import type {
  BlobHandle,
  CheckpointBarrier,
  CheckpointId,
  KeyedRunHandle,
  StateSchema,
} from '../contracts/snapshots.ts';
import type { AnyStateDescriptor, StateOf } from '../contracts/state.ts';
import type { RestoreProgress } from '../common/restore-progress.ts';

/** Windows are namespaces: state of a key is kept apart for each. `undefined` is the one outside windows. */
export type Namespace = { readonly start: number; readonly end: number } | undefined;

/**
 * How far a restore is: `loaded` is all of it, and all of it verified; `loading` goes on with the next
 * call; `waiting` for bytes, and `onArrival` tells when it can go on.
 */
export type LoadProgress = 'loaded' | 'loading' | 'waiting';

/**
 * The keyed state of one operator subtask. The task sets the current key (and for windows the
 * namespace) and then hands control to user code, which reads and writes through the state objects.
 *
 * Life: `declare` all states → `restore` if there is something → use. Snapshots are taken between
 * records: `snapshot` starts one (cheap), `drain` is called between batches until it says done.
 *
 * A large restore resolves when its indexes are verified, and loads while records are processed:
 * `loadSlice` is called between batches until it says `loaded`. What is read before has been verified
 * as well, but what is not read yet may be damaged: so no snapshot is ready before all is.
 */
export interface KeyedStateBackend {
  /** Makes the state of a descriptor; all of them before `restore` and before the first record. */
  declare<D extends AnyStateDescriptor>(descriptor: D): StateOf<D>;
  /** Timers of one time domain, as rows of state; `name` is unique within the operator. */
  timers(name: string): TimerTable;

  /** `hash` is `keyHash(key)`; the caller has it from routing, it is never computed twice. */
  setCurrentKey(key: unknown, hash: number): void;
  currentKey(): unknown;
  currentHash(): number;
  setCurrentNamespace(namespace: Namespace): void;
  currentNamespace(): Namespace;

  /**
   * Called before each batch of records (and now and then when there are none): reads the clock for
   * the time to live, and deletes a few rows that have expired. Bounded work.
   */
  beginBatch(): void;
  /** Touches the rows of a batch's key hashes, so that their cache misses overlap. Changes nothing. */
  prefetch(hashes: Int32Array, from: number, count: number): void;

  /**
   * Begins a snapshot of the state as it is now. Later changes do not get into it. At most one is
   * under way: a second call while one is draining finishes the first synchronously.
   */
  snapshot(barrier: CheckpointBarrier, target: SnapshotTarget): RunningSnapshot;
  /** The checkpoint is complete: deltas may be based on it, tombstones in it may go. */
  confirmed(checkpointId: CheckpointId): void;
  /** It will never be complete: what it would have carried goes into the next. */
  aborted(checkpointId: CheckpointId): void;

  /**
   * Loads what the handles hold of the backend's range. Checks every byte it uses. States that the
   * operator does not declare are passed over and reported: the caller refuses or drops them.
   * @throws {EngineError} `STA-001` (`corrupt`) with the file and block; `STA-002`, `STA-003`
   * (`invalid`) if a stored schema does not fit the declared one.
   */
  restore(options: RestoreOptions): Promise<RestoreResult>;

  /**
   * Goes on with a restore for about `budgetMs`.
   * @throws {EngineError} `STA-001` (`corrupt`), or what reading the store throws. The task must fail:
   * each later call, each lookup of what is not loaded and each snapshot throws it again.
   */
  loadSlice(budgetMs: number): LoadProgress;
  /** All that was restored has been verified and loaded. */
  readonly verified: boolean;
  /** How far a restore is, or was when it was done; undefined if nothing was restored. Looks at each file. */
  restoreProgress(): RestoreProgress | undefined;
  /**
   * Whether the state of these key hashes can be used without waiting for bytes. If not, they are asked
   * for, and `onArrival` tells when to ask again. Throws as `loadSlice` does.
   */
  ready(hashes: Int32Array, from: number, count: number): boolean;

  schemas(): readonly StateSchema[];
  /** For metrics: number of live rows over all states; while a restore loads, of those loaded. */
  rows(): number;
  close(): void;
}

export interface RestoreOptions {
  readonly handles: readonly KeyedRunHandle[];
  readonly checkpointId: CheckpointId;
  readonly reusableBase: boolean;
  readonly read: (handle: BlobHandle) => Promise<Uint8Array>;
  /**
   * A part of a blob, unchecked. With it the restore does not wait for all bytes, and whoever sets a
   * key asks `ready` before. Default: files are read whole.
   */
  readonly readRange?: ((handle: BlobHandle, range: BlobRange) => Promise<Uint8Array>) | undefined;
  /** Called when bytes have come for which `loadSlice` or `ready` waited, or could not be read. */
  readonly onArrival?: (() => void) | undefined;
}

export interface BlobRange {
  readonly offset: number;
  readonly length: number;
}

export interface RestoreResult {
  /** States in the snapshot that no one declares now. Their rows were not loaded. */
  readonly undeclared: readonly StateSchema[];
  /** Loaded so far. */
  readonly rows: number;
}

export interface BackendOptions {
  readonly uid: string;
  readonly range: KeyGroupRange;
  readonly maxParallelism: number;
  /** Wall clock for TTL; read at most once per batch. */
  readonly nowMs: () => number;
  /** `Clock.monotonicMs`, which bounds the slices of `drain`. */
  readonly monotonicMs: () => number;
}

/** Where a snapshot's bytes go; part of `checkpoint`'s layout, so that state knows no paths. */
export interface SnapshotTarget {
  /**
   * Stores one file. `shared` files may be referred to by later checkpoints; `exclusive` ones go with
   * this one. Small ones become inline handles.
   *
   * @param parts Once the promise has resolved, their memory gets other bytes: keep none of it.
   * @param crc32 Of all parts, where the caller knows it.
   */
  store(
    scope: 'shared' | 'exclusive',
    name: string,
    parts: readonly Uint8Array[],
    crc32?: number,
  ): Promise<BlobHandle>;
}

/** A snapshot between its barrier and its last byte. */
export interface RunningSnapshot {
  /** Encodes for about `budgetMs`; true when everything is encoded. Never blocks. */
  drain(budgetMs: number): boolean;
  /** As much as may be on its way to the store is: `drain` does nothing before a file is stored. */
  readonly isWaiting: boolean;
  /** Resolves when all files are stored; only after `drain` has said true. Rejects when storing fails. */
  readonly handles: Promise<SnapshotResult>;
  /** Gives up: nothing more is stored. */
  cancel(): void;
}

export interface SnapshotResult {
  /** All runs that make up the state, oldest first: old ones still needed and the new ones. */
  readonly runs: readonly KeyedRunHandle[];
  readonly writtenBytes: number;
}

/** Timers of the current key and namespace, and the queue of all of them by time. */
export interface TimerTable {
  register(timestampMs: number): void;
  delete(timestampMs: number): void;
  /** The earliest timer's time, `Infinity` if there is none. */
  peek(): number;
  /** Whether the state of the earliest timer's key can be used without waiting: see `ready`. */
  isReady(): boolean;
  /**
   * Takes the earliest timer off, makes its key and namespace current, and returns its time.
   * Equal times come in a fixed order (by key hash, key, namespace) so that runs are repeatable.
   */
  poll(): number;
  size(): number;
}

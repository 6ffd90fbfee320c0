import type { KeyGroupRange } from '../common/key-groups.ts';
import type { CommitReason } from './sink.ts';
import type { TypeSchema } from '../serde/type-schema.ts';

/*
 * What the coordinator and the tasks say to each other about checkpoints. Plain data: in one thread
 * it is passed as it is, later between threads and processes.
 */

export type CheckpointId = number;

/** `checkpoint` is periodic and may be a delta; `savepoint` is canonical, full and self-contained; `end` is the last one of a bounded job. */
export type SnapshotKind = CommitReason;

export type StopMode = 'suspend' | 'drain';

/** Where a snapshot lies: a folder in the job's own store, or in the one with that URL. */
export interface SnapshotLocation {
  readonly storeUrl: string | undefined;
  readonly folder: string;
}

/** Goes from the sources to the sinks between the records. */
export interface CheckpointBarrier {
  readonly checkpointId: CheckpointId;
  readonly kind: SnapshotKind;
  readonly timestampMs: number;
  /** Force a full snapshot although a base is there (after NO_CLAIM or a rescale). */
  readonly full: boolean;
  /**
   * The job stops with this savepoint. `suspend`: nothing may happen behind it before it is known how
   * it ends. `drain`: all input was ended before it, which says nothing about a job that restores it.
   */
  readonly stop?: StopMode;
  /** Where the files go. It travels with the barrier, so that it is there when the barrier is. */
  readonly location?: SnapshotLocation;
}

/** Bytes of a snapshot: small ones inside the metadata, others in a blob. */
export type BlobHandle =
  | {
      readonly kind: 'inline';
      readonly base64: string;
      readonly sizeBytes: number;
      readonly crc32: number;
    }
  | {
      readonly kind: 'blob';
      readonly path: string;
      readonly sizeBytes: number;
      readonly crc32: number;
    };

/** One file of keyed state; docs/formats/keyed-run.md. Applied oldest first. */
export interface KeyedRunHandle {
  readonly blob: BlobHandle;
  readonly keyGroups: KeyGroupRange;
  /** The checkpoint that wrote it. */
  readonly checkpointId: CheckpointId;
  readonly rows: number;
  /** Key groups that the run holds in full, so that older runs do not count for them. Default: none. */
  readonly full?: readonly KeyGroupRange[];
}

/** What a state is called and how its bytes are to be read. */
export interface StateSchema {
  readonly name: string;
  readonly kind:
    | 'value'
    | 'list'
    | 'map'
    | 'reducing'
    | 'aggregating'
    | 'timers'
    | 'broadcast'
    | 'operator-list';
  readonly value: TypeSchema;
  /** The map key's schema, for maps. */
  readonly key?: TypeSchema;
  readonly ttlMs?: number;
}

/** All of one operator subtask in one snapshot. */
export interface OperatorSnapshot {
  readonly uid: string;
  readonly subtask: number;
  readonly parallelism: number;
  readonly keyed: readonly KeyedRunHandle[];
  /** Operator (list, union, broadcast) state, one blob; docs/formats/operator-state.md. */
  readonly operator: BlobHandle | undefined;
  readonly schemas: readonly StateSchema[];
  /** The operator's watermark; absent means none yet. */
  readonly watermarkMs: number | undefined;
  /** It has seen the end of all its inputs and flushed. */
  readonly finished: boolean;
  /** All committables that no confirmed checkpoint has taken over, oldest first, serialized. */
  readonly committables: readonly SerializedCommittable[];
}

export interface SerializedCommittable {
  readonly uid: string;
  readonly subtask: number;
  readonly checkpointId: CheckpointId;
  /** Counts within (uid, subtask, attempt), so that one that was handed over twice is taken once. */
  readonly sequence: number;
  readonly base64: string;
}

export interface TaskAcknowledgement {
  readonly checkpointId: CheckpointId;
  readonly vertex: string;
  readonly subtask: number;
  readonly attempt: number;
  readonly operators: readonly OperatorSnapshot[];
  readonly metrics: {
    /** From the first to the last barrier of this task. */
    readonly alignmentMs: number;
    /** The part that stopped the task. */
    readonly syncMs: number;
    readonly asyncMs: number;
    /** Bytes newly written for this checkpoint. */
    readonly writtenBytes: number;
    /** All bytes this checkpoint refers to. */
    readonly stateBytes: number;
  };
}

/** What a starting operator subtask restores from: the snapshots of all old subtasks of its uid. */
export interface OperatorRestore {
  readonly checkpointId: CheckpointId;
  readonly uid: string;
  readonly subtasks: readonly OperatorSnapshot[];
  /** Same parallelism and lineage: the next checkpoint may be a delta against this one. */
  readonly reusableBase: boolean;
}

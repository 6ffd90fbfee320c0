/** The words of the checkpoint coordinator: what it is told, what it asks for, what it remembers. */
import type { EngineError } from '../common/errors.ts';
import type { CommitResult } from '../contracts/sink.ts';
import type {
  CheckpointBarrier,
  CheckpointId,
  SnapshotKind,
  SnapshotLocation,
  TaskAcknowledgement,
} from '../contracts/snapshots.ts';
import type { FailureReason } from './checkpoint-failure.ts';
import type { AckRecord, CheckpointHistory } from './checkpoint-history.ts';
import type { SnapshotIdentity, SnapshotMetadata, SnapshotNotes } from './metadata.ts';
import type { CheckpointPhase } from './pending-checkpoint.ts';
import type { PendingCommits, PendingCommittable } from './pending-commits.ts';

/** Both kinds of time: durations by the one, what people see by the other. */
export interface Moment {
  readonly monotonicMs: number;
  readonly wallMs: number;
}

export interface CoordinatorSettings {
  /** From one periodic start to the next, in milliseconds. 0: none by itself. Short costs throughput, long costs replay. */
  readonly intervalMs: number;
  /** Time from the trigger to the last ack; and again at most as long for the answer of HEAD. */
  readonly timeoutMs: number;
  /** At least this long between the completion of one and the periodic start of the next. */
  readonly minPauseMs: number;
  /** Most that are under way at a time. Savepoints are let in above it, and count for the others. */
  readonly maxConcurrent: number;
  /** Consecutive failures that the job survives; one more fails it. */
  readonly tolerableFailures: number;
  /** Complete checkpoints that are kept. At least 1. */
  readonly numRetained: number;
  /** Savepoints then wait for a free place as others do: two at a time cannot overtake. */
  readonly unaligned: boolean;
  /** Checkpoints shown in the history. Flink's and our default is 10. */
  readonly historySize: number;
}

export interface CoordinatedVertex {
  readonly id: string;
  readonly parallelism: number;
  readonly operators: readonly string[];
  /** `pointwise`: subtask n reads only from subtask n. */
  readonly inputs: readonly { readonly vertex: string; readonly pointwise: boolean }[];
}

export interface TaskRef {
  readonly vertex: string;
  readonly subtask: number;
  readonly attempt: number;
}

export type { SnapshotLocation } from '../contracts/snapshots.ts';

export type TriggerRequest =
  | { readonly kind: 'periodic' }
  | { readonly kind: 'end' }
  | { readonly kind: 'checkpoint'; readonly requestId: string; readonly full: boolean }
  | (SavepointRequest & { readonly kind: 'savepoint' })
  | (SavepointRequest & { readonly kind: 'stop'; readonly drain: boolean });

interface SavepointRequest {
  readonly requestId: string;
  /** As the user gave it; undefined: the configured one. */
  readonly directory: string | undefined;
  readonly notes: SnapshotNotes;
}

export type UserRequest = Exclude<TriggerRequest, { kind: 'periodic' | 'end' }>;

/** A complete checkpoint or savepoint. */
export interface CompletedCheckpoint {
  readonly checkpointId: CheckpointId;
  readonly kind: SnapshotKind;
  readonly location: SnapshotLocation;
  /** For people: `s3://…/chk-7`. */
  readonly url: string;
  /** All blobs that it refers to. */
  readonly files: ReadonlySet<string>;
}

/** What happened. `at` is when the coordinator heard of it. */
export type CoordinatorEvent = { readonly at: Moment } & CoordinatorEventBody;

export type CoordinatorEventBody =
  /** Send one at each `wake-at`. */
  | { readonly kind: 'tick' }
  | { readonly kind: 'trigger'; readonly request: UserRequest }
  | {
      readonly kind: 'coordinator-state-taken';
      readonly checkpointId: CheckpointId;
      /** By uid, base64. */
      readonly coordinators: Readonly<Record<string, string>>;
      /** Where the files of a savepoint go; undefined for checkpoints. */
      readonly location: SnapshotLocation | undefined;
    }
  | {
      readonly kind: 'trigger-failed';
      readonly checkpointId: CheckpointId;
      readonly message: string;
    }
  | { readonly kind: 'ack'; readonly ack: TaskAcknowledgement }
  | (TaskRef & {
      readonly kind: 'decline';
      readonly checkpointId: CheckpointId;
      readonly reason: 'declined' | 'async-failed' | 'task-not-ready' | 'task-finished';
      readonly message: string;
    })
  | {
      readonly kind: 'metadata-stored';
      readonly checkpointId: CheckpointId;
      readonly url: string;
      readonly metadataBytes: number;
      readonly metadataCrc32: number;
    }
  | {
      readonly kind: 'metadata-failed';
      readonly checkpointId: CheckpointId;
      readonly message: string;
    }
  | {
      readonly kind: 'head-moved';
      readonly checkpointId: CheckpointId;
      /** Ids up to this one are ours to use. */
      readonly idsThrough: CheckpointId;
      /** Checkpoints that are no longer retained. */
      readonly dropped: readonly CheckpointId[];
    }
  | {
      readonly kind: 'head-failed';
      readonly checkpointId: CheckpointId;
      readonly outcome: 'refused' | 'fenced' | 'unknown';
      readonly message: string;
    }
  | { readonly kind: 'ids-reserved'; readonly idsThrough: CheckpointId }
  | {
      readonly kind: 'ids-not-reserved';
      readonly outcome: 'fenced' | 'failed';
      readonly message: string;
    }
  /** All tasks that are to run do; others of these vertices have finished before. */
  | {
      readonly kind: 'tasks-running';
      readonly vertices: readonly CoordinatedVertex[];
      readonly tasks: readonly TaskRef[];
    }
  | (TaskRef & { readonly kind: 'task-finished' })
  /** All sources have ended and every operator has flushed: the last checkpoint may be taken. */
  | { readonly kind: 'inputs-ended' }
  /**
   * A task failed, or the job is restarted for another reason. Wait for `quiesced`. `vertices` are
   * those whose tasks are gone, by default all; the others go on and are told how checkpoints end.
   */
  | {
      readonly kind: 'suspend';
      readonly reason: 'task-failed' | 'suspended';
      readonly vertices?: readonly string[];
    }
  /** What the next attempt starts from. Wait for `restored-committed` before starting its tasks. */
  | {
      readonly kind: 'restored';
      readonly attempt: number;
      readonly from: RestoredSnapshot | undefined;
    }
  | { readonly kind: 'commit-results'; readonly results: readonly CommitResult[] }
  /** The committer threw: nothing is known, everything is tried again. */
  | { readonly kind: 'commit-failed'; readonly message: string }
  /** The job is over, one way or another. */
  | { readonly kind: 'close' };

export interface RestoredSnapshot {
  readonly checkpoint: CompletedCheckpoint;
  /** Without those of operators whose state was dropped, and empty for a fork. */
  readonly committables: readonly PendingCommittable[];
  /** Take full snapshots until one is complete: the files restored from are not ours, or the parallelism changed. */
  readonly full: boolean;
}

/** What must be done now, in this order. */
export type CoordinatorAction =
  /** Answer `coordinator-state-taken`. For a savepoint open its folder first. */
  | {
      readonly kind: 'take-coordinator-state';
      readonly checkpointId: CheckpointId;
      readonly snapshot: SnapshotKind;
      readonly savepointDirectory: string | undefined;
    }
  | {
      readonly kind: 'send-barriers';
      readonly barrier: CheckpointBarrier;
      /** The roots: those that get no barrier from another task. */
      readonly to: readonly TaskRef[];
      readonly location: SnapshotLocation;
    }
  /**
   * A stop has begun. With `drain` end the input of all sources, and tell `inputs-ended` when it has
   * ended everywhere: the savepoint is taken then.
   */
  | { readonly kind: 'stopping'; readonly drain: boolean }
  /** The savepoint of the stop will not be: the job is to go on. */
  | { readonly kind: 'stop-failed'; readonly message: string }
  | {
      readonly kind: 'notify-complete';
      readonly checkpointId: CheckpointId;
      readonly to: readonly TaskRef[];
    }
  | {
      readonly kind: 'notify-aborted';
      readonly checkpointId: CheckpointId;
      readonly to: readonly TaskRef[];
    }
  /** Answer `metadata-stored` or `metadata-failed`. */
  | {
      readonly kind: 'store-metadata';
      readonly checkpointId: CheckpointId;
      readonly location: SnapshotLocation;
      readonly metadata: SnapshotMetadata;
    }
  /** Answer `head-moved` or `head-failed`. May be asked again for the same checkpoint. */
  | {
      readonly kind: 'move-head';
      readonly checkpointId: CheckpointId;
      readonly snapshot: SnapshotKind;
      readonly location: SnapshotLocation;
      readonly url: string;
      readonly metadataBytes: number;
      readonly metadataCrc32: number;
      readonly completedMs: number;
      /** An intermediate savepoint is not what a failure restores: HEAD is only asked whether we still lead. */
      readonly becomesLatest: boolean;
      readonly idsUsedThrough: CheckpointId;
      readonly numRetained: number;
    }
  /** Answer `ids-reserved` or `ids-not-reserved`. */
  | { readonly kind: 'reserve-ids'; readonly idsUsedThrough: CheckpointId }
  /** Answer `commit-results` or `commit-failed`. */
  | { readonly kind: 'commit'; readonly committables: readonly PendingCommittable[] }
  /** Remove what an aborted attempt left. Best effort; the sweep takes the rest. */
  | {
      readonly kind: 'discard';
      readonly checkpointId: CheckpointId;
      /** Of a savepoint: all of the folder. */
      readonly savepoint: SnapshotLocation | undefined;
      readonly files: readonly string[];
    }
  /** A good moment for the sweep, with `sweepScope(state)`. */
  | { readonly kind: 'collect-garbage' }
  /** `restartable` false: a restart meets the same problem. */
  | { readonly kind: 'fail-job'; readonly error: EngineError; readonly restartable: boolean }
  | { readonly kind: 'reply'; readonly requestId: string; readonly outcome: TriggerOutcome }
  /** After `suspend`: nothing is in flight; restore from `latest`, or what is in doubt, as HEAD says. */
  | { readonly kind: 'quiesced'; readonly latest: CompletedCheckpoint | undefined }
  /** After `restored`: all of its output is committed; tasks may start. */
  | { readonly kind: 'restored-committed' }
  /** The last checkpoint, or the savepoint of a stop, is complete and all output is committed. */
  | {
      readonly kind: 'ended';
      readonly checkpointId: CheckpointId;
      readonly url: string;
      /** It is the savepoint of a stop. Who asked for that is told with `close`, when the job is over. */
      readonly stopped: boolean;
    }
  /** Send a `tick` then. Replaces the one before; `Infinity`: none is needed. */
  | { readonly kind: 'wake-at'; readonly monotonicMs: number };

export type TriggerOutcome =
  | { readonly kind: 'completed'; readonly checkpointId: CheckpointId; readonly url: string }
  | { readonly kind: 'failed'; readonly reason: FailureReason; readonly message: string };

/**
 * What the coordinator is about.
 *
 *   idle ─restored─► restoring ─tasks running─► running ─inputs ended─► ending ─┐
 *    ▲                                           │ ▲  └─stop requested─► stopping ─► finishing ─► ended
 *    │                                           │ └─savepoint failed──────┘
 *    └──────────── quiescing ◄─suspend─(any of them)
 *
 * `close` leads from anywhere to `closed`.
 */
export type CoordinatorMode =
  /** No task runs and nothing is in flight. */
  | { readonly kind: 'idle' }
  /** Tasks are gone; waits, a while, for the store's word on a sealing checkpoint, and for the committer's. */
  | { readonly kind: 'quiescing' }
  /** `committed` once the restored output is. */
  | { readonly kind: 'restoring'; readonly commits: 'pending' | 'done' }
  | { readonly kind: 'running' }
  | { readonly kind: 'ending' }
  /** `draining`: what waits for the input of all sources to end. */
  | {
      readonly kind: 'stopping';
      readonly requestId: string;
      readonly draining: UserRequest | undefined;
    }
  /** Its output is to be committed. */
  | (LastSnapshot & { readonly kind: 'finishing' })
  | (LastSnapshot & { readonly kind: 'ended' })
  | { readonly kind: 'closed' };

interface LastSnapshot {
  readonly checkpointId: CheckpointId;
  readonly url: string;
  /** Of a stop. */
  readonly requestId: string | undefined;
}

export interface PendingCheckpoint {
  readonly checkpointId: CheckpointId;
  readonly request: TriggerRequest;
  readonly snapshot: SnapshotKind;
  readonly phase: CheckpointPhase;
  readonly triggered: Moment;
  readonly full: boolean;
  /** Checkpoints whose files its tasks may still refer to: the last two when it was triggered. */
  readonly bases: readonly CompletedCheckpoint[];
  readonly coordinators: Readonly<Record<string, string>>;
  readonly location: SnapshotLocation | undefined;
  /** Those that must ack, and those that had finished. */
  readonly tasks: ReadonlyMap<string, TaskRef>;
  readonly acks: ReadonlyMap<string, AckRecord>;
  readonly stored:
    | { readonly url: string; readonly metadataBytes: number; readonly metadataCrc32: number }
    | undefined;
  readonly metadata: SnapshotMetadata | undefined;
  /** Since when HEAD is asked, and why it has not answered yet. */
  readonly moving: { readonly sinceMs: number; readonly last: string } | undefined;
}

export interface CoordinatorState {
  readonly settings: CoordinatorSettings;
  readonly identity: SnapshotIdentity;
  readonly mode: CoordinatorMode;
  readonly attempt: number;
  readonly vertices: ReadonlyMap<string, CoordinatedVertex>;
  /** Running ones. */
  readonly tasks: ReadonlyMap<string, TaskRef>;
  readonly nextId: CheckpointId;
  readonly idsThrough: CheckpointId;
  readonly reserving: 'no' | 'asked';
  /** In the order of their ids. */
  readonly pending: ReadonlyMap<CheckpointId, PendingCheckpoint>;
  readonly queue: readonly TriggerRequest[];
  readonly forceFull: boolean;
  readonly latest: CompletedCheckpoint | undefined;
  readonly previous: CompletedCheckpoint | undefined;
  readonly recentlyAborted: readonly CheckpointId[];
  /** HEAD may name them. Nothing of them is removed before it was changed, or the next attempt restored. */
  readonly inDoubt: ReadonlySet<CheckpointId>;
  readonly commits: PendingCommits;
  /** Batches in a row that left something to be tried again. */
  readonly commitRetries: number;
  readonly consecutiveFailures: number;
  readonly lastCompletionMs: number | undefined;
  readonly timers: CoordinatorTimers;
  readonly history: CheckpointHistory;
}

/** Monotonic times of what is due; `Infinity`: nothing. */
export interface CoordinatorTimers {
  readonly periodicMs: number;
  readonly endMs: number;
  readonly commitMs: number;
  readonly headMs: number;
  /** When HEAD is asked no more. */
  readonly headLimitMs: number;
  /** The last `wake-at` that was asked for. */
  readonly wakeMs: number;
}

export interface CoordinatorStep {
  readonly state: CoordinatorState;
  readonly actions: readonly CoordinatorAction[];
}

import type { Serializer } from '../serde/serializer.ts';
import type { World } from './source.ts';

/**
 * A sink in Flink's two-phase shape. Writers run in the subtasks; at a barrier they hand over
 * committables, which are part of the checkpoint; the committer runs once per job, after the
 * checkpoint is complete, and again after a restore: it must be idempotent.
 */
export interface Sink<T, C = unknown> {
  /** For the plan and for people: `files`, `print`, `kafka`. */
  readonly kind: string;
  /** Absent: the sink commits nothing (print, collect, at-least-once sinks). */
  readonly committables: Serializer<C> | undefined;
  writer(context: WriterContext): SinkWriter<T, C>;
  committer?(context: CommitterContext): Committer<C>;
  /**
   * Called before the job starts, on the machine that leads it. Throws what must keep the job from starting:
   * options that cannot work together or with the other system. Returns warnings, for people. A system
   * that does not answer is no reason to refuse: the job may be one that another process has just lost.
   */
  preflight?(context: PreflightContext): Promise<readonly string[]>;
  /**
   * Says what the sink has shown after a checkpoint, and takes it back: for `tidemark rollback`. The job
   * does not run. Absent: what was shown cannot be taken back.
   */
  rollback?(context: SinkRollbackContext): Promise<SinkRollback>;
}

export interface SinkRollbackContext {
  readonly world: World;
  readonly uid: string;
  readonly lineage: string;
  /** All output up to this checkpoint stays. */
  readonly checkpointId: number;
}

export interface SinkRollback {
  /** For people: the table, the folder. */
  readonly place: string;
  /** Undefined: there is nothing to take back. */
  readonly change:
    { readonly from: string; readonly to: string; readonly rows: number | undefined } | undefined;
  /** May be called again, also by another process: what is done already is left as it is. */
  apply(): Promise<void>;
}

export interface WriterContext {
  readonly world: World;
  readonly uid: string;
  readonly subtask: number;
  readonly parallelism: number;
  /** Who writes: unique per lineage, attempt (each restart) and subtask; safe in file names. */
  readonly writerId: string;
}

/** What a sink can know of its job before it starts. */
export interface PreflightContext {
  readonly world: World;
  readonly uid: string;
  /** 0: the job takes no checkpoints. */
  readonly checkpointIntervalMs: number;
  readonly checkpointTimeoutMs: number;
  readonly minPauseBetweenCheckpointsMs: number;
}

export type CommitReason = 'checkpoint' | 'savepoint' | 'end';

export interface SinkWriter<T, C> {
  open?(): Promise<void>;
  /** A promise blocks the subtask until it settles. */
  write(value: T, timestampMs: number | undefined): void | Promise<void>;
  /** Makes everything written so far durable and ready to be committed. After it, `write` starts anew. */
  prepareCommit(checkpointId: number, why: CommitReason): Promise<C[]>;
  /** Called after a failure as well; must not commit. */
  close(): Promise<void>;
}

export interface CommitterContext {
  readonly world: World;
  readonly uid: string;
  /** Identity of the job's history: survives restarts and resumed submissions. */
  readonly lineage: string;
  /**
   * The history that this job was forked from in this very start, and that goes on beside it: a sink that
   * can tell refuses to write where that one writes.
   */
  readonly forkedFrom?: string | undefined;
  /**
   * Whether this writer belongs to a dead attempt of the job's history, so that what it left is for
   * `abortLeftovers` to remove. Not said of writers of a later leadership: this process may have been
   * taken for dead, and another one may be at work.
   */
  isLeftover(writerId: string): boolean;
}

/** A committable with where it came from. */
export interface Stamped<C> {
  readonly checkpointId: number;
  readonly subtask: number;
  readonly committable: C;
}

/**
 * What became of a committable. `done`; `already`: an earlier commit of it succeeded; `retry`: not
 * now; `lost`: it can never be committed, which is an incident that the job reports and fails on.
 */
export type CommitResult = 'done' | 'already' | 'retry' | 'lost';

export interface Committer<C> {
  /** Called before the writers start after a (re)start with those of the restored checkpoint, then with each completed one's. In order of checkpoints. */
  commit(committables: readonly Stamped<C>[]): Promise<CommitResult[]>;
  /**
   * Called once at a start, after the restored committables were committed and before any writer
   * starts: removes what dead attempts left (pending files, open transactions).
   */
  abortLeftovers?(): Promise<void>;
  close?(): Promise<void>;
}

import type { RecordPosition } from '../contracts/dead-letter.ts';
import type { Output, SideOutput } from '../contracts/output.ts';
import type { CheckpointBarrier, SerializedCommittable } from '../contracts/snapshots.ts';
import type { ReaderMetric, SourceOutput, World } from '../contracts/source.ts';
import type { KeyedStateBackend } from '../state/keyed-state-backend.ts';
import type { OperatorStateBackend } from '../state/operator-state.ts';
import type { Inline, Moment } from './inline.ts';

/**
 * Set by whoever cannot take more (a full channel, an async operator at capacity). The task and
 * everything that loops over records or timers looks at it after each one, and stops.
 */
export interface FlowControl {
  stop: boolean;
}

/** Where an operator's results go: generated code, one object per operator position. */
export interface OperatorOutput {
  emit(value: unknown, timestampMs: number): void;
  side(tagId: string, value: unknown, timestampMs: number): void;
  /** Event time is this far for everything behind this operator. */
  watermark(watermarkMs: number): void;
  /** Nothing comes from here for now: do not wait for its watermarks. */
  idle(idle: boolean): void;
  /** What user functions get as `out`: emits at the moment's timestamp. */
  readonly user: Output<unknown>;
  /** What user functions get as `side`: emits at the moment's timestamp. */
  readonly userSide: SideOutput;
  /** Whoever calls a user function sets it to the timestamp of the element or timer before. */
  readonly moment: Moment;
  /** Of a source: what its reader emits into. */
  readonly source: SourceOutput<unknown> | undefined;
}

export interface OperatorContext {
  readonly uid: string;
  readonly jobName: string;
  readonly subtask: number;
  readonly parallelism: number;
  readonly maxParallelism: number;
  readonly attempt: number;
  /** Unique per lineage, leadership, attempt and subtask; safe in file names. */
  readonly writerId: string;
  readonly world: World;
  readonly output: OperatorOutput;
  readonly flow: FlowControl;
  /** There for keyed operators. Before `processElement` the task has set the current key. */
  readonly keyed: KeyedStateBackend | undefined;
  readonly operatorState: OperatorStateBackend;
  readonly autoWatermarkIntervalMs: number;
  /** True if this start restores a snapshot that knew this operator. */
  readonly restored: boolean;
  /** The operator's watermark in the restored snapshot, the least over its subtasks; else `-Infinity`. */
  readonly restoredWatermarkMs: number;
  /** Runs `work` between two records, soon. For completions of async work and processing time. */
  readonly mail: (work: () => void) => void;
  /** To the operator's coordinator (a source's enumerator). Plain data. */
  readonly toCoordinator: (event: OperatorEvent) => void;
  /** Counts a record that was too late and had nowhere to go. */
  readonly lateDropped: () => void;
  /** Where the record was read that is being processed; undefined if that was in another task. */
  readonly position: () => SourcePosition | undefined;
}

/** A record's place, and the uid of the source that read it there. */
export type SourcePosition = RecordPosition & { readonly source: string };

/** Between a source's readers and its enumerator. */
export type OperatorEvent =
  | { readonly kind: 'request-split' }
  | { readonly kind: 'add-splits'; readonly splits: readonly Uint8Array[] }
  | { readonly kind: 'no-more-splits' };

/**
 * One operator of a chain. Everything is called on the task's thread, one call at a time. Nothing
 * here may wait: what cannot go on sets `flow.stop` and goes on in `resume`.
 */
export interface Operator {
  /** There for operators that the generator writes into the chain; looked at after `declare`. */
  readonly inline?: Inline | undefined;
  /**
   * Before its state is restored: declares its states, timers and operator states (the backends ask
   * for all of them first). Nothing can be read yet, and `context.output` is not there before `open`.
   */
  declare?(context: OperatorContext): void;
  /** After its state was restored, before the first element. */
  open(context: OperatorContext): void | Promise<void>;
  /** The first input. Hot operators are inlined by the chain's generator instead; see `codegen-chain.ts`. */
  processElement(value: unknown, timestampMs: number): void;
  /** The second input of connected streams. */
  processElement2?(value: unknown, timestampMs: number): void;
  /**
   * Event time has reached `watermarkMs` on all inputs. Fires timers, then calls `output.watermark`.
   * Interrupted by `flow.stop` it leaves the rest to `resume`. Absent: passed on at once. Called with
   * the restored watermark before the first element.
   */
  processWatermark?(watermarkMs: number): void;
  /** All inputs have become idle, or one is active again. Absent: passed on at once. */
  processIdle?(idle: boolean): void;
  /** Goes on with what was interrupted. True when nothing is left. The task takes no input before. */
  resume?(): boolean;
  /** A source's turn: emits about `limit` elements. */
  poll?(limit: number): 'more' | 'later' | 'end';
  /** What a source's reader tells about itself. */
  metrics?(): ReaderMetric[];
  /** Resolves when `poll` may have something. */
  available?(): Promise<void>;
  /**
   * No element will follow. Flushes what it holds (through `resume` where that takes longer). Not
   * called again after a restore of a snapshot in which it was done.
   */
  endInput?(): void;
  /**
   * The barrier is here. Puts everything it needs into `operatorState` now, synchronously; keyed state
   * is taken by the task. Committables may be finished later, but only of what came before; they
   * must settle in the order of the calls. A rejection fails the task: what they stand for is lost.
   */
  // eslint-disable-next-line @typescript-eslint/no-invalid-void-type -- most operators have nothing to promise.
  snapshot?(barrier: CheckpointBarrier): void | Promise<readonly SerializedCommittable[]>;
  /** Sees its snapshot confirmed or given up. */
  confirmed?(checkpointId: number): void;
  aborted?(checkpointId: number): void;
  operatorEvent?(event: OperatorEvent): void;
  /** Of a source: the place of the record that it is just emitting. */
  position?(): SourcePosition;
  /** Also after a failure: frees, never commits. */
  close(): void | Promise<void>;
}

import type { Random } from '../common/random.ts';
import type { Clock } from '../common/clock.ts';
import type { FileSystem } from '../common/file-system.ts';
import type { Serializer } from '../serde/serializer.ts';
import type { RecordPosition } from './dead-letter.ts';

/** What sources and sinks get of the world; never the globals. */
export interface World {
  readonly clock: Clock;
  readonly random: Random;
  readonly fs: FileSystem;
}

/**
 * A source in Flink's FLIP-27 shape: an enumerator (one per job, with the coordinator) finds and
 * assigns splits; readers (one per subtask) read them. Everything that is needed to go on is in the
 * splits and in the enumerator's state.
 */
export interface Source<T, Split = unknown, Enum = unknown> {
  /** For the plan and for people: `files`, `generator`, `kafka`. */
  readonly kind: string;
  readonly boundedness: 'bounded' | 'unbounded';
  /** Of a way back for dead letters: what it reads, as their place says it. */
  readonly replaysFrom?: string;
  readonly splits: Serializer<Split>;
  readonly enumeratorState: Serializer<Enum>;
  /** A stable identity; the split's progress (offset, row) is not part of it. */
  splitId(split: Split): string;
  enumerator(context: EnumeratorContext<Split>, from: Enum | undefined): SplitEnumerator<Enum>;
  reader(context: ReaderContext): SourceReader<T, Split>;
}

export interface EnumeratorContext<Split> {
  readonly world: World;
  readonly uid: string;
  readonly parallelism: number;
  assign(split: Split, subtask: number): void;
  /** No splits will ever come again for this subtask: its reader ends after those it has. */
  noMoreSplits(subtask: number): void;
  /** Fails the job. */
  fail(error: unknown): void;
}

/** Calls are never concurrent, except that `snapshot` may be called while `start` is still going on. */
export interface SplitEnumerator<Enum> {
  start(): Promise<void>;
  /** A reader is there (again after a restart) and wants a split. Answer by `assign` or `noMoreSplits`, now or later. */
  splitRequested(subtask: number): void;
  /** What is not assigned yet. All assignments made before this call are in the readers' snapshots. */
  snapshot(): Enum;
  close(): Promise<void>;
}

export interface ReaderContext {
  readonly world: World;
  readonly uid: string;
  readonly subtask: number;
  readonly parallelism: number;
  /** Asks the enumerator for one more split. */
  requestSplit(): void;
}

/** A number that a reader tells about itself, under the name that Flink has for it. */
export interface ReaderMetric {
  /** Such as `pendingRecords`. */
  readonly name: string;
  readonly value: number;
  /**
   * What it is about, from the outside in: a name alone, or a name with its value, such as
   * `[['KafkaSourceReader'], ['topic', 'orders'], ['partition', '0']]`.
   */
  readonly groups?: readonly (readonly [name: string, value?: string])[];
}

/** Gets what a reader reads. `splitId` gives each split its own watermark. */
export interface SourceOutput<T> {
  /** Returns false when the task should stop reading for now; the value was taken all the same. */
  emit(value: T, splitId: string, timestampMs?: number): boolean;
  /** The split is read to its end: it no longer holds the watermark back. */
  splitFinished(splitId: string): void;
}

export interface SourceReader<T, Split> {
  /** Called once, before the first `poll`, after restored splits were added. */
  start(): Promise<void> | void;
  /**
   * Emits what is at hand, at most `limit` elements. `later`: nothing now, wait for `available`;
   * `end`: never again anything. Synchronous: reading ahead happens between the calls.
   */
  poll(out: SourceOutput<T>, limit: number): 'more' | 'later' | 'end';
  /** Resolves when `poll` may have something. */
  available(): Promise<void>;
  addSplits(splits: readonly Split[]): void;
  noMoreSplits(): void;
  /**
   * All unfinished splits with their progress: exactly what was emitted is behind them. `checkpointCompleted`
   * is called with the same number, unless the checkpoint fails.
   */
  snapshot(checkpointId: number): Split[];
  checkpointCompleted?(checkpointId: number): void;
  /** The place of the element that `emit` was last called with; only asked for while it is being processed. */
  position?(): RecordPosition | undefined;
  /** For monitoring; asked for about once a second. */
  metrics?(): ReaderMetric[];
  close(): Promise<void>;
}

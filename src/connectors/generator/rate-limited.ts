import type { Cancel, Clock } from '../../common/clock.ts';
import type { RecordPosition } from '../../contracts/dead-letter.ts';
import type { ReaderMetric, Source, SourceOutput, SourceReader } from '../../contracts/source.ts';
import { badRate } from './errors.ts';

/** After a pause (backpressure, a checkpoint) at most so much of it is caught up. */
const BURST_MS = 100;
/** The shortest sleep: at high rates elements come in groups of so many milliseconds. */
const SLEEP_MS_MIN = 2;

/**
 * Slows a source down to `rowsPerSecond` elements per second of the whole job. Each subtask gets
 * an equal part, as in Flink: with more subtasks than splits, the job stays below the rate.
 *
 * @throws {EngineError} `GEN-002` unless the rate is above 0.
 */
export function rateLimited<T, Split, Enum>(
  source: Source<T, Split, Enum>,
  rowsPerSecond: number,
): Source<T, Split, Enum> {
  if (!(rowsPerSecond > 0)) throw badRate(rowsPerSecond);
  return {
    ...source,
    reader: (context) => {
      const rowsPerMs = rowsPerSecond / 1_000 / context.parallelism;
      return new RateLimitedReader(source.reader(context), rowsPerMs, context.world.clock);
    },
  };
}

/**
 * Keeps the moment at which the next element is due. It moves on by one interval per element, and is
 * never left further behind than the burst.
 */
class RateLimitedReader<T, Split> implements SourceReader<T, Split> {
  readonly #inner: SourceReader<T, Split>;
  readonly #rowsPerMs: number;
  readonly #clock: Clock;
  readonly #counter = new CountingOutput<T>();
  #dueMs = -Infinity;
  #tooEarly = false;
  #cancel: Cancel | undefined;
  #closed = false;

  constructor(inner: SourceReader<T, Split>, rowsPerMs: number, clock: Clock) {
    this.#inner = inner;
    this.#rowsPerMs = rowsPerMs;
    this.#clock = clock;
  }

  start(): Promise<void> | void {
    this.#dueMs = this.#clock.monotonicMs();
    return this.#inner.start();
  }

  poll(out: SourceOutput<T>, limit: number): 'more' | 'later' | 'end' {
    const nowMs = this.#clock.monotonicMs();
    this.#dueMs = Math.max(this.#dueMs, nowMs - BURST_MS);
    const allowed = Math.min(limit, Math.floor((nowMs - this.#dueMs) * this.#rowsPerMs) + 1);
    this.#tooEarly = nowMs < this.#dueMs;
    if (this.#tooEarly) return 'later';
    this.#counter.begin(out);
    const step = this.#inner.poll(this.#counter, allowed);
    this.#dueMs += this.#counter.emitted / this.#rowsPerMs;
    return step;
  }

  available(): Promise<void> {
    if (!this.#tooEarly) return this.#inner.available();
    const waitMs = Math.max(this.#dueMs - this.#clock.monotonicMs(), SLEEP_MS_MIN);
    return new Promise((resolve) => {
      if (this.#closed) resolve();
      else this.#cancel = this.#clock.after(waitMs, resolve);
    });
  }

  addSplits(splits: readonly Split[]): void {
    this.#inner.addSplits(splits);
  }

  noMoreSplits(): void {
    this.#inner.noMoreSplits();
  }

  snapshot(checkpointId: number): Split[] {
    return this.#inner.snapshot(checkpointId);
  }

  checkpointCompleted(checkpointId: number): void {
    this.#inner.checkpointCompleted?.(checkpointId);
  }

  position(): RecordPosition | undefined {
    return this.#inner.position?.();
  }

  metrics(): ReaderMetric[] {
    return this.#inner.metrics?.() ?? [];
  }

  close(): Promise<void> {
    this.#closed = true;
    this.#cancel?.();
    return this.#inner.close();
  }
}

class CountingOutput<T> implements SourceOutput<T> {
  emitted = 0;
  #out: SourceOutput<T> | undefined;

  begin(out: SourceOutput<T>): void {
    this.#out = out;
    this.emitted = 0;
  }

  emit(value: T, splitId: string, timestampMs?: number): boolean {
    this.emitted++;
    return this.#out?.emit(value, splitId, timestampMs) ?? false;
  }

  splitFinished(splitId: string): void {
    this.#out?.splitFinished(splitId);
  }
}

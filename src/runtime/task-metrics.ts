import type { RestoreProgress } from '../common/restore-progress.ts';
import type { ReaderMetric } from '../contracts/source.ts';
import type { Operator } from './operator.ts';

/** What the reader at the head of a chain tells about itself. */
export interface ReaderSample {
  readonly uid: string;
  readonly metrics: readonly ReaderMetric[];
}

/** Of the first operator of a chain, which may be a source. */
export function readBy(
  first: { readonly node: { readonly uid: string }; readonly operator: Operator } | undefined,
): Pick<TaskMetrics, 'recordsRead' | 'reader'> {
  const head = first?.operator.inline;
  const recordsRead = head?.kind === 'source' ? head.splits.recordsRead : 0;
  const metrics = first?.operator.metrics?.() ?? [];
  const uid = first?.node.uid ?? '';
  return { recordsRead, reader: metrics.length === 0 ? undefined : { uid, metrics } };
}

/** What a task has done since it started. */
export interface TaskMetrics {
  /** Through channels, counted by the batch. */
  readonly recordsIn: number;
  /** By a source. */
  readonly recordsRead: number;
  /** Into channels. */
  readonly recordsOut: number;
  readonly lateDropped: number;
  /** How far its head operator is in event time; `-Infinity`: nowhere yet. */
  readonly watermarkMs: number;
  /** For how long its steps took. */
  readonly busyMs: number;
  /** For how long it took no input because a channel behind it was full. */
  readonly backPressuredMs: number;
  /** Of keyed state; undefined if nothing was restored. */
  readonly restore: RestoreProgress | undefined;
  readonly reader: ReaderSample | undefined;
}

/** What others see of a task: plain data. Shares are of the time since the sample before, 0 to 1. */
export interface TaskSample {
  readonly recordsIn: number;
  readonly recordsOut: number;
  readonly watermarkMs: number | undefined;
  readonly busy: number;
  readonly backPressured: number;
  readonly idle: number;
  readonly reader: ReaderSample | undefined;
}

/** Makes samples of a task's counters. */
export class TaskMeter {
  #atMs: number | undefined;
  #busyMs = 0;
  #backPressuredMs = 0;

  sample(metrics: TaskMetrics, nowMs: number): TaskSample {
    const { recordsIn, recordsRead, recordsOut, watermarkMs } = metrics;
    const passedMs = this.#atMs === undefined ? 0 : nowMs - this.#atMs;
    const share = (ms: number): number =>
      passedMs <= 0 ? 0 : Math.min(1, Math.max(0, ms / passedMs));
    const busy = share(metrics.busyMs - this.#busyMs);
    const backPressured = Math.min(
      1 - busy,
      share(metrics.backPressuredMs - this.#backPressuredMs),
    );
    this.#atMs = nowMs;
    this.#busyMs = metrics.busyMs;
    this.#backPressuredMs = metrics.backPressuredMs;
    return {
      recordsIn: recordsIn + recordsRead,
      recordsOut,
      watermarkMs: Number.isFinite(watermarkMs) ? watermarkMs : undefined,
      busy,
      backPressured,
      idle: 1 - busy - backPressured,
      reader: metrics.reader,
    };
  }
}

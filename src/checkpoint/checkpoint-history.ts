/**
 * What became of the last checkpoints, for people and for REST. A pure value, bounded: finished
 * ones are kept here, those under way are read off the coordinator's pending ones.
 */
import type { CheckpointId, SnapshotKind, TaskAcknowledgement } from '../contracts/snapshots.ts';

export interface SubtaskStatistics {
  readonly subtask: number;
  /** Wall time. */
  readonly ackMs: number;
  readonly durationMs: number;
  readonly alignmentMs: number;
  readonly syncMs: number;
  readonly asyncMs: number;
  readonly writtenBytes: number;
  readonly stateBytes: number;
}

export interface CheckpointStatistics {
  readonly checkpointId: CheckpointId;
  readonly snapshot: SnapshotKind;
  readonly stop: boolean;
  readonly status: 'in-progress' | 'completed' | 'failed';
  /** Wall times; durations are of the monotonic clock. */
  readonly triggerMs: number;
  readonly latestAckMs: number | undefined;
  /** To the last ack, as in Flink; of a failed one to its end. */
  readonly durationMs: number;
  readonly writtenBytes: number;
  readonly stateBytes: number;
  /** The longest of its tasks. */
  readonly alignmentMs: number;
  readonly subtasks: number;
  readonly acknowledged: number;
  /** By vertex. */
  readonly vertices: ReadonlyMap<string, readonly SubtaskStatistics[]>;
  readonly failure:
    { readonly reason: string; readonly message: string; readonly atMs: number } | undefined;
  readonly url: string | undefined;
  /** Its files are gone, or about to go. */
  readonly discarded: boolean;
}

export interface RestoredStatistics {
  readonly checkpointId: CheckpointId;
  readonly restoreMs: number;
  readonly snapshot: SnapshotKind;
  readonly url: string;
}

export interface CheckpointHistory {
  /** Oldest first. */
  readonly finished: readonly CheckpointStatistics[];
  readonly finishedMax: number;
  readonly restored: number;
  readonly completed: number;
  readonly failed: number;
  readonly latestCompleted: CheckpointStatistics | undefined;
  readonly latestSavepoint: CheckpointStatistics | undefined;
  readonly latestFailed: CheckpointStatistics | undefined;
  readonly latestRestored: RestoredStatistics | undefined;
  readonly summary: HistorySummary;
}

export interface HistorySummary {
  readonly durationMs: MetricSummary;
  readonly writtenBytes: MetricSummary;
  readonly stateBytes: MetricSummary;
}

/** Over all completed ones. */
export interface MetricSummary {
  readonly count: number;
  readonly sum: number;
  readonly min: number;
  readonly max: number;
}

const NO_SAMPLES: MetricSummary = { count: 0, sum: 0, min: 0, max: 0 };

export function emptyHistory(finishedMax: number): CheckpointHistory {
  return {
    finished: [],
    finishedMax,
    restored: 0,
    completed: 0,
    failed: 0,
    latestCompleted: undefined,
    latestSavepoint: undefined,
    latestFailed: undefined,
    latestRestored: undefined,
    summary: { durationMs: NO_SAMPLES, writtenBytes: NO_SAMPLES, stateBytes: NO_SAMPLES },
  };
}

export function recordFinished(
  history: CheckpointHistory,
  stats: CheckpointStatistics,
): CheckpointHistory {
  const kept = { ...history, finished: [...history.finished, stats].slice(-history.finishedMax) };
  if (stats.status === 'failed') {
    return { ...kept, failed: history.failed + 1, latestFailed: stats };
  }
  const { durationMs, writtenBytes, stateBytes } = history.summary;
  return {
    ...kept,
    completed: history.completed + 1,
    ...(stats.snapshot === 'savepoint' ? { latestSavepoint: stats } : { latestCompleted: stats }),
    summary: {
      durationMs: addSample(durationMs, stats.durationMs),
      writtenBytes: addSample(writtenBytes, stats.writtenBytes),
      stateBytes: addSample(stateBytes, stats.stateBytes),
    },
  };
}

export function recordRestored(
  history: CheckpointHistory,
  latestRestored: RestoredStatistics,
): CheckpointHistory {
  return { ...history, restored: history.restored + 1, latestRestored };
}

export function recordDiscarded(
  history: CheckpointHistory,
  dropped: readonly CheckpointId[],
): CheckpointHistory {
  const mark = (stats: CheckpointStatistics) =>
    stats.status === 'completed' && dropped.includes(stats.checkpointId)
      ? { ...stats, discarded: true }
      : stats;
  const { latestCompleted, latestSavepoint } = history;
  return {
    ...history,
    finished: history.finished.map(mark),
    latestCompleted: latestCompleted && mark(latestCompleted),
    latestSavepoint: latestSavepoint && mark(latestSavepoint),
  };
}

export interface AckRecord {
  readonly ack: TaskAcknowledgement;
  /** Wall time. */
  readonly atMs: number;
  /** Since the trigger. */
  readonly durationMs: number;
}

/** Adds up what the tasks reported. */
export function statisticsOfAcks(acks: Iterable<AckRecord>): {
  readonly acknowledged: number;
  readonly latestAckMs: number | undefined;
  readonly durationMs: number;
  readonly writtenBytes: number;
  readonly stateBytes: number;
  readonly alignmentMs: number;
  readonly vertices: ReadonlyMap<string, readonly SubtaskStatistics[]>;
} {
  const vertices = new Map<string, SubtaskStatistics[]>();
  let [acknowledged, durationMs, writtenBytes, stateBytes, alignmentMs] = [0, 0, 0, 0, 0];
  let latestAckMs: number | undefined;
  for (const { ack, atMs, durationMs: sinceTriggerMs } of acks) {
    const { metrics, subtask, vertex } = ack;
    acknowledged += 1;
    durationMs = Math.max(durationMs, sinceTriggerMs);
    latestAckMs = Math.max(latestAckMs ?? atMs, atMs);
    writtenBytes += metrics.writtenBytes;
    stateBytes += metrics.stateBytes;
    alignmentMs = Math.max(alignmentMs, metrics.alignmentMs);
    const subtasks = vertices.get(vertex) ?? [];
    subtasks.push({ subtask, ackMs: atMs, durationMs: sinceTriggerMs, ...metrics });
    vertices.set(vertex, subtasks);
  }
  for (const subtasks of vertices.values()) subtasks.sort((a, b) => a.subtask - b.subtask);
  return { acknowledged, latestAckMs, durationMs, writtenBytes, stateBytes, alignmentMs, vertices };
}

function addSample(summary: MetricSummary, value: number): MetricSummary {
  const { count, sum, min, max } = summary;
  return {
    count: count + 1,
    sum: sum + value,
    min: count === 0 ? value : Math.min(min, value),
    max: count === 0 ? value : Math.max(max, value),
  };
}

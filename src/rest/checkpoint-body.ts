import type { CheckpointStatistics, SubtaskStatistics } from '../checkpoint/checkpoint-history.ts';
import type { JobView } from '../cluster/dispatcher/cluster.ts';
import type { ExecutionVertex } from '../graph/execution-plan.ts';
import { checkpointSummary, sum } from './distribution.ts';
import { flinkId } from './flink-ids.ts';

const STATUS = {
  'in-progress': 'IN_PROGRESS',
  completed: 'COMPLETED',
  failed: 'FAILED',
} as const;

/** Flink's fields for what only unaligned checkpoints have. */
const NO_CHANNEL_STATE = { alignment_buffered: 0, processed_data: 0, persisted_data: 0 };

/** `GET /jobs/:jobid/checkpoints` */
export function checkpointsBody(job: JobView): object {
  const history = job.checkpoints();
  const { completed, failed, inProgress, restored } = job.counts();
  const done = history.filter(({ status }) => status === 'completed');
  const latest = (found: CheckpointStatistics | undefined) =>
    found === undefined ? null : checkpointEntry(found);
  const none = checkpointSummary(done.map(() => 0));
  return {
    counts: {
      restored,
      total: completed + failed + inProgress,
      in_progress: inProgress,
      completed,
      failed,
    },
    // Of those in the history: the numbers of older ones are gone.
    summary: {
      checkpointed_size: checkpointSummary(done.map(({ writtenBytes }) => writtenBytes)),
      state_size: checkpointSummary(done.map(({ stateBytes }) => stateBytes)),
      end_to_end_duration: checkpointSummary(done.map(({ durationMs }) => Math.round(durationMs))),
      alignment_buffered: none,
      processed_data: none,
      persisted_data: none,
    },
    latest: {
      completed: latest(done.find(({ snapshot }) => snapshot !== 'savepoint')),
      savepoint: latest(done.find(({ snapshot }) => snapshot === 'savepoint')),
      failed: latest(history.find(({ status }) => status === 'failed')),
      restored: null,
    },
    history: history.map(checkpointEntry),
  };
}

function checkpointEntry(stats: CheckpointStatistics): object {
  return entryWith(stats, {});
}

/** `GET …/checkpoints/details/:checkpointid` */
export function checkpointDetails(job: JobView, stats: CheckpointStatistics): object {
  return entryWith(
    stats,
    Object.fromEntries(
      job.plan.vertices.map((vertex) => [flinkId(vertex.id), taskEntry(vertex, stats)]),
    ),
  );
}

function entryWith(stats: CheckpointStatistics, tasks: object): object {
  const { status, snapshot, stop, failure } = stats;
  const isSavepoint = snapshot === 'savepoint';
  const type = isSavepoint ? (stop ? 'SYNC_SAVEPOINT' : 'SAVEPOINT') : 'CHECKPOINT';
  return {
    className: status.replace('-', '_'),
    id: stats.checkpointId,
    status: STATUS[status],
    is_savepoint: isSavepoint,
    savepointFormat: isSavepoint ? 'CANONICAL' : null,
    trigger_timestamp: stats.triggerMs,
    latest_ack_timestamp: stats.latestAckMs ?? -1,
    checkpointed_size: stats.writtenBytes,
    state_size: stats.stateBytes,
    end_to_end_duration: Math.round(stats.durationMs),
    ...NO_CHANNEL_STATE,
    num_subtasks: stats.subtasks,
    num_acknowledged_subtasks: stats.acknowledged,
    checkpoint_type: type,
    tasks,
    ...(status === 'completed'
      ? {
          external_path: stats.url ?? '<checkpoint-not-externally-addressable>',
          discarded: stats.discarded,
        }
      : {}),
    ...(failure === undefined
      ? {}
      : { failure_timestamp: failure.atMs, failure_message: failure.message }),
  };
}

function taskEntry({ id, parallelism }: ExecutionVertex, stats: CheckpointStatistics): object {
  const subtasks = stats.vertices.get(id) ?? [];
  return {
    id: stats.checkpointId,
    status: STATUS[stats.status],
    latest_ack_timestamp: Math.max(-1, ...subtasks.map(({ ackMs }) => ackMs)),
    checkpointed_size: sum(subtasks.map(({ writtenBytes }) => writtenBytes)),
    state_size: sum(subtasks.map(({ stateBytes }) => stateBytes)),
    end_to_end_duration: Math.round(Math.max(-1, ...subtasks.map(({ durationMs }) => durationMs))),
    ...NO_CHANNEL_STATE,
    num_subtasks: parallelism,
    num_acknowledged_subtasks: subtasks.length,
  };
}

/** `GET …/checkpoints/details/:checkpointid/subtasks/:vertexid` */
export function checkpointSubtasks(vertex: ExecutionVertex, stats: CheckpointStatistics): object {
  const subtasks = stats.vertices.get(vertex.id) ?? [];
  const of = (value: (subtask: SubtaskStatistics) => number) =>
    checkpointSummary(subtasks.map((each) => Math.round(value(each))));
  const none = of(() => 0);
  return {
    ...taskEntry(vertex, stats),
    summary: {
      checkpointed_size: of(({ writtenBytes }) => writtenBytes),
      state_size: of(({ stateBytes }) => stateBytes),
      end_to_end_duration: of(({ durationMs }) => durationMs),
      checkpoint_duration: {
        sync: of(({ syncMs }) => syncMs),
        async: of(({ asyncMs }) => asyncMs),
      },
      alignment: {
        buffered: none,
        processed: none,
        persisted: none,
        duration: of(({ alignmentMs }) => alignmentMs),
      },
      start_delay: of(startDelayMs),
    },
    subtasks: Array.from({ length: vertex.parallelism }, (_, index) => {
      const found = subtasks.find(({ subtask }) => subtask === index);
      return found === undefined ? pendingSubtask(index, stats) : subtaskEntry(found);
    }),
  };
}

function pendingSubtask(index: number, { status }: CheckpointStatistics): object {
  return { className: 'pending', index, status: 'pending_or_failed', aborted: status === 'failed' };
}

function subtaskEntry(subtask: SubtaskStatistics): object {
  return {
    className: 'completed',
    index: subtask.subtask,
    ack_timestamp: subtask.ackMs,
    end_to_end_duration: Math.round(subtask.durationMs),
    checkpointed_size: subtask.writtenBytes,
    state_size: subtask.stateBytes,
    checkpoint: { sync: Math.round(subtask.syncMs), async: Math.round(subtask.asyncMs) },
    alignment: {
      buffered: 0,
      processed: 0,
      persisted: 0,
      duration: Math.round(subtask.alignmentMs),
    },
    start_delay: Math.round(startDelayMs(subtask)),
    unaligned_checkpoint: false,
    aborted: false,
    status: 'completed',
  };
}

/** What is left of the time to the ack: the barrier's way to the task. */
function startDelayMs({ durationMs, syncMs, asyncMs, alignmentMs }: SubtaskStatistics): number {
  return Math.max(0, durationMs - syncMs - asyncMs - alignmentMs);
}

/** Flink says a time that never comes where there are no periodic checkpoints. */
const NEVER_MS = Number.MAX_SAFE_INTEGER;

/** `GET …/checkpoints/config` */
export function checkpointConfigBody({ coordinator, config }: JobView): object {
  const retention = config.externalizedCheckpointRetention;
  return {
    mode: config.checkpointMode.toLowerCase(),
    interval: coordinator.intervalMs === 0 ? NEVER_MS : coordinator.intervalMs,
    timeout: coordinator.timeoutMs,
    min_pause: coordinator.minPauseMs,
    max_concurrent: coordinator.maxConcurrent,
    externalization: {
      enabled: retention !== 'NO_EXTERNALIZED_CHECKPOINTS',
      delete_on_cancellation: retention !== 'RETAIN_ON_CANCELLATION',
    },
    state_backend:
      config.stateBackend === 'rocksdb' ? 'EmbeddedRocksDBStateBackend' : 'HashMapStateBackend',
    checkpoint_storage: 'FileSystemCheckpointStorage',
    unaligned_checkpoints: coordinator.unaligned,
    tolerable_failed_checkpoints: coordinator.tolerableFailures,
    aligned_checkpoint_timeout: config.alignedCheckpointTimeoutMs,
    checkpoints_after_tasks_finish: true,
    state_changelog_enabled: false,
    changelog_periodic_materialization_interval: 600_000,
    changelog_storage: 'memory',
  };
}

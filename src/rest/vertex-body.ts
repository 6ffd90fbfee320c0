import type { JobView, SubtaskView } from '../cluster/dispatcher/cluster.ts';
import type { ExecutionVertex } from '../graph/execution-plan.ts';
import { subtaskDistribution, sum } from './distribution.ts';
import { flinkId } from './flink-ids.ts';
import { countStatuses, emptyCounts, spanOf, vertexStatus } from './task-status.ts';

/** What Flink says of a TaskManager that it does not know. */
const UNASSIGNED = '(unassigned)';

/** A vertex in the answer of a job. */
export function vertexSummary(job: JobView, vertex: ExecutionVertex, nowMs: number): object {
  const subtasks = job.subtasks(vertex.id);
  const { start, end, duration } = spanOf(subtasks, nowMs);
  return {
    id: flinkId(vertex.id),
    slotSharingGroupId: flinkId(`slot-sharing-group/${job.jobId}`),
    name: vertex.name,
    maxParallelism: job.plan.maxParallelism,
    parallelism: vertex.parallelism,
    status: vertexStatus(subtasks),
    'start-time': start,
    'end-time': end,
    duration,
    tasks: countStatuses(subtasks.map(({ status }) => status)),
    metrics: ioMetrics(subtasks),
  };
}

/** `GET /jobs/:jobid/vertices/:vertexid` */
export function vertexBody(job: JobView, vertex: ExecutionVertex, nowMs: number): object {
  const subtasks = job.subtasks(vertex.id);
  return {
    id: flinkId(vertex.id),
    name: vertex.name,
    parallelism: vertex.parallelism,
    maxParallelism: job.plan.maxParallelism,
    now: nowMs,
    subtasks: subtasks.map((subtask) => subtaskBody(subtask, nowMs)),
    aggregated: aggregated(subtasks, nowMs),
  };
}

/** `GET …/subtasks/:subtaskindex` */
export function subtaskBody(view: SubtaskView, nowMs: number): object {
  const { start, end, duration } = spanOf([view], nowMs);
  return {
    subtask: view.subtask,
    status: view.status,
    attempt: view.attempt,
    endpoint: view.taskManager ?? UNASSIGNED,
    'start-time': start,
    'end-time': end,
    duration,
    metrics: ioMetrics([view]),
    'taskmanager-id': view.taskManager ?? UNASSIGNED,
    'status-duration': statusDurations(view, nowMs),
    start_time: start,
  };
}

/** `GET …/subtasktimes` */
export function subtaskTimesBody(job: JobView, vertex: ExecutionVertex, nowMs: number): object {
  return {
    id: flinkId(vertex.id),
    name: vertex.name,
    now: nowMs,
    subtasks: job.subtasks(vertex.id).map((view) => ({
      subtask: view.subtask,
      endpoint: view.taskManager ?? UNASSIGNED,
      duration: spanOf([view], nowMs).duration,
      timestamps: { ...emptyCounts(), ...timesOf(view) },
    })),
  };
}

function timesOf({ status, startMs = 0, endMs }: SubtaskView): Record<string, number> {
  return { RUNNING: startMs, ...(endMs === undefined ? {} : { [status]: endMs }) };
}

/** `GET …/taskmanagers` */
export function vertexTaskManagersBody(
  job: JobView,
  vertex: ExecutionVertex,
  nowMs: number,
): object {
  const groups = new Map<string, SubtaskView[]>();
  for (const view of job.subtasks(vertex.id)) {
    const id = view.taskManager ?? UNASSIGNED;
    groups.set(id, [...(groups.get(id) ?? []), view]);
  }
  const taskmanagers = [...groups].map(([id, subtasks]) => {
    const { start, end, duration } = spanOf(subtasks, nowMs);
    return {
      endpoint: id,
      status: vertexStatus(subtasks),
      'start-time': start,
      'end-time': end,
      duration,
      metrics: ioMetrics(subtasks),
      'status-counts': countStatuses(subtasks.map(({ status }) => status)),
      'taskmanager-id': id,
      aggregated: aggregated(subtasks, nowMs),
    };
  });
  return { id: flinkId(vertex.id), name: vertex.name, now: nowMs, taskmanagers };
}

/** `GET …/subtasks/accumulators`; this engine has none. */
export function subtaskAccumulatorsBody(job: JobView, vertex: ExecutionVertex): object {
  return {
    id: flinkId(vertex.id),
    parallelism: vertex.parallelism,
    subtasks: job.subtasks(vertex.id).map((view) => ({
      subtask: view.subtask,
      attempt: view.attempt,
      endpoint: view.taskManager ?? UNASSIGNED,
      'user-accumulators': [],
    })),
  };
}

/** `GET …/backpressure` */
export function backPressureBody(job: JobView, vertex: ExecutionVertex, nowMs: number): object {
  const subtasks = job.subtasks(vertex.id);
  const level = levelOf(Math.max(0, ...subtasks.map(({ backPressured }) => backPressured)));
  return {
    status: 'ok',
    backpressureLevel: level,
    'end-timestamp': nowMs,
    subtasks: subtasks.map(({ subtask, backPressured, idle, busy }) => ({
      subtask,
      backpressureLevel: levelOf(backPressured),
      ratio: backPressured,
      idleRatio: idle,
      busyRatio: busy,
      'backpressure-level': levelOf(backPressured),
    })),
    'backpressure-level': level,
  };
}

/** Flink's limits. */
function levelOf(share: number): 'ok' | 'low' | 'high' {
  if (share <= 0.1) return 'ok';
  return share <= 0.5 ? 'low' : 'high';
}

/** Records are counted; bytes and times since the start are not, and say so where they can. */
function ioMetrics(subtasks: readonly SubtaskView[]): object {
  return {
    'read-bytes': 0,
    'read-bytes-complete': false,
    'write-bytes': 0,
    'write-bytes-complete': false,
    'read-records': sum(subtasks.map(({ recordsIn }) => recordsIn)),
    'read-records-complete': true,
    'write-records': sum(subtasks.map(({ recordsOut }) => recordsOut)),
    'write-records-complete': true,
    'accumulated-backpressured-time': 0,
    'accumulated-idle-time': 0,
    'accumulated-busy-time': 0,
  };
}

/** From the deployment on a subtask counts as running: the steps before are not told apart. */
function statusDurations(view: SubtaskView, nowMs: number): Record<string, number> {
  const { duration } = spanOf([view], nowMs);
  return {
    CREATED: 0,
    SCHEDULED: 0,
    DEPLOYING: 0,
    RUNNING: Math.max(0, duration),
    INITIALIZING: 0,
  };
}

function aggregated(subtasks: readonly SubtaskView[], nowMs: number): object {
  const of = (value: (view: SubtaskView) => number) => subtaskDistribution(subtasks.map(value));
  const none = of(() => 0);
  return {
    metrics: {
      'write-records': of(({ recordsOut }) => recordsOut),
      'accumulated-backpressured-time': none,
      'accumulated-idle-time': none,
      'write-bytes': none,
      'read-bytes': none,
      'read-records': of(({ recordsIn }) => recordsIn),
      'accumulated-busy-time': none,
    },
    'status-duration': {
      CREATED: none,
      RUNNING: of((view) => statusDurations(view, nowMs)['RUNNING'] ?? 0),
      INITIALIZING: none,
      SCHEDULED: none,
      DEPLOYING: none,
    },
  };
}

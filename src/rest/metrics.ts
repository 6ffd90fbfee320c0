/**
 * Metrics under Flink's names: one table for each thing that has some, read by the JSON answers and
 * by Prometheus alike. A value that is not known yet is left out by both.
 */
import process from 'node:process';
import type { Cluster, JobView, SubtaskView } from '../cluster/dispatcher/cluster.ts';
import { hasEnded } from './job-body.ts';

export type MetricValue = number | string | undefined;

type MetricTable<T> = Readonly<Record<string, (of: T, nowMs: number) => MetricValue>>;

/** A reading: names with their values, in the order of the table. */
export type Metrics = readonly (readonly [name: string, value: number | string])[];

function read<T>(table: MetricTable<T>, of: T, nowMs: number): Metrics {
  return Object.entries(table).flatMap(([name, value]) => {
    const found = value(of, nowMs);
    return found === undefined ? [] : [[name, found] as const];
  });
}

function latest(job: JobView) {
  return job.checkpoints().find(({ status }) => status === 'completed');
}

const running = (job: JobView, nowMs: number) => (job.endMs ?? nowMs) - job.startMs;
const inStatus = (status: JobView['status']) => (job: JobView, nowMs: number) =>
  job.status === status ? nowMs - job.lastModificationMs : 0;

const OF_JOB: MetricTable<JobView> = {
  uptime: (job, nowMs) => (hasEnded(job) ? 0 : running(job, nowMs)),
  downtime: (job, nowMs) => (job.status === 'RUNNING' ? 0 : inStatus(job.status)(job, nowMs)),
  runningTime: inStatus('RUNNING'),
  restartingTime: inStatus('RESTARTING'),
  failingTime: inStatus('FAILING'),
  cancellingTime: inStatus('CANCELLING'),
  createdTime: inStatus('CREATED'),
  numRestarts: ({ restarts }) => restarts,
  fullRestarts: ({ restarts }) => restarts,
  numRescales: () => 0,
  totalNumberOfCheckpoints: (job) => {
    const { completed, failed, inProgress } = job.counts();
    return completed + failed + inProgress;
  },
  numberOfCompletedCheckpoints: (job) => job.counts().completed,
  numberOfFailedCheckpoints: (job) => job.counts().failed,
  numberOfInProgressCheckpoints: (job) => job.counts().inProgress,
  lastCompletedCheckpointId: (job) => latest(job)?.checkpointId ?? -1,
  lastCheckpointDuration: (job) => Math.round(latest(job)?.durationMs ?? -1),
  lastCheckpointSize: (job) => latest(job)?.writtenBytes ?? -1,
  lastCheckpointFullSize: (job) => latest(job)?.stateBytes ?? -1,
  lastCheckpointCompletedTimestamp: (job) => latest(job)?.latestAckMs ?? -1,
  lastCheckpointAlignmentTime: (job) => Math.round(latest(job)?.alignmentMs ?? -1),
  lastCheckpointProcessedData: () => 0,
  lastCheckpointPersistedData: () => 0,
  lastCheckpointExternalPath: (job) => latest(job)?.url ?? 'n/a',
};

const MS_PER_S = 1000;

const OF_SUBTASK: MetricTable<SubtaskView> = {
  numRecordsIn: ({ recordsIn }) => recordsIn,
  numRecordsOut: ({ recordsOut }) => recordsOut,
  busyTimeMsPerSecond: ({ busy }) => busy * MS_PER_S,
  backPressuredTimeMsPerSecond: ({ backPressured }) => backPressured * MS_PER_S,
  idleTimeMsPerSecond: ({ idle }) => idle * MS_PER_S,
  isBackPressured: ({ backPressured }) => (backPressured > 0 ? 'true' : 'false'),
  currentInputWatermark: ({ watermarkMs }) => watermarkMs,
};

const OF_CLUSTER: MetricTable<Cluster> = {
  numRegisteredTaskManagers: (cluster) => cluster.taskManagers().length,
  numRunningJobs: (cluster) => cluster.jobs().filter((job) => !hasEnded(job)).length,
  taskSlotsTotal: (cluster) =>
    cluster.taskManagers().reduce((total, { slots }) => total + slots, 0),
  taskSlotsAvailable: (cluster) =>
    cluster.taskManagers().reduce((total, { freeSlots }) => total + freeSlots, 0),
  'Status.JVM.Memory.Heap.Used': () => process.memoryUsage().heapUsed,
  'Status.JVM.Memory.Heap.Committed': () => process.memoryUsage().heapTotal,
  'Status.JVM.Memory.NonHeap.Used': () => process.memoryUsage().external,
  'Status.JVM.CPU.Time': () => {
    const { user, system } = process.cpuUsage();
    return (user + system) * MS_PER_S;
  },
};

export function jobMetrics(job: JobView, nowMs: number): Metrics {
  return read(OF_JOB, job, nowMs);
}

/** Of the task alone, without what its operators have to tell. */
export function taskMetrics(view: SubtaskView, nowMs: number): Metrics {
  return read(OF_SUBTASK, view, nowMs);
}

export function subtaskMetrics(view: SubtaskView, nowMs: number): Metrics {
  const ofTask = taskMetrics(view, nowMs);
  const { uid = '', metrics = [] } = view.reader ?? {};
  const ofReader = metrics.map(({ name, value, groups = [] }) => {
    const path = [operatorName(uid), ...groups.flat().filter((one) => one !== undefined), name];
    return [path.join('.'), value] as const;
  });
  return [...ofTask, ...ofReader];
}

/** A metric of an operator, with what it is about in labels. */
export interface LabelledMetric {
  readonly labels: Readonly<Record<string, string>>;
  readonly metric: readonly [name: string, value: number];
}

/** What the subtask's reader tells about itself, for Prometheus: groups that have a value become labels. */
export function readerMetrics({ reader }: SubtaskView): LabelledMetric[] {
  const { uid = '', metrics = [] } = reader ?? {};
  return metrics.map(({ name, value, groups = [] }) => {
    const labels: Record<string, string> = { operator_name: operatorName(uid) };
    for (const [group, of] of groups) if (of !== undefined) labels[group] = of;
    return { labels, metric: [[...groups.map(([group]) => group), name].join('_'), value] };
  });
}

/** As Flink shows the name of a source in metrics. */
function operatorName(uid: string): string {
  return `Source__${uid}`;
}

export function clusterMetrics(cluster: Cluster, nowMs: number): Metrics {
  return read(OF_CLUSTER, cluster, nowMs);
}

/** `GET …/metrics`: the names; with `?get=` the values of those that are asked for. */
export function metricsBody(metrics: Metrics, get: string | undefined): object[] {
  if (get === undefined) return metrics.map(([id]) => ({ id }));
  const wanted = new Set(get.split(','));
  return metrics.flatMap(([id, value]) => (wanted.has(id) ? [{ id, value: String(value) }] : []));
}

const AGGREGATES: Readonly<Record<string, (values: readonly number[]) => number>> = {
  min: (values) => Math.min(...values),
  max: (values) => Math.max(...values),
  avg: (values) => values.reduce((total, value) => total + value, 0) / values.length,
  sum: (values) => values.reduce((total, value) => total + value, 0),
};

/** `GET …/subtasks/metrics` and its like: over several readings, as `?agg=` says, by default all. */
export function aggregatedMetricsBody(
  readings: readonly Metrics[],
  get: string | undefined,
  agg: string | undefined,
): object[] {
  const values = new Map<string, number[]>();
  for (const [id, value] of readings.flat()) {
    const number = Number(value);
    values.set(id, [...(values.get(id) ?? []), ...(Number.isNaN(number) ? [] : [number])]);
  }
  if (get === undefined) return [...values.keys()].map((id) => ({ id }));
  const aggregates = Object.entries(AGGREGATES).filter(
    ([name]) => agg === undefined || agg.split(',').includes(name),
  );
  return get.split(',').flatMap((id) => {
    const found = values.get(id) ?? [];
    if (found.length === 0) return [];
    return [{ id, ...Object.fromEntries(aggregates.map(([name, of]) => [name, of(found)])) }];
  });
}

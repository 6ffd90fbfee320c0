import type { SubtaskView, TaskStatus } from '../cluster/dispatcher/cluster.ts';

/** In Flink's order. The two that no subtask here is ever in belong to the shape of the answers. */
const ALL = [
  'CANCELED',
  'CREATED',
  'RECONCILING',
  'SCHEDULED',
  'DEPLOYING',
  'CANCELING',
  'FAILED',
  'RUNNING',
  'FINISHED',
  'INITIALIZING',
] as const;

export type StatusCounts = Record<(typeof ALL)[number], number>;

export function emptyCounts(): StatusCounts {
  return Object.fromEntries(ALL.map((status) => [status, 0])) as StatusCounts;
}

export function countStatuses(statuses: readonly TaskStatus[]): StatusCounts {
  const counts = emptyCounts();
  for (const status of statuses) counts[status] += 1;
  return counts;
}

/** What a vertex is in: the worst of its subtasks, as in Flink; it runs as soon as one does. */
export function vertexStatus(subtasks: readonly SubtaskView[]): TaskStatus {
  const is = (wanted: TaskStatus) => subtasks.some(({ status }) => status === wanted);
  const all = (wanted: TaskStatus) => subtasks.every(({ status }) => status === wanted);
  const found = (['FAILED', 'CANCELING', 'CANCELED', 'INITIALIZING'] as const).find(is);
  if (subtasks.length === 0) return 'CREATED';
  if (found !== undefined) return found;
  if (all('FINISHED')) return 'FINISHED';
  if (is('RUNNING') || is('FINISHED')) return 'RUNNING';
  return is('DEPLOYING') ? 'DEPLOYING' : 'CREATED';
}

/** Start and end of a vertex or a subtask, as Flink says it: -1 for none. */
export function spanOf(
  parts: readonly Pick<SubtaskView, 'startMs' | 'endMs'>[],
  nowMs: number,
): { readonly start: number; readonly end: number; readonly duration: number } {
  const starts = parts.flatMap(({ startMs }) => startMs ?? []);
  const ends = parts.map(({ endMs }) => endMs ?? Infinity);
  const start = starts.length === 0 ? -1 : Math.min(...starts);
  const last = Math.max(...ends);
  const end = ends.length === 0 || last === Infinity ? -1 : last;
  return { start, end, duration: start === -1 ? -1 : (end === -1 ? nowMs : end) - start };
}

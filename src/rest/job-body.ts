import type { JobView } from '../cluster/dispatcher/cluster.ts';
import type { JobStatus } from '../cluster/job-events.ts';
import { failureCause } from './java-throwable.ts';
import { planBody } from './plan-body.ts';
import { countStatuses, emptyCounts } from './task-status.ts';
import { vertexSummary } from './vertex-body.ts';

const ENDS: readonly JobStatus[] = ['FINISHED', 'FAILED', 'CANCELED', 'SUSPENDED'];

export function hasEnded({ status }: Pick<JobView, 'status'>): boolean {
  return ENDS.includes(status);
}

function statusesOf(job: JobView) {
  return job.plan.vertices.flatMap(({ id }) => job.subtasks(id).map(({ status }) => status));
}

function timesOf({ startMs, endMs }: JobView, nowMs: number) {
  return {
    'start-time': startMs,
    'end-time': endMs ?? -1,
    duration: (endMs ?? nowMs) - startMs,
  };
}

/** An entry of `GET /jobs/overview`. */
export function overviewEntry(job: JobView, nowMs: number): object {
  const counts = countStatuses(statusesOf(job));
  return {
    jid: job.jobId,
    name: job.jobName,
    ...timesOf(job, nowMs),
    state: job.status,
    'last-modification': job.lastModificationMs,
    tasks: {
      running: counts.RUNNING,
      canceling: counts.CANCELING,
      canceled: counts.CANCELED,
      total: job.plan.vertices.reduce((total, { parallelism }) => total + parallelism, 0),
      created: counts.CREATED,
      scheduled: counts.SCHEDULED,
      deploying: counts.DEPLOYING,
      reconciling: counts.RECONCILING,
      finished: counts.FINISHED,
      initializing: counts.INITIALIZING,
      failed: counts.FAILED,
    },
    'pending-operators': 0,
  };
}

/** `GET /jobs/:jobid` */
export function jobBody(job: JobView, nowMs: number): object {
  const { plan } = job;
  const vertices = plan.vertices.map((vertex) => vertexSummary(job, vertex, nowMs));
  return {
    jid: job.jobId,
    name: job.jobName,
    isStoppable: false,
    state: job.status,
    'job-type': 'STREAMING',
    ...timesOf(job, nowMs),
    maxParallelism: plan.maxParallelism,
    now: nowMs,
    timestamps: timestamps(job),
    vertices,
    'status-counts': vertices.length === 0 ? emptyCounts() : countStatuses(statusesOf(job)),
    plan: planBody(job),
    'pending-operators': 0,
  };
}

/** When the job came into each state, as far as it is known; 0 for never. */
function timestamps({ status, startMs, endMs, lastModificationMs }: JobView): object {
  const isBefore = status === 'CREATED';
  return {
    CREATED: startMs,
    FAILED: 0,
    FINISHED: 0,
    CANCELLING: 0,
    INITIALIZING: startMs,
    SUSPENDED: 0,
    RECONCILING: 0,
    RUNNING: isBefore ? 0 : startMs,
    FAILING: 0,
    CANCELED: 0,
    RESTARTING: 0,
    ...(isBefore || status === 'RUNNING' ? {} : { [status]: endMs ?? lastModificationMs }),
  };
}

/** `GET /jobs/:jobid/config` */
export function jobConfigBody({ jobId, jobName, config }: JobView): object {
  return {
    jid: jobId,
    name: jobName,
    'execution-config': {
      'restart-strategy': restartText(config),
      'job-parallelism': config.parallelism,
      'object-reuse-mode': false,
      'user-config': {},
    },
  };
}

function restartText(config: JobView['config']): string {
  const { restartStrategy, restartAttempts, restartDelayMs } = config;
  if (restartStrategy !== 'fixed-delay') return restartStrategy;
  return `Restart with fixed delay (${restartDelayMs} ms). #${restartAttempts} restart attempts.`;
}

/** `GET /jobs/:jobid/exceptions` */
export function exceptionsBody(job: JobView, most: number): object {
  const failures = job.failures();
  return {
    exceptionHistory: {
      entries: failures.slice(0, most).map(({ name, text, atMs, vertex, subtask }) => ({
        exceptionName: name,
        stacktrace: text,
        timestamp: atMs,
        failureLabels: {},
        taskName: vertex === undefined ? null : taskName(job, vertex, subtask),
        endpoint: '(unassigned)',
        taskManagerId: '(unassigned)',
        concurrentExceptions: [],
      })),
      truncated: failures.length > most,
    },
  };
}

function taskName({ plan }: JobView, vertex: string, subtask: number | undefined): string {
  const found = plan.vertices.find(({ id, name }) => id === vertex || name === vertex);
  if (subtask === undefined) return vertex;
  return `${found?.name ?? vertex} (${subtask + 1}/${found?.parallelism ?? '?'})`;
}

const APPLICATION_STATUS = {
  FINISHED: 'SUCCEEDED',
  FAILED: 'FAILED',
  CANCELED: 'CANCELED',
  SUSPENDED: 'UNKNOWN',
} as const;

/** `GET /jobs/:jobid/execution-result` */
export function executionResultBody({ jobId, result, startMs, endMs }: JobView): object {
  if (result === undefined) return { status: { id: 'IN_PROGRESS' } };
  return {
    status: { id: 'COMPLETED' },
    'job-execution-result': {
      id: jobId,
      'application-status': APPLICATION_STATUS[result.status],
      'accumulator-results': {},
      'net-runtime': (endMs ?? startMs) - startMs,
      ...(result.status === 'FAILED' ? { 'failure-cause': failureCause(result.error) } : {}),
    },
  };
}

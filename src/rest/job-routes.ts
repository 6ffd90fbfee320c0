import type { JobView } from '../cluster/dispatcher/cluster.ts';
import {
  checkpointConfigBody,
  checkpointDetails,
  checkpointsBody,
  checkpointSubtasks,
} from './checkpoint-body.ts';
import {
  exceptionsBody,
  executionResultBody,
  jobBody,
  jobConfigBody,
  overviewEntry,
} from './job-body.ts';
import { aggregatedMetricsBody, jobMetrics, metricsBody } from './metrics.ts';
import { checkpointOf, countOf, jobOf, vertexOf, type Parameters } from './parameters.ts';
import { planBody } from './plan-body.ts';
import type { RouteContext } from './route-context.ts';

/** Flink's default of `?maxExceptions=`. */
const EXCEPTIONS_SHOWN = 20;

/** What is asked about jobs, and about their checkpoints. */
export function addJobRoutes({ get, cluster, nowMs }: RouteContext): void {
  get('/jobs', () => ({
    jobs: cluster.jobs().map(({ jobId, status }) => ({ id: jobId, status })),
  }));
  get('/jobs/overview', () => ({
    jobs: cluster.jobs().map((job) => overviewEntry(job, nowMs())),
  }));
  get('/jobs/metrics', (_, query) =>
    aggregatedMetricsBody(
      cluster.jobs().map((job) => jobMetrics(job, nowMs())),
      query['get'],
      query['agg'],
    ),
  );
  const ofJob = (
    path: string,
    answer: (job: JobView, params: Parameters, query: Parameters) => object,
  ) => {
    get(`/jobs/:jobid${path}`, (params, query) => answer(jobOf(cluster, params), params, query));
  };
  ofJob('', (job) => jobBody(job, nowMs()));
  // What Flink does not know stands in an answer of its own.
  ofJob('/tidemark', (job) => ({ restore: job.restoreProgress() ?? null }));
  ofJob('/config', jobConfigBody);
  ofJob('/plan', (job) => ({ plan: planBody(job) }));
  ofJob('/status', ({ status }) => ({ status }));
  ofJob('/exceptions', (job, _, query) =>
    exceptionsBody(job, countOf('maxExceptions', query, EXCEPTIONS_SHOWN)),
  );
  ofJob('/accumulators', () => ({
    'job-accumulators': [],
    'user-task-accumulators': [],
    'serialized-user-task-accumulators': {},
  }));
  ofJob('/execution-result', executionResultBody);
  ofJob('/metrics', (job, _, query) => metricsBody(jobMetrics(job, nowMs()), query['get']));
  ofJob('/checkpoints', checkpointsBody);
  ofJob('/checkpoints/config', checkpointConfigBody);
  ofJob('/checkpoints/details/:checkpointid', (job, params) =>
    checkpointDetails(job, checkpointOf(job, params)),
  );
  ofJob('/checkpoints/details/:checkpointid/subtasks/:vertexid', (job, params) =>
    checkpointSubtasks(vertexOf(job, params), checkpointOf(job, params)),
  );
}

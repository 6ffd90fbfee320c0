import process from 'node:process';
import type { TaskManagerView } from '../cluster/dispatcher/cluster.ts';
import { settingsSummary } from '../settings/summary.ts';
import type { FlinkSettings } from '../settings/flink-settings.ts';
import { hasEnded } from './job-body.ts';
import { jobLogFile, readJobLog } from './job-log.ts';
import { listLogs, readLog } from './log-files.ts';
import { aggregatedMetricsBody, clusterMetrics, metricsBody } from './metrics.ts';
import { countOf, idOf, jobOf, taskManagerOf } from './parameters.ts';
import { prometheusText } from './prometheus.ts';
import { notFoundError } from './rest-error.ts';
import type { RouteContext } from './route-context.ts';
import { taskManagerBody, taskManagerEntry } from './task-manager-body.ts';

export interface ClusterRouteOptions {
  readonly canSubmit: boolean;
  /** The release of the engine. */
  readonly version: string;
  /** For Prometheus' label. */
  readonly host: string;
}

/** Flink's clients and dashboards look at its version; this is the one whose answers these are. */
const ANSWERS_AS_FLINK = '2.2';

/** Lines of a job's log at first. */
const LOG_LINES = 200;

/** What is asked about the JobManager and the TaskManagers. */
export function addClusterRoutes(context: RouteContext, options: ClusterRouteOptions): void {
  const { get, cluster, nowMs, app } = context;
  const version = `${ANSWERS_AS_FLINK}-tidemark-${options.version}`;
  get('/config', () => ({
    'refresh-interval': 3000,
    'timezone-name': 'Coordinated Universal Time',
    'timezone-offset': 0,
    'flink-version': version,
    'flink-revision': options.version,
    features: {
      'web-submit': options.canSubmit,
      'web-cancel': true,
      'web-rescale': false,
      'web-history': false,
    },
  }));
  get('/overview', () => overviewBody(context, version, options.version));
  get('/datasets', () => ({ dataSets: [] }));
  addJobManagerRoutes(context);
  addTaskManagerRoutes(context);
  app.get('/metrics', async (_request, reply) => {
    const text = prometheusText(cluster, options.host.replaceAll('.', '_'), nowMs());
    return reply.type('text/plain; version=0.0.4; charset=utf-8').send(text);
  });
}

function overviewBody({ cluster }: RouteContext, version: string, commit: string): object {
  const jobs = cluster.jobs();
  const managers = cluster.taskManagers();
  const ended = (wanted: string) => jobs.filter(({ status }) => status === wanted).length;
  return {
    taskmanagers: managers.length,
    'slots-total': managers.reduce((total, { slots }) => total + slots, 0),
    'slots-available': managers.reduce((total, { freeSlots }) => total + freeSlots, 0),
    'jobs-running': jobs.filter((job) => !hasEnded(job)).length,
    'jobs-finished': ended('FINISHED'),
    'jobs-cancelled': ended('CANCELED'),
    'jobs-failed': ended('FAILED'),
    'flink-version': version,
    'flink-commit': commit,
  };
}

function addJobManagerRoutes({ get, cluster, nowMs, app }: RouteContext): void {
  get('/jobmanager/config', () => configBody(cluster.config));
  get('/jobmanager/environment', environmentBody);
  get('/jobs/:jobid/jobmanager/config', (params) => configBody(jobOf(cluster, params).config));
  get('/jobs/:jobid/jobmanager/environment', (params) => {
    jobOf(cluster, params);
    return environmentBody();
  });
  get('/jobmanager/metrics', (_, query) =>
    metricsBody(clusterMetrics(cluster, nowMs()), query['get']),
  );
  // Also of a job that ended before the service was started.
  get('/tidemark/jobs/:jobid/log', async (params, query) =>
    readJobLog(jobLogFile(cluster.folder, idOf('jobid', params)), {
      cursor: query['cursor'],
      lines: query['lines'] === '0' ? 0 : countOf('lines', query, LOG_LINES),
      isOver: query['over'] === 'true',
    }),
  );
  get('/jobmanager/logs', async () => ({ logs: await listLogs(cluster.folder) }));
  app.get<{ Params: { name: string } }>('/jobmanager/logs/:name', async ({ params }, reply) =>
    reply.type('text/plain; charset=UTF-8').send(await readLog(cluster.folder, params.name)),
  );
}

function addTaskManagerRoutes({ get, cluster, app }: RouteContext): void {
  get('/taskmanagers', () => ({ taskmanagers: cluster.taskManagers().map(taskManagerEntry) }));
  get('/taskmanagers/metrics', (_, query) => aggregatedMetricsBody([], query['get'], query['agg']));
  get('/taskmanagers/:taskmanagerid', (params) => taskManagerBody(taskManagerOf(cluster, params)));
  get('/taskmanagers/:taskmanagerid/metrics', (params) => {
    taskManagerOf(cluster, params);
    return [];
  });
  get('/taskmanagers/:taskmanagerid/thread-dump', (params) => {
    taskManagerOf(cluster, params);
    return { threadInfos: [] };
  });
  get('/taskmanagers/:taskmanagerid/logs', async (params) => ({
    logs: await listLogs(cluster.folder, logOf(taskManagerOf(cluster, params))),
  }));
  for (const name of ['log', 'stdout']) {
    app.get<{ Params: { taskmanagerid: string } }>(
      `/taskmanagers/:taskmanagerid/${name}`,
      async ({ params }, reply) => {
        const logs = await listLogs(cluster.folder, logOf(taskManagerOf(cluster, params)));
        const found = logs.find((log) => log.name.endsWith('.log'));
        if (found === undefined) throw notFoundError('The file does not exist.');
        return reply
          .type('text/plain; charset=UTF-8')
          .send(await readLog(cluster.folder, found.name));
      },
    );
  }
}

/** All processes of a job print into one log. */
function logOf({ jobId, id }: TaskManagerView): string {
  return jobId === undefined ? id : `job-${jobId}.log`;
}

/** Every setting that is in force; of a secret only that it is set. */
function configBody(config: FlinkSettings): object[] {
  return settingsSummary(config).flatMap(({ key, value }) =>
    value === null ? [] : [{ key, value: withoutPassword(String(value)) }],
  );
}

/** An address may name a user and a password. */
function withoutPassword(text: string): string {
  return text.replace(/(\/\/)[^/@\s]*@/g, '$1***@');
}

/** Options of the process stay inside: what stands there may be secret. */
function environmentBody(): object {
  const { version, arch } = process;
  return { jvm: { version: `Node.js ${version}`, arch, options: [] }, classpath: [] };
}

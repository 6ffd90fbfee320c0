import type { JobView, SubtaskView } from '../cluster/dispatcher/cluster.ts';
import type { ExecutionVertex } from '../graph/execution-plan.ts';
import { flinkId } from './flink-ids.ts';
import { aggregatedMetricsBody, metricsBody, subtaskMetrics, type Metrics } from './metrics.ts';
import { jobOf, subtaskOf, vertexOf, type Parameters } from './parameters.ts';
import { notFoundError } from './rest-error.ts';
import type { RouteContext } from './route-context.ts';
import {
  backPressureBody,
  subtaskAccumulatorsBody,
  subtaskBody,
  subtaskTimesBody,
  vertexBody,
  vertexTaskManagersBody,
} from './vertex-body.ts';

interface Asked {
  readonly job: JobView;
  readonly vertex: ExecutionVertex;
  readonly params: Parameters;
  readonly query: Parameters;
}

/** What is asked about the vertices of a job and their subtasks. */
export function addVertexRoutes({ get, cluster, nowMs }: RouteContext): void {
  const ofVertex = (path: string, answer: (asked: Asked) => object) => {
    get(`/jobs/:jobid/vertices/:vertexid${path}`, (params, query) => {
      const job = jobOf(cluster, params);
      return answer({ job, vertex: vertexOf(job, params), params, query });
    });
  };
  const metricsOf = ({ job, vertex }: Asked) =>
    job.subtasks(vertex.id).map((view) => subtaskMetrics(view, nowMs()));
  const attempt = ({ job, vertex, params }: Asked): SubtaskView => {
    const view = subtaskOf(job, vertex, params);
    if (params['attempt'] === undefined || params['attempt'] === String(view.attempt)) return view;
    throw notFoundError(`Could not find execution attempt ${params['attempt']}`);
  };
  ofVertex('', ({ job, vertex }) => vertexBody(job, vertex, nowMs()));
  ofVertex('/subtasktimes', ({ job, vertex }) => subtaskTimesBody(job, vertex, nowMs()));
  ofVertex('/taskmanagers', ({ job, vertex }) => vertexTaskManagersBody(job, vertex, nowMs()));
  ofVertex('/backpressure', ({ job, vertex }) => backPressureBody(job, vertex, nowMs()));
  ofVertex('/watermarks', ({ job, vertex }) => watermarks(job.subtasks(vertex.id)));
  ofVertex('/accumulators', ({ vertex }) => ({ id: flinkId(vertex.id), 'user-accumulators': [] }));
  ofVertex('/jm-operator-metrics', () => []);
  // Threads are not sampled.
  ofVertex('/flamegraph', () => ({ endTimestamp: -2 }));
  ofVertex('/metrics', (asked) => {
    const all: Metrics = metricsOf(asked).flatMap((metrics, subtask) =>
      metrics.map(([name, value]) => [`${subtask}.${name}`, value] as const),
    );
    return metricsBody(all, asked.query['get']);
  });
  ofVertex('/subtasks/metrics', (asked) =>
    aggregatedMetricsBody(metricsOf(asked), asked.query['get'], asked.query['agg']),
  );
  ofVertex('/subtasks/accumulators', ({ job, vertex }) => subtaskAccumulatorsBody(job, vertex));
  ofVertex('/subtasks/:subtaskindex', (asked) => subtaskBody(attempt(asked), nowMs()));
  ofVertex('/subtasks/:subtaskindex/attempts/:attempt', (asked) =>
    subtaskBody(attempt(asked), nowMs()),
  );
  ofVertex('/subtasks/:subtaskindex/metrics', (asked) =>
    metricsBody(subtaskMetrics(attempt(asked), nowMs()), asked.query['get']),
  );
}

function watermarks(subtasks: readonly SubtaskView[]): object[] {
  return subtasks.flatMap(({ subtask, watermarkMs }) =>
    watermarkMs === undefined
      ? []
      : [{ id: `${subtask}.currentInputWatermark`, value: String(watermarkMs) }],
  );
}

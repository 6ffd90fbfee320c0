import { EngineError } from '../common/errors.ts';
import { isJobDefinition, type JobDefinition } from '../api/job-definition.ts';
import { buildJobGraph } from '../graph/build-job-graph.ts';
import type { JobGraph } from '../graph/job-graph.ts';
import { planOf } from '../graph/plan.ts';
import type { FlinkSettings } from '../settings/flink-settings.ts';

/** Where every process and thread gets the job from. */
export interface JobSource {
  /** URL of the module whose default export is the job. */
  readonly module: string;
  /** The job's own settings, checked. */
  readonly settings: unknown;
  readonly flink: FlinkSettings;
}

/** What a graph is built from, and what must come of it. */
export interface PlannedSource {
  readonly job: JobSource;
  readonly planHash: string;
  readonly parallelism: number;
  readonly maxParallelism: number;
}

/**
 * Imports a job's module.
 *
 * @throws {EngineError} `JOB-005` (`invalid`) if its default export is no job.
 */
export async function importJob(module: string): Promise<JobDefinition> {
  const exports = (await import(module)) as { readonly default?: unknown };
  if (isJobDefinition(exports.default)) return exports.default;
  throw new EngineError('JOB-005', 'invalid', 'the module has no job as its default export', {
    details: { module },
    hint: "Write export default defineJob('my-job', (env) => { … }) in it.",
  });
}

/**
 * Builds the job's graph in this thread.
 *
 * @throws {EngineError} `JOB-006` (`invalid`) if it is not the one that was planned.
 */
export function buildPlanned(definition: JobDefinition, source: PlannedSource): JobGraph {
  const { job, planHash, parallelism, maxParallelism } = source;
  const { graph } = definition.build(job.settings, job.flink);
  const jobGraph = buildJobGraph(graph, { parallelism, maxParallelism });
  const found = planOf(jobGraph).hash;
  if (found === planHash) return jobGraph;
  throw new EngineError('JOB-006', 'invalid', 'the job builds another graph each time', {
    details: { planned: planHash, built: found },
    hint: 'Build the graph from the settings alone: not from the time, from chance, or from files that change.',
  });
}

/** Imports the job's module and builds its graph. @throws {EngineError} `JOB-005`, `JOB-006` (`invalid`) */
export async function loadJob(source: PlannedSource): Promise<JobGraph> {
  return buildPlanned(await importJob(source.job.module), source);
}

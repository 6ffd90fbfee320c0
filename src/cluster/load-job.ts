import { EngineError } from '../common/errors.ts';
import { isJobDefinition, type JobDefinition } from '../api/job-definition.ts';
import { buildJobGraph } from '../graph/build-job-graph.ts';
import type { JobGraph } from '../graph/job-graph.ts';
import { planOf } from '../graph/plan.ts';
import type { SlotData } from './task-manager/slot-protocol.ts';

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
export async function loadJob(
  data: Pick<SlotData, 'job' | 'planHash' | 'parallelism' | 'maxParallelism'>,
): Promise<JobGraph> {
  const { job, planHash, parallelism, maxParallelism } = data;
  const definition = await importJob(job.module);
  const { graph } = definition.build(job.settings, job.flink);
  const jobGraph = buildJobGraph(graph, { parallelism, maxParallelism });
  const found = planOf(jobGraph).hash;
  if (found === planHash) return jobGraph;
  throw new EngineError('JOB-006', 'invalid', 'the job builds another graph each time', {
    details: { planned: planHash, built: found },
    hint: 'Build the graph from the settings alone: not from the time, from chance, or from files that change.',
  });
}

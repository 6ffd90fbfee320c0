import path from 'node:path';
import { pathToFileURL } from 'node:url';
import type { DescribedProgram, JobExecutionResult } from '../api/program.ts';

/**
 * Runs the job of a program that was started by itself, as `node job.ts`: it becomes the leader of its
 * job, with what `tidemark run` does and prints by default.
 */
export async function launchProgram(program: DescribedProgram): Promise<JobExecutionResult> {
  const { handDown, settings } = await import('../settings/process-settings.ts');
  const { RunReporter } = await import('./run-reporter.ts');
  const { jobModule } = await import('./load-job-module.ts');
  const { startJob, watchJob } = await import('./start-job.ts');
  const { flink } = settings;
  handDown(flink, {});
  const module = jobModule(pathToFileURL(path.resolve(process.argv[1] ?? '')).href);
  const reporter = new RunReporter(false, process.stdout, process.stderr);
  const { running, progress } = await startJob({ module, arguments: [], flink }, reporter, {});
  const result = await watchJob(running, progress, reporter);
  const { error, jobId, checkpointsCompleted, restarts } = result;
  if (result.status === 'FAILED') throw error;
  // Only a service suspends jobs.
  const status = result.status === 'SUSPENDED' ? 'CANCELED' : result.status;
  return { status, jobId, jobName: program.name, checkpointsCompleted, restarts };
}

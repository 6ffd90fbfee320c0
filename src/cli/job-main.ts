/**
 * What every thread and process imports for a job: this module with the job's URL as `?job=`. Its
 * default export is the job: the default export of that module, or what a program has described up to its
 * `execute`. What stands behind `execute` never runs here: only the leader knows how the job ends.
 */
import type { JobDefinition } from '../api/job-definition.ts';

export default await jobOf(new URL(import.meta.url).searchParams.get('job') ?? '');

async function jobOf(url: string): Promise<JobDefinition> {
  const { importJobModule } = await import('./load-job-module.ts');
  const { job } = await importJobModule(url, () => new Promise(() => undefined));
  return job;
}

import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { JobDefinition } from '../api/job-definition.ts';
import type { DescribedProgram, JobExecutionResult } from '../api/program.ts';
import type { JobResult } from '../cluster/job-events.ts';

export interface LoadedJob {
  readonly job: JobDefinition;
  /** To be called with the job's end: a program goes on behind its `execute`. */
  over(result: JobResult): Promise<void>;
}

/**
 * Imports a job's module: one that exports `defineJob(…)`, or a program that calls `env.execute(…)`.
 *
 * @throws {EngineError} `CLI-001`, `CLI-002` (`invalid`) if there is no such module, or no job in it.
 */
export async function loadJobModule(file: string): Promise<LoadedJob> {
  const { deferred } = await import('../common/deferred.ts');
  const ended = deferred<JobExecutionResult>();
  const { job, imported } = await importJobModule(await jobUrl(file), () => ended.promise);
  return {
    job,
    async over(result) {
      const { jobId, checkpointsCompleted, restarts, error } = result;
      // Only a service suspends jobs.
      const status = result.status === 'SUSPENDED' ? 'CANCELED' : result.status;
      if (status === 'FAILED') ended.reject(error);
      else ended.resolve({ status, jobId, jobName: job.name, checkpointsCompleted, restarts });
      // Whoever runs a job that is no program waits for nothing.
      ended.promise.catch(() => undefined);
      try {
        await imported;
      } catch (thrown) {
        if (thrown !== error) throw thrown;
      }
    },
  };
}

/** @throws {EngineError} `CLI-001` (`invalid`) if there is no such file. */
export async function jobUrl(file: string): Promise<string> {
  const { EngineError } = await import('../common/errors.ts');
  const { existsSync } = await import('node:fs');
  const full = path.resolve(file);
  if (existsSync(full)) return pathToFileURL(full).href;
  throw new EngineError('CLI-001', 'invalid', 'there is no such job file', {
    details: { file: full },
    hint: 'Give the path of a module whose default export is defineJob(…), such as job.ts.',
  });
}

/**
 * Imports the module and takes the job that it exports, or that it describes up to its `execute`.
 *
 * @param execute What `execute` answers.
 * @returns `imported` settles when the module is through: for a program, after its `execute`.
 * @throws {EngineError} `CLI-002` (`invalid`) if there is no job in it.
 */
export async function importJobModule(
  url: string,
  execute: () => Promise<JobExecutionResult>,
): Promise<{ readonly job: JobDefinition; readonly imported: Promise<unknown> }> {
  const { EngineError } = await import('../common/errors.ts');
  const { isJobDefinition, jobOfProgram } = await import('../api/job-definition.ts');
  const { hostPrograms } = await import('../api/program.ts');
  const { deferred } = await import('../common/deferred.ts');
  const executed = deferred<DescribedProgram>();
  hostPrograms((program) => {
    executed.resolve(program);
    return execute();
  });
  const imported = import(url) as Promise<{ readonly default?: unknown }>;
  const found = await Promise.race([executed.promise, imported]);
  if ('graph' in found) {
    // An error behind `execute` is for whoever waits for it.
    imported.catch(() => undefined);
    return { job: jobOfProgram(found), imported };
  }
  if (isJobDefinition(found.default)) return { job: found.default, imported };
  throw new EngineError('CLI-002', 'invalid', 'the module has no job as its default export', {
    details: { file: fileURLToPath(url) },
    hint: "Write export default defineJob('my-job', (env) => { … }) in it.",
  });
}

/** The URL of a module whose default export is the job of the module at `url`. */
export function jobModule(url: string): string {
  // The entry has the extension of this file: `.ts` from the sources, `.js` when it is built.
  const entry = new URL(`./job-main${import.meta.url.slice(-3)}`, import.meta.url);
  entry.searchParams.set('job', url);
  return entry.href;
}

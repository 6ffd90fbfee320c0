import path from 'node:path';
import { pathToFileURL } from 'node:url';
import type { JobDefinition } from '../api/job-definition.ts';
import { deferred, type Deferred } from '../common/deferred.ts';
import type { DescribedProgram, JobExecutionResult } from '../api/program.ts';
import type { JobResult } from '../cluster/job-events.ts';

export interface LoadedJob {
  readonly job: JobDefinition;
  /** What every thread of the job imports: its default export is the job. */
  readonly module: string;
  /** To be called with the job's end: a program goes on behind its `execute`. */
  over(result: JobResult): Promise<void>;
}

/**
 * Imports a job's module: one that exports `defineJob(…)`, or a program that calls `env.execute(…)`.
 *
 * @throws {EngineError} `CLI-001`, `CLI-002` (`invalid`) if there is no such module, or no job in it.
 */
export async function loadJobModule(file: string): Promise<LoadedJob> {
  const { EngineError } = await import('../common/errors.ts');
  const { isJobDefinition, jobOfProgram } = await import('../api/job-definition.ts');
  const { hostPrograms } = await import('../api/program.ts');
  const { existsSync } = await import('node:fs');
  const full = path.resolve(file);
  if (!existsSync(full)) {
    throw new EngineError('CLI-001', 'invalid', 'there is no such job file', {
      details: { file: full },
      hint: 'Give the path of a module whose default export is defineJob(…), such as job.ts.',
    });
  }
  const url = pathToFileURL(full).href;
  const ended = deferred<JobExecutionResult>();
  const executed = deferred<DescribedProgram>();
  hostPrograms((program) => {
    executed.resolve(program);
    return ended.promise;
  });
  const imported = import(url) as Promise<{ readonly default?: unknown }>;
  // A program's module is not loaded before its job has ended.
  const found = await Promise.race([executed.promise, imported]);
  if ('graph' in found) {
    // Its error, if any, is looked at in `over`.
    imported.catch(() => undefined);
    const over = (result: JobResult) => endProgram(result, found.name, ended, imported);
    return { job: jobOfProgram(found), module: programModule(url), over };
  }
  if (isJobDefinition(found.default))
    return { job: found.default, module: url, over: () => Promise.resolve() };
  throw new EngineError('CLI-002', 'invalid', 'the module has no job as its default export', {
    details: { file: full },
    hint: "Write export default defineJob('my-job', (env) => { … }) in it.",
  });
}

/** Lets the program go on behind `execute`, and waits until it is through. */
async function endProgram(
  { status, jobId, checkpointsCompleted, restarts, error }: JobResult,
  jobName: string,
  ended: Deferred<JobExecutionResult>,
  imported: Promise<unknown>,
): Promise<void> {
  if (status === 'FAILED') ended.reject(error);
  else ended.resolve({ status, jobId, jobName, checkpointsCompleted, restarts });
  try {
    await imported;
  } catch (thrown) {
    if (thrown !== error) throw thrown;
  }
}

/** A module whose default export is the job of a program. */
export function programModule(url: string): string {
  // The entry has the extension of this file: `.ts` from the sources, `.js` when it is built.
  const entry = new URL(`./program-main${import.meta.url.slice(-3)}`, import.meta.url);
  entry.searchParams.set('program', url);
  return entry.href;
}

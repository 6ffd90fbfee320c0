/**
 * What a slot imports for a job that is a program: this module with the program's URL as `?program=`.
 * It runs the program up to its `execute`; the default export is the job that was described by then.
 * What stands behind `execute` never runs here: only the leader knows how the job ends.
 */
import type { JobDefinition } from '../api/job-definition.ts';
import { deferred } from '../common/deferred.ts';
import type { DescribedProgram } from '../api/program.ts';

export default await jobOf(new URL(import.meta.url).searchParams.get('program') ?? '');

async function jobOf(program: string): Promise<JobDefinition<undefined> | undefined> {
  const { hostPrograms } = await import('../api/program.ts');
  const { jobOfProgram } = await import('../api/job-definition.ts');
  const executed = deferred<DescribedProgram>();
  hostPrograms((described) => {
    executed.resolve(described);
    return deferred<never>().promise;
  });
  const imported = import(program).then(() => undefined);
  const described = await Promise.race([executed.promise, imported]);
  return described && jobOfProgram(described);
}

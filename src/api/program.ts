/**
 * Jobs as programs, in Flink's way: a module that calls `getExecutionEnvironment()`, describes the job at
 * its top, and ends with `await env.execute(name)`.
 *
 * Every process that takes part runs the program up to `execute`. What becomes of the job then is
 * known to the host: `tidemark run` leads it, a slot takes its graph, a program that was started by
 * itself becomes the leader of its own job.
 */
import { EngineError } from '../common/errors.ts';
import type { StreamGraph } from '../graph/operator-spec.ts';
import type { FlinkSettings } from '../settings/flink-settings.ts';

/** What `execute` is called with. */
export interface DescribedProgram {
  readonly name: string;
  readonly graph: StreamGraph;
  readonly config: FlinkSettings;
}

/** How a job ended that did not fail. */
export interface JobExecutionResult {
  readonly jobId: string;
  readonly jobName: string;
  readonly status: 'FINISHED' | 'CANCELED';
  readonly checkpointsCompleted: number;
  readonly restarts: number;
}

/** Runs the job; resolves when it is over, rejects with why it failed. */
export type ProgramHost = (program: DescribedProgram) => Promise<JobExecutionResult>;

let host: ProgramHost | undefined;
let hasExecuted = false;

/** From now on `execute` goes to `next`. */
export function hostPrograms(next: ProgramHost): void {
  host = next;
  hasExecuted = false;
}

/** For programs that nobody hosts. */
export function hostProgramsByDefault(next: ProgramHost): void {
  host ??= next;
}

/** @throws {EngineError} `API-024` (`invalid`) for a second job. */
export function executeProgram(program: DescribedProgram): Promise<JobExecutionResult> {
  if (host !== undefined && !hasExecuted) {
    hasExecuted = true;
    return host(program);
  }
  throw new EngineError('API-024', 'invalid', 'execute is called a second time', {
    details: { job: program.name },
    hint: 'Describe one job in a program, or write one module for each job.',
  });
}

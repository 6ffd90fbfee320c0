import { noServiceForJobs } from './cli-errors.ts';
import { EXIT } from './exit-codes.ts';
import { readAll } from './read-settings.ts';
import { RestClient } from './rest-client.ts';
import type { RunArguments } from './run-arguments.ts';
import { onTerminal } from './terminal.ts';

interface Submitted {
  readonly jobId: string;
  readonly jobName: string;
  /** What it begins from, and why. */
  readonly startMessages: readonly string[];
}

/** `tidemark run -d`: hands the job to the service of this user, and returns when it runs there. */
export function runDetachedCommand(
  file: string,
  jobArguments: readonly string[],
  options: RunArguments,
): Promise<number> {
  return onTerminal(options, async (terminal) => {
    const { jobUrl } = await import('./load-job-module.ts');
    const { flink } = await readAll(options);
    const module = await jobUrl(file);
    const client = await serviceForJobs();
    const { jobId, jobName, startMessages } = await client.post<Submitted>('/tidemark/jobs', {
      module,
      folder: process.cwd(),
      arguments: jobArguments,
      flink,
      fresh: options.fresh === true,
      allowNonRestoredState: options.allowNonRestoredState === true,
      ...(options.name !== undefined && { name: options.name }),
      ...(options.forkOf !== undefined && { forkOf: options.forkOf }),
      ...(options.fromSavepoint !== undefined && { savepointPath: options.fromSavepoint }),
      ...(options.claimMode !== undefined && { claimMode: options.claimMode }),
    });
    for (const message of startMessages) terminal.say(message);
    terminal.say(`Job has been submitted with JobID ${jobId}`);
    terminal.answer({ jobId, jobName, startMessages });
    return EXIT.done;
  });
}

/** @throws {EngineError} `CLI-029` (`unavailable`) if none runs. */
export async function serviceForJobs(): Promise<RestClient> {
  const client = await RestClient.ofThisUser();
  if (client === undefined) throw noServiceForJobs();
  return client;
}

import { missingArgument } from './cli-errors.ts';
import { EXIT } from './exit-codes.ts';
import { findJob } from './find-job.ts';
import { newTriggerId, waitFor } from './operation.ts';
import { RestClient, type ServiceOption } from './rest-client.ts';
import { notesOf, savepointOf, type NoteOptions } from './savepoint.ts';
import { onTerminal, type JsonOption } from './terminal.ts';

export interface StopOptions extends ServiceOption, JsonOption, NoteOptions {
  /** A folder; true if the option stood without one. */
  readonly savepointPath?: string | true;
  readonly drain?: boolean;
}

/** `tidemark stop`: takes a savepoint and only then ends the job. */
export function stopCommand(job: string | undefined, options: StopOptions): Promise<number> {
  return onTerminal(options, async (terminal) => {
    const client = await RestClient.open(options);
    const meant = jobAndDirectory(job, options.savepointPath);
    if (meant === undefined) {
      throw missingArgument('the job', 'tidemark stop --savepointPath <directory> <job>');
    }
    const { jid } = await findJob(client, meant.job);
    const drain = options.drain === true;
    const triggerId = newTriggerId();
    const how = drain ? 'Draining' : 'Suspending';
    terminal.say(`${how} job "${jid}" with a CANONICAL savepoint.`);
    await client.post(`/jobs/${jid}/stop`, {
      targetDirectory: meant.directory ?? null,
      drain,
      formatType: 'CANONICAL',
      triggerId,
      ...notesOf(options),
    });
    const { location } = await waitFor(client, savepointOf(jid, triggerId), terminal);
    terminal.say(`Savepoint completed. Path: ${location ?? ''}`);
    terminal.answer({ jobId: jid, requestId: triggerId, path: location, drained: drain });
    return EXIT.done;
  });
}

/**
 * Flink lets the option stand without a folder, and then what stands behind it is the job: `stop -p <job>`
 * and `cancel -s <job>`.
 */
export function jobAndDirectory(
  job: string | undefined,
  directory: string | true | undefined,
): { readonly job: string; readonly directory: string | undefined } | undefined {
  const folder = directory === true ? undefined : directory;
  if (job !== undefined) return { job, directory: folder };
  return folder === undefined ? undefined : { job: folder, directory: undefined };
}

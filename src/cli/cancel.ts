import { missingArgument } from './cli-errors.ts';
import { EXIT } from './exit-codes.ts';
import { findJob } from './find-job.ts';
import { newTriggerId, waitFor } from './operation.ts';
import { RestClient, type ServiceOption } from './rest-client.ts';
import { notesOf, savepointOf } from './savepoint.ts';
import { jobAndDirectory } from './stop.ts';
import { onTerminal, type JsonOption } from './terminal.ts';

export interface CancelOptions extends ServiceOption, JsonOption {
  /** A folder; true if the option stood without one. */
  readonly withSavepoint?: string | true;
}

/** `tidemark cancel`: ends the job at once, or, with `-s`, once it has a savepoint. */
export function cancelCommand(job: string | undefined, options: CancelOptions): Promise<number> {
  return onTerminal(options, async (terminal) => {
    const client = await RestClient.open(options);
    const meant = jobAndDirectory(job, options.withSavepoint);
    if (meant === undefined) throw missingArgument('the job', 'tidemark cancel <job>');
    const { jid } = await findJob(client, meant.job);
    if (options.withSavepoint === undefined) {
      terminal.say(`Cancelling job ${jid}.`);
      await client.patch(`/jobs/${jid}?mode=cancel`);
      terminal.say(`Cancelled job ${jid}.`);
      terminal.answer({ jobId: jid });
      return EXIT.done;
    }
    const { directory } = meant;
    const where = directory === undefined ? 'the default directory' : directory;
    terminal.say(`Cancelling job ${jid} with CANONICAL savepoint to ${where}.`);
    const triggerId = newTriggerId();
    await client.post(`/jobs/${jid}/savepoints`, {
      'target-directory': directory ?? null,
      'cancel-job': true,
      formatType: 'CANONICAL',
      triggerId,
      ...notesOf({}),
    });
    const { location } = await waitFor(client, savepointOf(jid, triggerId), terminal);
    terminal.say(`Cancelled job ${jid}. Savepoint stored in ${location ?? ''}.`);
    terminal.answer({ jobId: jid, requestId: triggerId, path: location });
    return EXIT.done;
  });
}

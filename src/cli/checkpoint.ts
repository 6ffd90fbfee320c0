import { EXIT } from './exit-codes.ts';
import { findJob } from './find-job.ts';
import { newTriggerId, waitFor } from './operation.ts';
import { RestClient, type ServiceOption } from './rest-client.ts';
import { onTerminal, type JsonOption } from './terminal.ts';

export interface CheckpointOptions extends ServiceOption, JsonOption {
  readonly full?: boolean;
  /** Waits for an operation that another command began. */
  readonly attach?: string;
}

/** `tidemark checkpoint`: takes a checkpoint now. */
export function checkpointCommand(job: string, options: CheckpointOptions): Promise<number> {
  return onTerminal(options, async (terminal) => {
    const client = await RestClient.open(options);
    const { jid } = await findJob(client, job);
    const checkpointType = options.full === true ? 'FULL' : 'CONFIGURED';
    const triggerId = options.attach ?? newTriggerId();
    if (options.attach === undefined) {
      terminal.say(`Triggering ${checkpointType} checkpoint for job ${jid}.`);
      await client.post(`/jobs/${jid}/checkpoints`, { checkpointType, triggerId });
    }
    terminal.say('Waiting for response...');
    const operation = {
      what: 'checkpoint',
      path: `/jobs/${jid}/checkpoints/${triggerId}`,
      attach: `tidemark checkpoint ${jid} --attach ${triggerId}`,
      jobId: jid,
    };
    const { checkpointId } = await waitFor(client, operation, terminal);
    terminal.say(`Checkpoint(${checkpointType}) ${checkpointId ?? ''} for job ${jid} completed.`);
    terminal.answer({ jobId: jid, requestId: triggerId, checkpointId });
    return EXIT.done;
  });
}

import { hostname, userInfo } from 'node:os';
import { missingArgument } from './cli-errors.ts';
import { EXIT } from './exit-codes.ts';
import { findJob } from './find-job.ts';
import { newTriggerId, waitFor } from './operation.ts';
import { RestClient, type ServiceOption } from './rest-client.ts';
import { onTerminal, type JsonOption, type Terminal } from './terminal.ts';

/** What a savepoint keeps of who made it and what for. */
export interface NoteOptions {
  readonly label?: string;
  readonly why?: string;
  readonly pin?: boolean;
}

export interface SavepointOptions extends ServiceOption, JsonOption, NoteOptions {
  /** A savepoint that is to be removed. */
  readonly dispose?: string;
  readonly detached?: boolean;
  /** Waits for an operation that another command began. */
  readonly attach?: string;
}

/** `tidemark savepoint`: takes a savepoint, or disposes of one. */
export function savepointCommand(
  job: string | undefined,
  directory: string | undefined,
  options: SavepointOptions,
): Promise<number> {
  return onTerminal(options, async (terminal) => {
    const client = await RestClient.open(options);
    if (options.dispose !== undefined) return dispose(client, options.dispose, terminal);
    if (job === undefined) throw missingArgument('the job', 'tidemark savepoint <job> [directory]');
    const { jid } = await findJob(client, job);
    const triggerId = options.attach ?? newTriggerId();
    if (options.attach === undefined) {
      terminal.say(`Triggering savepoint for job ${jid}.`);
      await client.post(`/jobs/${jid}/savepoints`, {
        'target-directory': directory ?? null,
        'cancel-job': false,
        formatType: 'CANONICAL',
        triggerId,
        ...notesOf(options),
      });
    }
    if (options.detached === true) {
      terminal.say(
        `Savepoint request ${triggerId} accepted. To wait for it: ${attachTo(jid, triggerId)}`,
      );
      terminal.answer({ jobId: jid, requestId: triggerId });
      return EXIT.done;
    }
    terminal.say('Waiting for response...');
    const { location } = await waitFor(client, savepointOf(jid, triggerId), terminal);
    terminal.say(`Savepoint completed. Path: ${location ?? ''}`);
    terminal.say('You can resume your program from this savepoint with the run command.');
    terminal.answer({ jobId: jid, requestId: triggerId, path: location });
    return EXIT.done;
  });
}

function attachTo(jobId: string, triggerId: string): string {
  return `tidemark savepoint ${jobId} --attach ${triggerId}`;
}

/** The savepoint that a request has asked for; also the one with which a job stops. */
export function savepointOf(jobId: string, triggerId: string) {
  return {
    what: 'savepoint',
    path: `/jobs/${jobId}/savepoints/${triggerId}`,
    attach: attachTo(jobId, triggerId),
    jobId,
  };
}

/** What is sent beside Flink's fields. */
export function notesOf({ label, why, pin }: NoteOptions): Readonly<Record<string, unknown>> {
  return {
    who: `${userInfo().username}@${hostname()}`,
    ...(label !== undefined && { label }),
    ...(why !== undefined && { why }),
    ...(pin === true && { pin }),
  };
}

async function dispose(client: RestClient, path: string, terminal: Terminal): Promise<number> {
  terminal.say(`Disposing savepoint '${path}'.`);
  terminal.say('Waiting for response...');
  const { 'request-id': id } = await client.post<{ readonly 'request-id': string }>(
    '/savepoint-disposal',
    { 'savepoint-path': path },
  );
  const operation = {
    what: 'disposal',
    path: `/savepoint-disposal/${id}`,
    attach: `tidemark savepoint -d ${path}`,
    jobId: undefined,
  };
  await waitFor(client, operation, terminal);
  terminal.say(`Savepoint '${path}' disposed.`);
  terminal.answer({ disposed: path });
  return EXIT.done;
}

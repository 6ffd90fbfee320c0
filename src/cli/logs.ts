import { sleep, systemClock } from '../common/clock.ts';
import { EngineError } from '../common/errors.ts';
import { missingArgument } from './cli-errors.ts';
import { EXIT } from './exit-codes.ts';
import { findJob, isOver } from './find-job.ts';
import { RestClient, type ServiceOption } from './rest-client.ts';
import { onTerminal, type JsonOption, type Terminal } from './terminal.ts';

export interface LogsOptions extends ServiceOption, JsonOption {
  readonly follow?: boolean;
  readonly lines: string;
}

interface LogPart {
  readonly text: string;
  readonly cursor: string;
  readonly lost: boolean;
  readonly more: boolean;
}

const LOOK_MS = 200;
const LINES_MAX = 100_000;
/** How long a service that does not answer may take to be started again. */
const AWAY_MS_MAX = 30_000;

const EXIT_BY_STATE: Readonly<Record<string, number>> = {
  FINISHED: EXIT.done,
  FAILED: EXIT.failed,
  CANCELED: EXIT.interrupted,
};

/** `tidemark logs`: what a job's code has printed; with `-f` until the job is over. */
export function logsCommand(job: string, options: LogsOptions): Promise<number> {
  return onTerminal(options, async (terminal) => {
    const lines = Number(options.lines);
    if (!Number.isInteger(lines) || lines < 0 || lines > LINES_MAX) {
      throw missingArgument(`a number of lines up to ${LINES_MAX}`, 'tidemark logs -n 100 <job>');
    }
    const client = await RestClient.open(options);
    const jobId = await idOf(client, job);
    let part = await client.get<LogPart>(`/tidemark/jobs/${jobId}/log?lines=${lines}`);
    write(part, terminal);
    if (options.follow !== true) return EXIT.done;
    for (;;) {
      // Asked first: what the job printed before its end is in the log by then.
      const state = await stateOf(options, jobId);
      const rest = state !== 'RUNNING' ? '&over=true' : '';
      do {
        part = await patient(options, (asked) =>
          asked.get<LogPart>(`/tidemark/jobs/${jobId}/log?cursor=${part.cursor}${rest}`),
        );
        write(part, terminal);
      } while (part.more);
      const code = EXIT_BY_STATE[state];
      if (code !== undefined) return code;
      await sleep(systemClock, LOOK_MS);
    }
  });
}

/** A job that ended before the service was started is known by its log alone. */
async function idOf(client: RestClient, job: string): Promise<string> {
  try {
    return (await findJob(client, job)).jid;
  } catch (error) {
    if (!(error instanceof EngineError) || error.code !== 'CLI-022') throw error;
    const { logs } = await client.get<{ readonly logs: readonly { readonly name: string }[] }>(
      '/jobmanager/logs',
    );
    const ids = logs.flatMap(({ name }) => /^job-([0-9a-f]{32})\.log$/.exec(name)?.[1] ?? []);
    const meant = job.length < 4 ? [] : ids.filter((id) => id.startsWith(job.toLowerCase()));
    const [only] = meant;
    if (only === undefined || meant.length > 1) throw error;
    return only;
  }
}

/** Of a job that the service does not list any more nobody knows how it ended. */
async function stateOf(options: ServiceOption, jobId: string): Promise<string> {
  try {
    const job = await patient(options, (client) => findJob(client, jobId));
    return isOver(job) ? job.state : 'RUNNING';
  } catch (error) {
    if (error instanceof EngineError && error.code === 'CLI-022') return 'FINISHED';
    throw error;
  }
}

/** The service may be started again meanwhile. */
async function patient<T>(
  options: ServiceOption,
  ask: (client: RestClient) => Promise<T>,
): Promise<T> {
  const startMs = systemClock.monotonicMs();
  for (;;) {
    try {
      return await ask(await RestClient.open(options));
    } catch (error) {
      const isAway = error instanceof EngineError && error.code === 'CLI-021';
      if (!isAway || systemClock.monotonicMs() - startMs > AWAY_MS_MAX) throw error;
      await sleep(systemClock, LOOK_MS);
    }
  }
}

function write({ text, lost }: LogPart, terminal: Terminal): void {
  if (lost) terminal.say('… lines are gone: they were rotated away before they were read …');
  if (text === '') return;
  if (!terminal.json) {
    process.stdout.write(text);
    return;
  }
  const lines = text.replace(/\n$/, '').split('\n');
  for (const line of lines) terminal.answer({ line });
}

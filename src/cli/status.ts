import pc from 'picocolors';
import { EXIT } from './exit-codes.ts';
import { findJob } from './find-job.ts';
import { isRestored, restoreText, type RestoreProgress } from './restore-text.ts';
import { statusText } from './list.ts';
import { reasonOf, RestClient, type ServiceOption } from './rest-client.ts';
import { tableOf } from './table.ts';
import { onTerminal, type JsonOption, type Terminal } from './terminal.ts';
import { bytesText, countText, durationText, timeText } from './units.ts';

interface Job {
  readonly jid: string;
  readonly name: string;
  readonly state: string;
  readonly 'start-time': number;
  readonly duration: number;
  readonly vertices: readonly Vertex[];
}

interface Vertex {
  readonly name: string;
  readonly parallelism: number;
  readonly status: string;
  readonly tasks: Readonly<Record<string, number>>;
  readonly metrics: {
    readonly 'read-records': number;
    readonly 'write-records': number;
  };
}

interface Exceptions {
  readonly exceptionHistory?: {
    readonly entries?: readonly {
      readonly stacktrace?: string;
      readonly timestamp: number;
      readonly taskName?: string | null;
    }[];
  };
}

interface Checkpoints {
  readonly counts: { readonly completed: number; readonly failed: number };
  readonly latest: {
    readonly completed?: null | {
      readonly id: number;
      readonly state_size: number;
      readonly end_to_end_duration: number;
      readonly external_path?: string;
      readonly latest_ack_timestamp: number;
    };
  };
}

/** What only this service answers; of another one everything may be missing. */
interface Own {
  readonly restore?: RestoreProgress | null;
}

/** `tidemark status`: how a job is, its operators, its last checkpoint and its last failure. */
export function statusCommand(job: string, options: ServiceOption & JsonOption): Promise<number> {
  return onTerminal(options, async (terminal) => {
    const client = await RestClient.open(options);
    const { jid } = await findJob(client, job);
    const [details, checkpoints, exceptions, { restore = null }] = await Promise.all([
      client.get<Job>(`/jobs/${jid}`),
      client.get<Checkpoints>(`/jobs/${jid}/checkpoints`),
      client.get<Exceptions>(`/jobs/${jid}/exceptions?maxExceptions=1`),
      // A Flink cluster has no such thing.
      client.get<Own>(`/jobs/${jid}/tidemark`).catch((): Own => ({})),
    ]);
    terminal.answer({ job: details, checkpoints, exceptions, restore });
    print(terminal, { job: details, checkpoints, exceptions, restore });
    return EXIT.done;
  });
}

interface Shown {
  readonly restore: RestoreProgress | null;
  readonly job: Job;
  readonly checkpoints: Checkpoints;
  readonly exceptions: Exceptions;
}

function print(terminal: Terminal, { job, checkpoints, exceptions, restore }: Shown): void {
  const { counts, latest } = checkpoints;
  const { exceptionHistory } = exceptions;
  const { name, state, jid, duration, vertices } = job;
  terminal.say(`${pc.bold(name)}  ${statusText(state)}  ${pc.dim(jid)}`);
  terminal.say(`Started      ${timeText(job['start-time'])}, ${durationText(duration)} ago`);
  terminal.say(`Checkpoints  ${counts.completed} completed, ${counts.failed} failed`);
  if (latest.completed) {
    const { id, state_size: bytes, end_to_end_duration: tookMs, external_path } = latest.completed;
    terminal.say(
      `Latest       ${id}: ${bytesText(bytes)} in ${durationText(tookMs)} ${pc.dim(external_path ?? '')}`,
    );
  }
  if (restore !== null && !isRestored(restore))
    terminal.say(`Restoring    ${restoreText(restore)}`);
  const [failure] = exceptionHistory?.entries ?? [];
  if (failure !== undefined) {
    const where = failure.taskName ? ` in ${failure.taskName}` : '';
    const why = reasonOf(failure.stacktrace ?? '');
    terminal.say(pc.red(`Last failure ${timeText(failure.timestamp)}${where}: ${why}`));
  }
  const rows = vertices.map(({ name: vertex, parallelism, status, tasks, metrics }) => [
    vertex,
    statusText(status),
    `${tasks['RUNNING'] ?? 0}/${parallelism}`,
    countText(metrics['read-records']),
    countText(metrics['write-records']),
  ]);
  terminal.say('');
  for (const line of tableOf(COLUMNS, rows)) terminal.say(line);
}

const COLUMNS = [
  { title: 'OPERATORS' },
  { title: 'STATUS' },
  { title: 'RUNNING', right: true },
  { title: 'RECORDS IN', right: true },
  { title: 'RECORDS OUT', right: true },
];

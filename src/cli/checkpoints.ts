import pc from 'picocolors';
import { EXIT } from './exit-codes.ts';
import { findJob } from './find-job.ts';
import { RestClient, type ServiceOption } from './rest-client.ts';
import { tableOf } from './table.ts';
import { onTerminal, type JsonOption } from './terminal.ts';
import { bytesText, durationText, timeText } from './units.ts';

interface Statistics {
  readonly id: number;
  readonly status: string;
  readonly is_savepoint: boolean;
  readonly trigger_timestamp: number;
  readonly end_to_end_duration: number;
  readonly checkpointed_size: number;
  readonly state_size: number;
  readonly num_subtasks: number;
  readonly num_acknowledged_subtasks: number;
  readonly external_path?: string;
  readonly failure_message?: string;
}

interface Checkpoints {
  readonly counts: Readonly<
    Record<'restored' | 'total' | 'in_progress' | 'completed' | 'failed', number>
  >;
  readonly latest: {
    readonly restored?: null | {
      readonly id: number;
      readonly external_path?: string;
      readonly restore_timestamp: number;
    };
  };
  readonly history: readonly Statistics[];
}

/** `tidemark checkpoints`: the last checkpoints and savepoints of a job. */
export function checkpointsCommand(
  job: string,
  options: ServiceOption & JsonOption,
): Promise<number> {
  return onTerminal(options, async (terminal) => {
    const client = await RestClient.open(options);
    const { jid, name } = await findJob(client, job);
    const found = await client.get<Checkpoints>(`/jobs/${jid}/checkpoints`);
    terminal.answer({ jobId: jid, ...found });
    const { counts, latest, history } = found;
    terminal.say(
      `${pc.bold(name)}: ${counts.completed} completed, ${counts.failed} failed, ${counts.in_progress} under way`,
    );
    if (latest.restored) {
      const { id, external_path: path, restore_timestamp: atMs } = latest.restored;
      terminal.say(`Restored ${timeText(atMs)} from checkpoint ${id} ${pc.dim(path ?? '')}`);
    }
    if (history.length === 0) return EXIT.done;
    for (const line of tableOf(COLUMNS, history.map(rowOf))) terminal.say(line);
    return EXIT.done;
  });
}

const COLUMNS = [
  { title: 'ID', right: true },
  { title: 'KIND' },
  { title: 'STATUS' },
  { title: 'TRIGGERED' },
  { title: 'TOOK', right: true },
  { title: 'WRITTEN', right: true },
  { title: 'STATE', right: true },
  { title: 'ACKNOWLEDGED', right: true },
  { title: 'PATH' },
];

function rowOf(one: Statistics): readonly string[] {
  const colour =
    one.status === 'COMPLETED' ? pc.green : one.status === 'FAILED' ? pc.red : pc.yellow;
  return [
    String(one.id),
    one.is_savepoint ? 'savepoint' : 'checkpoint',
    colour(one.status),
    timeText(one.trigger_timestamp),
    durationText(one.end_to_end_duration),
    bytesText(one.checkpointed_size),
    bytesText(one.state_size),
    `${one.num_acknowledged_subtasks}/${one.num_subtasks}`,
    one.external_path ?? one.failure_message ?? '',
  ];
}

/** The commands for dead letters, as commander knows them. They need no service. */
import { InvalidArgumentError, type Command } from 'commander';
import type { DlqListOptions } from './dlq-list.ts';
import type { DlqReplayOptions } from './dlq-replay.ts';
import type { DlqShowOptions } from './dlq-show.ts';
import { ofCatalog } from './iceberg-commands.ts';
import { collect } from './snapshot-commands.ts';

const PLACE =
  'where env.deadLetters() is written: a folder, kafka://host:port/topic, or a table of the catalog that --warehouse or --uri names';
const LIMIT = 1_000;

export function addDeadLetterCommands(program: Command): void {
  const dlq = program.command('dlq').description('look at dead letters, and replay them');
  filtered(ofPlace(dlq.command('list')))
    .description('count dead letters by operator and reason')
    .option('--ids', 'a line for each letter instead, oldest first')
    .option('--limit <n>', 'of these lines at most so many', count, LIMIT)
    .option('--skip <n>', 'of these lines not the first ones', count, 0)
    .action(async (place: string, options: DlqListOptions) => {
      const { dlqListCommand } = await import('./dlq-list.ts');
      process.exitCode = await dlqListCommand(place, options);
    });
  ofPlace(dlq.command('show'))
    .description('show one dead letter: the reason, the place, the record')
    .argument('<id>', 'its id, or the end of it')
    .option('--json', 'print the answer as JSON lines, for programs')
    .action(async (place: string, id: string, options: DlqShowOptions) => {
      const { dlqShowCommand } = await import('./dlq-show.ts');
      process.exitCode = await dlqShowCommand(place, id, options);
    });
  filtered(ofPlace(dlq.command('replay')))
    .description(
      'let dead letters enter their operators again, each once however often it is repeated; with a job, run it then',
    )
    .argument('[job]', "the repaired job's module: it is checked for a way back, and run")
    .argument('[arguments...]', "the job's own settings, after --")
    .option('--dry-run', 'say what would be replayed, and change nothing')
    .option('-D <key=value>', "a setting by Flink's key, for the job", collect, [])
    .option('--config <path>', "Flink's config.yaml or flink-conf.yaml, or the folder it is in")
    .option('-p, --parallelism <n>', 'subtasks of each operator of the job')
    .option('-s, --fromSavepoint <path>', 'restore the job from this checkpoint or savepoint')
    .action(
      async (
        place: string,
        job: string | undefined,
        rest: readonly string[],
        options: DlqReplayOptions,
      ) => {
        const { dlqReplayCommand } = await import('./dlq-replay.ts');
        process.exitCode = await dlqReplayCommand({ place, job, rest }, options);
      },
    );
}

function filtered(command: Command): Command {
  return command
    .option('--operator <uid>', 'only those of this operator')
    .option('--error <name>', "only those with this error's class or code")
    .option(
      '--since <time>',
      'only those that failed then or later: 2026-01-31T12:00Z, or 2h ago: 2h',
    )
    .option('--until <time>', 'only those that failed before then')
    .option('--json', 'print the answer as JSON lines, for programs');
}

function ofPlace(command: Command): Command {
  return ofCatalog(command.argument('<place>', PLACE)).option(
    '--command-config <file>',
    'properties of Kafka, such as security.protocol=SASL_SSL',
  );
}

function count(text: string): number {
  const value = Number(text);
  if (!(Number.isSafeInteger(value) && value >= 0)) {
    throw new InvalidArgumentError('It is a whole number.');
  }
  return value;
}

/** The commands that go on from jobs and look after what they leave, as commander knows them. */
import { Option, type Command } from 'commander';
import type { RunArguments } from './run-arguments.ts';
import { collect } from './snapshot-commands.ts';

export function addOperatingCommands(program: Command): void {
  addFork(program);
}

function addFork(program: Command): void {
  withJob(program.command('fork'))
    .description('run a job of its own that begins with the state of another one')
    .argument('<snapshot>', "its folder or URL, or a job's name or id for its latest checkpoint")
    .argument('<file>', "the fork's module, such as job.ts")
    .argument('[arguments...]', "the job's own settings, after --: give it another output")
    .option('--name <name>', "the fork's name; default: the job's, with -fork behind it")
    .option('-d, --detached', 'hand it to the service and return when it runs there')
    .action(
      async (
        snapshot: string,
        file: string,
        rest: readonly string[],
        options: Omit<RunArguments, 'forkOf'>,
      ) => {
        const { forkCommand } = await import('./fork.ts');
        process.exitCode = await forkCommand(snapshot, file, rest, options);
      },
    );
}

/** A command that starts a job. */
function withJob(command: Command): Command {
  return command
    .option('-p, --parallelism <n>', 'subtasks of each operator')
    .option('-n, --allowNonRestoredState', 'drop state that no operator of the job takes')
    .option(
      '-D <key=value>',
      "a setting by Flink's key, such as -D execution.checkpointing.interval=10s",
      collect,
      [],
    )
    .option('--config <path>', "Flink's config.yaml or flink-conf.yaml, or the folder it is in")
    .addOption(new Option('--json', 'print events as JSON lines, for programs'));
}

/** The commands that go on from jobs and look after what they leave, as commander knows them. */
import { Option, type Command } from 'commander';
import type { LogsOptions } from './logs.ts';
import type { RunArguments } from './run-arguments.ts';
import type { PruneOptions } from './savepoints-prune.ts';
import { collect, withSettings, type SharedGroups } from './snapshot-commands.ts';
import type { StorageOptions } from './storage.ts';
import type { UpgradeOptions } from './upgrade.ts';

export function addOperatingCommands(
  program: Command,
  { upgrade, savepoints }: SharedGroups,
): void {
  addUpgrade(upgrade);
  addFork(program);
  addLogs(program);
  addPrune(program, savepoints);
}

function addPrune(program: Command, savepoints: Command): void {
  withSettings(savepoints.command('prune'))
    .description('remove savepoints, and checkpoints of jobs that are over, by the retention rules')
    .argument('[directory]', 'where the savepoints are; default: by the settings')
    .option('--dry-run', 'only show what would go, and why')
    .option('--all', 'show what is kept, too')
    .action(async (directory: string | undefined, options: PruneOptions) => {
      const { pruneCommand } = await import('./savepoints-prune.ts');
      process.exitCode = await pruneCommand(directory, options);
    });
  withSettings(program.command('storage'))
    .description('show how much the checkpoints and savepoints of each job take')
    .action(async (options: StorageOptions) => {
      const { storageCommand } = await import('./storage.ts');
      process.exitCode = await storageCommand(options);
    });
}

function addLogs(program: Command): void {
  program
    .command('logs')
    .description('show what a job of the service has printed')
    .argument('<job>', "the job's id, the beginning of its id, or its name")
    .option('-f, --follow', 'go on until the job is over; the exit code says how it ended')
    .option('-n, --lines <n>', 'how many of the last lines at first', '200')
    .option(
      '-m, --jobmanager <host:port>',
      'the service; default: TIDEMARK_SERVICE, else localhost:8081',
    )
    .option('--json', 'print each line as a JSON line, for programs')
    .action(async (job: string, options: LogsOptions) => {
      const { logsCommand } = await import('./logs.ts');
      process.exitCode = await logsCommand(job, options);
    });
}

function addUpgrade(upgrade: Command): void {
  // What stands behind `check` is for that.
  withJob(upgrade.enablePositionalOptions())
    .description('put a new version of a running job in its place, or the old one back')
    .argument('[file]', "the new version's module, such as job.ts")
    .argument('[job]', "the running job's id, the beginning of its id, or its name")
    .argument('[arguments...]', "the job's own settings, after --")
    .option('--within <duration>', 'so long it may take until its first checkpoint', '60s')
    .option('--dry-run', 'only check; the running job is not touched')
    .option('--savepointPath <directory>', 'where the savepoint goes; default: by the settings')
    .option('--drain', 'end all input before the savepoint: all timers fire, all windows close')
    .option('--label <text>', 'a word for the savepoint; default: pre-deploy')
    .option('--why <text>', 'a sentence to keep with it')
    .option('--attach <upgrade>', 'follow one that an earlier command began')
    .action(
      async (
        file: string | undefined,
        job: string | undefined,
        rest: readonly string[],
        options: UpgradeOptions,
      ) => {
        const { upgradeCommand } = await import('./upgrade.ts');
        process.exitCode = await upgradeCommand(file, job, rest, options);
      },
    );
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

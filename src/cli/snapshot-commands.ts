/** The commands that look into the checkpoint storage, as commander knows them. They need no service. */
import { InvalidArgumentError, type Command } from 'commander';
import type { InspectOptions } from './inspect.ts';
import type { SettingOptions } from './read-settings.ts';
import type { JsonOption } from './terminal.ts';
import type { UpgradeCheckOptions } from './upgrade-check.ts';

const SNAPSHOT = "its folder or URL, or a job's name or id for its latest checkpoint";

export interface SharedGroups {
  readonly upgrade: Command;
  readonly savepoints: Command;
}

/** Returns the groups that other commands join. */
export function addSnapshotCommands(program: Command): SharedGroups {
  withSettings(program.command('inspect'))
    .description('show what a checkpoint or savepoint holds')
    .argument('<snapshot>', SNAPSHOT)
    .option('--state <uid/state>', 'print the entries of this state')
    .option('--key <key>', 'only those of this key')
    .option('--limit <n>', 'how many entries at most', wholeNumber, 20)
    .option('--count', 'count the keys of a large snapshot, too')
    .option('--verify', 'read everything and check all checksums')
    .option('--diff <other>', 'compare it with another snapshot')
    .action(async (snapshot: string, options: InspectOptions) => {
      const { inspectCommand } = await import('./inspect.ts');
      process.exitCode = await inspectCommand(snapshot, options);
    });
  const savepoints = program.command('savepoints');
  withSettings(savepoints.command('list'))
    .description('list the savepoints in a folder')
    .argument('[directory]', 'default: by the settings')
    .action(async (directory: string | undefined, options: SettingOptions & JsonOption) => {
      const { savepointsListCommand } = await import('./savepoints-list.ts');
      process.exitCode = await savepointsListCommand(directory, options);
    });
  const upgrade = program.command('upgrade');
  withSettings(upgrade.command('check'))
    .description('tell whether a job can go on from a snapshot; changes nothing')
    .argument('<file>', "the new job's module, such as job.ts")
    .argument('<snapshot>', SNAPSHOT)
    .argument('[arguments...]', "the job's own settings, after --")
    .option('-p, --parallelism <n>', 'subtasks of each operator')
    .option('-n, --allowNonRestoredState', 'drop state that no operator of the job takes')
    .action(
      async (
        file: string,
        snapshot: string,
        rest: readonly string[],
        options: UpgradeCheckOptions,
      ) => {
        const { upgradeCheckCommand } = await import('./upgrade-check.ts');
        process.exitCode = await upgradeCheckCommand(file, snapshot, rest, options);
      },
    );
  withSettings(program.command('doctor'))
    .description(
      'tell whether this machine can run jobs with these settings, and what to do if not',
    )
    .action(async (options: SettingOptions & JsonOption) => {
      const { doctorCommand } = await import('./doctor.ts');
      process.exitCode = await doctorCommand(options);
    });
  describeGroups(program);
  return { upgrade, savepoints };
}

function describeGroups(program: Command): void {
  const about = { savepoints: 'list savepoints, and remove what the rules let go' };
  for (const command of program.commands) {
    const text = (about as Readonly<Record<string, string>>)[command.name()];
    if (text !== undefined) command.description(text);
  }
}

export function withSettings(command: Command): Command {
  return command
    .option(
      '-D <key=value>',
      "a setting by Flink's key, such as -D state.checkpoints.dir=…",
      collect,
      [],
    )
    .option('--config <path>', "Flink's config.yaml or flink-conf.yaml, or the folder it is in")
    .option('--json', 'print the answer as JSON lines, for programs');
}

/** Gathers an option that may be given several times. */
export function collect(value: string, before: readonly string[]): readonly string[] {
  return [...before, value];
}

function wholeNumber(text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new InvalidArgumentError('Give a whole number above 0, such as 20.');
}

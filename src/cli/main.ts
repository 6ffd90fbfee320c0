/**
 * The command line's entry: bin/tidemark.mjs imports it, with the arguments in process.argv. It
 * knows the commands' names and options; what a command needs is loaded when it runs.
 */
import { Argument, Command, CommanderError, Option } from 'commander';
import { unansweredCalls } from '../common/unanswered-calls.ts';
import { addClientCommands } from './client-commands.ts';
import { completionScript, SHELLS, type Shell } from './completion.ts';
import { EXIT } from './exit-codes.ts';
import { addDeadLetterCommands } from './dlq-commands.ts';
import { withFlinkSpellings } from './flink-spellings.ts';
import { addIcebergCommands } from './iceberg-commands.ts';
import type { InitArguments } from './init.ts';
import { addOperatingCommands } from './operating-commands.ts';
import type { RunArguments } from './run-arguments.ts';
import { addRollbackCommand } from './rollback-command.ts';
import { addSnapshotCommands, collect } from './snapshot-commands.ts';
import type { ServiceArguments } from './service.ts';

const program = new Command('tidemark')
  .description('Stateful stream processing for TypeScript.')
  .showHelpAfterError('Run tidemark --help for all commands.')
  // So that `upgrade check` gets its options, and not `upgrade`.
  .enablePositionalOptions()
  .exitOverride();

program
  .command('run')
  .description(
    'run a job in this process until it ends, or, with -d, in the service; what follows -- goes to the job',
  )
  .argument('<file>', "the job's module, such as job.ts")
  .argument('[arguments...]', "the job's own settings, after --; -- --help lists them")
  .option('-d, --detached', 'hand it to the service and return when it runs there')
  .option('-p, --parallelism <n>', 'subtasks of each operator')
  .option(
    '-s, --fromSavepoint <path>',
    'restore this checkpoint or savepoint, or the newest one: latest, or DIR/savepoint-latest',
  )
  .addOption(
    new Option(
      '--claimMode <mode>',
      "whose the restored snapshot is from now on: the job's (CLAIM), or yours (NO_CLAIM, the default)",
    ).choices(['CLAIM', 'NO_CLAIM']),
  )
  .option('--fresh', 'start without state, whatever is there')
  .option('--name <name>', "the job's name, instead of that in its code")
  .option('-n, --allowNonRestoredState', 'drop state that no operator of the job takes')
  .option(
    '-D <key=value>',
    "a setting by Flink's key, such as -D execution.checkpointing.interval=10s",
    collect,
    [],
  )
  .option('--config <path>', "Flink's config.yaml or flink-conf.yaml, or the folder it is in")
  .option('--settings', 'print the settings and where each comes from, and run nothing')
  .addOption(new Option('--json', 'print events as JSON lines, for programs'))
  .action(async (file: string, rest: string[], options: RunArguments) => {
    if (options.detached === true) {
      const { runDetachedCommand } = await import('./run-detached.ts');
      process.exitCode = await runDetachedCommand(file, rest, options);
      return;
    }
    const { runCommand } = await import('./run.ts');
    process.exitCode = await runCommand(file, rest, options);
  });

program
  .command('init')
  .description('write a new project that runs at once')
  .argument('<folder>', 'a folder that is new or empty')
  .addOption(new Option('--json', 'print what was made as a JSON line, for programs'))
  .action(async (folder: string, options: InitArguments) => {
    const { initCommand } = await import('./init.ts');
    process.exitCode = await initCommand(folder, options);
  });

addClientCommands(program);
const shared = addSnapshotCommands(program);
addOperatingCommands(program, shared);
addDeadLetterCommands(program);
addRollbackCommand(program);
addIcebergCommands(program);
addServiceCommands();

function addServiceCommands(): void {
  const service = program
    .command('service')
    .description('a JobManager that runs many jobs and brings them back after a restart');
  const subcommand = (name: string, text: string): Command =>
    service
      .command(name)
      .description(text)
      .option('--data <folder>', 'its data folder; default: TIDEMARK_HOME, else ~/.tidemark')
      .addOption(new Option('--json', 'print what happened as a JSON line, for programs'));
  const withSettings = (command: Command): Command =>
    command
      .option('-D <key=value>', "a setting by Flink's key", collect, [])
      .option('--config <path>', "Flink's config.yaml or flink-conf.yaml, or its folder")
      .option(
        '--standby',
        'wait for its turn while another one leads; as high-availability.type LEASE',
      );
  withSettings(subcommand('run', 'run the service in this process, until a signal ends it')).action(
    async (options: ServiceArguments) => {
      const { serviceRunCommand } = await import('./service.ts');
      process.exitCode = await serviceRunCommand(options);
    },
  );
  withSettings(subcommand('start', 'start the service in the background')).action(
    async (options: ServiceArguments) => {
      const { serviceStartCommand } = await import('./service.ts');
      process.exitCode = await serviceStartCommand(options);
    },
  );
  subcommand('stop', 'end the service; its jobs go on at the next start').action(
    async (options: ServiceArguments) => {
      const { serviceStopCommand } = await import('./service.ts');
      process.exitCode = await serviceStopCommand(options);
    },
  );
  subcommand('status', 'say whether the service runs, who leads, and who stands by').action(
    async (options: ServiceArguments) => {
      const { serviceStatusCommand } = await import('./service.ts');
      process.exitCode = await serviceStatusCommand(options);
    },
  );
}

program
  .command('completion')
  .description(
    'print a script that makes a shell complete commands, such as source <(tidemark completion bash)',
  )
  .addArgument(new Argument('<shell>', 'whose script').choices(SHELLS))
  .action((shell: Shell) => {
    process.stdout.write(completionScript(shell));
  });

// What those scripts ask.
program
  .command('complete', { hidden: true })
  .argument('[words...]')
  .action(async (words: string[]) => {
    const { completeCommand } = await import('./complete.ts');
    process.stdout.write(await completeCommand(program, words));
    // A service that does not answer is not waited for.
    process.exit(EXIT.done);
  });

try {
  await program.parseAsync(withFlinkSpellings(process.argv.slice(2)), { from: 'user' });
} catch (error) {
  if (!(error instanceof CommanderError)) throw error;
  process.exitCode = error.exitCode === 0 ? EXIT.done : EXIT.refused;
}
// All has been said. Node would wait for calls of the operating system that may never come back.
if (unansweredCalls() > 0) process.kill(process.pid, 'SIGKILL');

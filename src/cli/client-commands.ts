/** The commands that ask a running service, as commander knows them. */
import type { Command } from 'commander';
import type { CancelOptions } from './cancel.ts';
import type { CheckpointOptions } from './checkpoint.ts';
import type { ListOptions } from './list.ts';
import type { ServiceOption } from './rest-client.ts';
import type { SavepointOptions } from './savepoint.ts';
import type { StopOptions } from './stop.ts';
import type { JsonOption } from './terminal.ts';

const JOB = "the job's id, the beginning of its id, or its name";

export function addClientCommands(program: Command): void {
  addReading(program);
  addEnding(program);
  addSnapshots(program);
}

/** What changes nothing. */
function addReading(program: Command): void {
  asked(program, 'list', 'list the jobs of the service')
    .option('-a, --all', 'those that are over, too')
    .option('-r, --running', 'only running ones')
    .option('-s, --scheduled', 'only those that wait for their start')
    .action(async (options: ListOptions) => {
      const { listCommand } = await import('./list.ts');
      process.exitCode = await listCommand(options);
    });
  asked(program, 'status', 'show a job: its operators, its last checkpoint, its last failure')
    .argument('<job>', JOB)
    .action(async (job: string, options: ServiceOption & JsonOption) => {
      const { statusCommand } = await import('./status.ts');
      process.exitCode = await statusCommand(job, options);
    });
  asked(program, 'checkpoints', 'list the last checkpoints and savepoints of a job')
    .argument('<job>', JOB)
    .action(async (job: string, options: ServiceOption & JsonOption) => {
      const { checkpointsCommand } = await import('./checkpoints.ts');
      process.exitCode = await checkpointsCommand(job, options);
    });
}

function addEnding(program: Command): void {
  withNotes(asked(program, 'stop', 'take a savepoint and then end the job'))
    .argument('[job]', JOB)
    .option('-p, --savepointPath [directory]', 'where the savepoint goes; default: by the settings')
    .option('--drain', 'end all input first: all timers fire, all windows close')
    .action(async (job: string | undefined, options: StopOptions) => {
      const { stopCommand } = await import('./stop.ts');
      process.exitCode = await stopCommand(job, options);
    });
  asked(program, 'cancel', 'end a job at once')
    .argument('[job]', JOB)
    .option('-s, --withSavepoint [directory]', 'take a savepoint first; stop is the better way')
    .action(async (job: string | undefined, options: CancelOptions) => {
      const { cancelCommand } = await import('./cancel.ts');
      process.exitCode = await cancelCommand(job, options);
    });
}

function addSnapshots(program: Command): void {
  withNotes(asked(program, 'savepoint', 'take a savepoint of a running job, or remove one'))
    .argument('[job]', JOB)
    .argument('[directory]', 'where it goes; default: by the settings')
    .option('-d, --dispose <path>', 'remove the savepoint at this path instead')
    .option('--detached', 'do not wait for it')
    .option('--attach <request>', 'wait for one that an earlier command began')
    .action(async (job: string | undefined, directory: string | undefined, options: unknown) => {
      const { savepointCommand } = await import('./savepoint.ts');
      process.exitCode = await savepointCommand(job, directory, options as SavepointOptions);
    });
  asked(program, 'checkpoint', 'take a checkpoint of a running job now')
    .argument('<job>', JOB)
    .option('--full', 'write all state, not only what changed')
    .option('--attach <request>', 'wait for one that an earlier command began')
    .action(async (job: string, options: CheckpointOptions) => {
      const { checkpointCommand } = await import('./checkpoint.ts');
      process.exitCode = await checkpointCommand(job, options);
    });
}

/** A command that asks the service. */
function asked(program: Command, name: string, description: string): Command {
  return program
    .command(name)
    .description(description)
    .option(
      '-m, --jobmanager <host:port>',
      'the service; default: TIDEMARK_SERVICE, else localhost:8081',
    )
    .option('--json', 'print the answer as a JSON line, for programs');
}

function withNotes(command: Command): Command {
  return command
    .option('--label <text>', 'a word for the savepoint, such as pre-deploy')
    .option('--why <text>', 'a sentence to keep with it')
    .option('--pin', 'no retention rule removes it');
}

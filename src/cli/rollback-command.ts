/** `tidemark rollback` as commander knows it. */
import { Option, type Command } from 'commander';
import type { RollbackJobOptions } from './rollback.ts';
import { collect } from './snapshot-commands.ts';

export function addRollbackCommand(program: Command): void {
  program
    .command('rollback')
    .description(
      'put a job back to what it was before a moment, with what it has written since, and run it from there',
    )
    .argument(
      '<job>',
      "the job's module, such as job.ts, a repaired one; or the id, its beginning, or the name of a job of the service, which is run there again as it was submitted",
    )
    .argument('[arguments...]', "the job's own settings, after --")
    .requiredOption(
      '--before <time>',
      'its last checkpoint that was complete then: 2026-01-31T12:00Z, or 2h ago: 2h',
    )
    .option('--dry-run', 'say what would be done, and do nothing')
    .option('--cancel', 'cancel the job if it runs')
    .option('--leave <uid>', 'a sink whose output stays as it is', collect, [])
    .option('--no-start', 'do not run the job afterwards: tidemark run goes on from there')
    .option('-d, --detached', 'hand the job to the service afterwards')
    .option('--name <name>', "the job's name, instead of that in its code")
    .option('-p, --parallelism <n>', 'subtasks of each operator')
    .option('-n, --allowNonRestoredState', 'drop state that no operator of the job takes')
    .option('-D <key=value>', "a setting by Flink's key", collect, [])
    .option('--config <path>', "Flink's config.yaml or flink-conf.yaml, or the folder it is in")
    .addOption(new Option('--json', 'print the plan and events as JSON lines, for programs'))
    .action(async (job: string, rest: readonly string[], options: RollbackJobOptions) => {
      const { rollbackJobCommand } = await import('./rollback.ts');
      process.exitCode = await rollbackJobCommand(job, rest, options);
    });
}

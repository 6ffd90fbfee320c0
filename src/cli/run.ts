import type { BuiltJob } from '../api/job-definition.ts';
import type { SettingsSchema } from '../settings/job-fields.ts';
import { readAll, type ReadSettings } from './read-settings.ts';
import type { RunArguments } from './run-arguments.ts';

/** Exit codes, by what became of the job; as for shells, 130 is an interrupt. */
const EXIT = { FINISHED: 0, FAILED: 1, CANCELED: 130, SUSPENDED: 130, refused: 2 } as const;

/** `tidemark run`: leads the job from this process until it ends. */
export async function runCommand(
  file: string,
  jobArguments: readonly string[],
  options: RunArguments,
): Promise<number> {
  const { RunReporter } = await import('./run-reporter.ts');
  const reporter = new RunReporter(options.json === true, process.stdout, process.stderr);
  try {
    const read = await readAll(options);
    if (await toldInstead(file, jobArguments, options, read)) return EXIT.FINISHED;
    const { startJob, watchJob } = await import('./start-job.ts');
    const { jobModule, jobUrl } = await import('./load-job-module.ts');
    const url = await jobUrl(file);
    const { flink } = read;
    const job = { module: jobModule(url), arguments: jobArguments, flink };
    const { running, progress } = await startJob(job, reporter, options);
    // What stands behind its `execute` is done here, when the job is over.
    const { loadJobModule } = await import('./load-job-module.ts');
    const program = running.isProgram ? await loadJobModule(file) : undefined;
    const result = await watchJob(running, progress, reporter);
    await program?.over(result);
    return EXIT[result.status];
  } catch (error) {
    reporter.error(error);
    return EXIT.refused;
  }
}

/** True if only something was to be printed: the job's own settings, or all that would be in force. */
async function toldInstead(
  file: string,
  jobArguments: readonly string[],
  options: RunArguments,
  { flink, variables }: ReadSettings,
): Promise<boolean> {
  const isHelp = jobArguments.includes('--help') || jobArguments.includes('-h');
  if (!isHelp && options.settings !== true) return false;
  const { jobSettingsHelp, parseJobSettings, settingsPrefix } =
    await import('../settings/job-settings.ts');
  const { loadJobModule } = await import('./load-job-module.ts');
  const { job } = await loadJobModule(file);
  const schema = job.settingsSchema as SettingsSchema<unknown> | undefined;
  const prefix = settingsPrefix(job.name);
  if (isHelp) {
    process.stdout.write(`${jobSettingsHelp(schema, prefix)}\n`);
    return true;
  }
  const settings = parseJobSettings(schema, prefix, { args: jobArguments, env: variables });
  await printSettings(job.build(settings, flink), options.json === true);
  return true;
}

async function printSettings({ config }: BuiltJob, json: boolean): Promise<void> {
  const { settingsSummary, settingsTable } = await import('../settings/summary.ts');
  if (json) {
    const document = { settings: settingsSummary(config), warnings: config.warnings };
    process.stdout.write(`${JSON.stringify(document)}\n`);
    return;
  }
  process.stdout.write(`${settingsTable(config)}\n`);
  for (const warning of config.warnings) process.stderr.write(`Warning: ${warning}\n`);
}

import type { BuiltJob } from '../api/job-definition.ts';
import type { RunningJob } from '../cluster/run-job.ts';
import type { SettingsSchema } from '../settings/job-fields.ts';
import type { LoadedJob } from './load-job-module.ts';
import type { RunArguments } from './run-arguments.ts';
import type { JobToStart } from './start-job.ts';

/** Exit codes, by what became of the job; as for shells, 130 is an interrupt. */
const EXIT = { FINISHED: 0, FAILED: 1, CANCELED: 130, refused: 2 } as const;

/** `tidemark run`: imports the job's module and runs it in this process until it ends. */
export async function runCommand(
  file: string,
  jobArguments: readonly string[],
  options: RunArguments,
): Promise<number> {
  const { RunReporter } = await import('./run-reporter.ts');
  const { startJob, watchJob } = await import('./start-job.ts');
  const reporter = new RunReporter(options.json === true, process.stdout, process.stderr);
  let prepared: Prepared;
  let running: RunningJob;
  try {
    prepared = await prepare(file, jobArguments, options);
    if (prepared.kind === 'told') return EXIT.FINISHED;
    running = await startJob(prepared, reporter, options);
  } catch (error) {
    reporter.error(error);
    return EXIT.refused;
  }
  const result = await watchJob(running, reporter);
  await prepared.loaded.over(result);
  return EXIT[result.status];
}

type Prepared =
  /** What was asked for has been printed; there is nothing to run. */
  { readonly kind: 'told' } | ({ readonly kind: 'job'; readonly loaded: LoadedJob } & JobToStart);

/** Reads the settings, loads the job and describes it. */
async function prepare(
  file: string,
  jobArguments: readonly string[],
  options: RunArguments,
): Promise<Prepared> {
  const { dynamicProperties } = await import('../settings/parse-settings.ts');
  const { handDown, readSettings } = await import('../settings/process-settings.ts');
  const { jobSettingsHelp, parseJobSettings, settingsPrefix } =
    await import('../settings/job-settings.ts');
  const { loadJobModule } = await import('./load-job-module.ts');
  const dynamic = { ...dynamicProperties(options.D) };
  if (options.parallelism !== undefined) dynamic['parallelism.default'] = options.parallelism;
  const sources = { env: process.env, cwd: process.cwd(), configPath: options.config, dynamic };
  const { flink, variables } = readSettings(sources);
  handDown(flink, variables);
  const loaded = await loadJobModule(file);
  const { job, module } = loaded;
  const schema = job.settingsSchema as SettingsSchema<unknown> | undefined;
  const prefix = settingsPrefix(job.name);
  if (jobArguments.includes('--help') || jobArguments.includes('-h')) {
    process.stdout.write(`${jobSettingsHelp(schema, prefix)}\n`);
    return { kind: 'told' };
  }
  const settings = parseJobSettings(schema, prefix, { args: jobArguments, env: variables });
  const built = job.build(settings, flink);
  if (options.settings !== true) return { kind: 'job', loaded, built, module, settings, flink };
  await printSettings(built, options.json === true);
  return { kind: 'told' };
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

import { fileURLToPath } from 'node:url';
import type { JobSubmission } from '../cluster/dispatcher/cluster.ts';
import type { StreamGraph } from '../graph/operator-spec.ts';
import type { FlinkSettings } from '../settings/flink-settings.ts';
import type { BlobStore } from '../storage/blob-store.ts';
import { noSuchJobOrFile } from './cli-errors.ts';
import { EXIT } from './exit-codes.ts';
import { readAll } from './read-settings.ts';
import type { RunArguments } from './run-arguments.ts';
import { onTerminal } from './terminal.ts';

/** A job's graph and where its checkpoints are. */
export interface JobToRollBack {
  readonly graph: StreamGraph;
  readonly store: BlobStore;
  readonly openStore: (url: string) => BlobStore;
  /** Of a job of the service. */
  readonly submission: JobSubmission | undefined;
}

/** As the service answers. */
interface Submitted extends JobSubmission {
  readonly jobName: string;
  readonly storageUrl: string;
}

/**
 * @param given A module's path, or what names a job of the service.
 * @param rest The job's own settings; of a job of the service those that it was submitted with, unless some are given.
 * @throws {EngineError} `CLI-052` (`invalid`) if it is neither, `CLI-023` if several jobs are meant.
 */
export async function jobToRollBack(
  given: string,
  rest: readonly string[],
  options: RunArguments,
): Promise<JobToRollBack> {
  const { statSync } = await import('node:fs');
  // A folder may well have the name of a job.
  if (statSync(given, { throwIfNoEntry: false })?.isFile() === true) {
    const { flink, variables } = await readAll(options);
    return load({ file: given, rest, flink, variables, folder: process.cwd(), name: options.name });
  }
  const submitted = await submissionOf(given);
  // Relative paths of the job, its `.env` and what its code reads are those of the folder it was submitted from.
  process.chdir(submitted.folder);
  const { flink: own, variables } = await readAll(options);
  const { withSecretsOf } = await import('../cluster/dispatcher/job-record.ts');
  const known = withSecretsOf(submitted, own);
  const submission: JobSubmission = {
    ...known,
    flink: withDynamic(known.flink, own),
    arguments: rest.length > 0 ? rest : submitted.arguments,
    name: submitted.jobName,
  };
  const { module, arguments: args, flink, folder, name } = submission;
  const job = await load({
    file: fileURLToPath(module),
    rest: args,
    flink,
    variables,
    folder,
    name,
  });
  return { ...job, store: job.openStore(submitted.storageUrl), submission };
}

/** What the command line says now, by `-D` and `-p`, goes before what was submitted. */
function withDynamic(submitted: FlinkSettings, own: FlinkSettings): FlinkSettings {
  const said = Object.entries(own.origins).flatMap(([name, { kind }]) =>
    kind === 'dynamic' ? [name as keyof FlinkSettings['origins']] : [],
  );
  return {
    ...submitted,
    ...(Object.fromEntries(said.map((name) => [name, own[name]])) as Partial<FlinkSettings>),
    origins: {
      ...submitted.origins,
      ...Object.fromEntries(said.map((name) => [name, own.origins[name]])),
    },
  };
}

async function submissionOf(given: string): Promise<Submitted> {
  const { RestClient } = await import('./rest-client.ts');
  const { allJobs, jobMeant } = await import('./find-job.ts');
  const client = await RestClient.ofThisUser();
  if (client === undefined) throw noSuchJobOrFile(given, 'no service runs');
  const jobs = await allJobs(client);
  try {
    const { jid } = jobMeant(jobs, given);
    return await client.get<Submitted>(`/tidemark/jobs/${jid}/submission`);
  } catch (error) {
    const { EngineError } = await import('../common/errors.ts');
    if (error instanceof EngineError && error.code === 'CLI-022') {
      const known = jobs.map(({ name, jid }) => `${name} (${jid})`).join(', ');
      throw noSuchJobOrFile(given, known === '' ? 'the service has no jobs' : known);
    }
    throw error;
  }
}

interface LoadOptions {
  readonly file: string;
  readonly rest: readonly string[];
  readonly flink: FlinkSettings;
  readonly variables: Readonly<Record<string, string | undefined>>;
  readonly folder: string;
  readonly name: string | undefined;
}

async function load(options: LoadOptions): Promise<JobToRollBack> {
  const { file, rest, flink, variables, folder, name } = options;
  const { loadJobModule } = await import('./load-job-module.ts');
  const { parseJobSettings, settingsPrefix } = await import('../settings/job-settings.ts');
  const { job } = await loadJobModule(file);
  const own = parseJobSettings(job.settingsSchema as never, settingsPrefix(job.name), {
    args: rest,
    env: variables,
  });
  const { graph, config } = job.build(own, flink);
  const { absolute, checkpointUrl, storeOpenerOf } = await import('./open-snapshot.ts');
  const openStore = await storeOpenerOf(config);
  const open = (url: string) => openStore(absolute(url, folder));
  return {
    graph: name === undefined ? graph : { ...graph, jobName: name },
    store: open(checkpointUrl({ flink: config, folder })),
    openStore: open,
    submission: undefined,
  };
}

/** Hands a job that was rolled back to the service, as it was submitted before. */
export function runAgain(submission: JobSubmission, options: RunArguments): Promise<number> {
  return onTerminal(options, async (terminal) => {
    const { serviceForJobs } = await import('./run-detached.ts');
    const client = await serviceForJobs();
    const { module, folder, arguments: args, flink, name } = submission;
    const { jobId, jobName, startMessages } = await client.post<{
      readonly jobId: string;
      readonly jobName: string;
      readonly startMessages: readonly string[];
    }>('/tidemark/jobs', {
      ...{ module, folder, arguments: args, flink, name },
      allowNonRestoredState: options.allowNonRestoredState === true,
    });
    for (const message of startMessages) terminal.say(message);
    terminal.say(`Job has been submitted with JobID ${jobId}`);
    terminal.answer({ jobId, jobName, startMessages });
    return EXIT.done;
  });
}

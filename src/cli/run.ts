import path from 'node:path';
import { pathToFileURL } from 'node:url';
import type { JobEvent, JobResult } from '../cluster/job-events.ts';
import type { StartFrom } from '../cluster/job-store.ts';
import type { RunningJob } from '../cluster/lead-job.ts';
import type { RunArguments } from './run-arguments.ts';
import type { RunReporter } from './run-reporter.ts';

/** Exit codes, by what became of the job; as for shells, 130 is an interrupt. */
const EXIT = { FINISHED: 0, FAILED: 1, CANCELED: 130, refused: 2 } as const;

/** How often progress is reported. */
const PROGRESS_MS = 200;
/** How often it is looked whether the first record has come. */
const FIRST_RECORD_MS = 5;

/** `tidemark run`: imports the job's module and runs it in this process until it ends. */
export async function runCommand(
  file: string,
  jobArguments: readonly string[],
  options: RunArguments,
): Promise<number> {
  const { RunReporter } = await import('./run-reporter.ts');
  const reporter = new RunReporter(options.json === true, process.stdout, process.stderr);
  let running: RunningJob;
  const progress = new ProgressWatch(reporter);
  try {
    running = await start(file, jobArguments, options, (event) => {
      reporter.event(event);
      if (event.kind === 'restarted') progress.lookSoon();
    });
  } catch (error) {
    reporter.error(error);
    return EXIT.refused;
  }
  await progress.watch(running);
  const stopSignals = cancelOnSignals(running, reporter);
  const result: JobResult = await running.done;
  progress.stop();
  stopSignals();
  reporter.result(result);
  return EXIT[result.status];
}

async function start(
  file: string,
  jobArguments: readonly string[],
  options: RunArguments,
  emit: (event: JobEvent) => void,
): Promise<RunningJob> {
  const { dynamicProperties, parseSettings } = await import('../settings/parse-settings.ts');
  const { defaultWorld } = await import('../cluster/run-job.ts');
  const { runInCluster } = await import('../cluster/run-in-cluster.ts');
  const dynamic = { ...dynamicProperties(options.D) };
  if (options.parallelism !== undefined) dynamic['parallelism.default'] = options.parallelism;
  const debug = (process.env['TIDEMARK_DEBUG'] ?? '').split(',');
  return runInCluster({
    module: await moduleOf(file),
    arguments: jobArguments,
    flink: parseSettings({ env: process.env, dynamic }),
    world: defaultWorld,
    dataFolder: path.resolve('.tidemark'),
    from: startFrom(options),
    allowNonRestoredState: options.allowNonRestoredState === true,
    emit,
    debugCodegen: debug.includes('codegen'),
  });
}

function startFrom(options: RunArguments): StartFrom {
  if (options.fresh === true) return { kind: 'fresh' };
  if (options.fromSavepoint === undefined) return { kind: 'resume' };
  return { kind: 'snapshot', path: options.fromSavepoint };
}

/** @throws {EngineError} `CLI-001` (`invalid`) if there is no such module. */
async function moduleOf(file: string): Promise<string> {
  const { EngineError } = await import('../common/errors.ts');
  const { existsSync } = await import('node:fs');
  const full = path.resolve(file);
  if (existsSync(full)) return pathToFileURL(full).href;
  throw new EngineError('CLI-001', 'invalid', 'there is no such job file', {
    details: { file: full },
    hint: 'Give the path of a module whose default export is defineJob(…), such as job.ts.',
  });
}

/** Reports at once when the first record comes, also the first one after a restart, then at intervals. */
class ProgressWatch {
  readonly #reporter: RunReporter;
  #look: (() => void) | undefined;
  #cancel: (() => void) | undefined;

  constructor(reporter: RunReporter) {
    this.#reporter = reporter;
  }

  async watch(running: RunningJob): Promise<void> {
    const { systemClock } = await import('../common/clock.ts');
    this.#look = () => {
      const read = running.recordsRead();
      if (read > 0) this.#reporter.progress(read);
      this.#cancel = systemClock.after(read > 0 ? PROGRESS_MS : FIRST_RECORD_MS, () => {
        this.#look?.();
      });
    };
    this.#look();
  }

  /** Counts begin anew. */
  lookSoon(): void {
    this.#cancel?.();
    this.#look?.();
  }

  stop(): void {
    this.#cancel?.();
    this.#look = undefined;
  }
}

/** The first signal cancels the job and keeps its checkpoint, the second ends the process. */
function cancelOnSignals(running: RunningJob, reporter: RunReporter): () => void {
  let asked = false;
  const onSignal = (): void => {
    if (asked) process.exit(EXIT.CANCELED);
    asked = true;
    reporter.say('Cancelling; once more ends the process at once.');
    running.cancel();
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  return () => {
    process.off('SIGINT', onSignal);
    process.off('SIGTERM', onSignal);
  };
}

import path from 'node:path';
import type { BuiltJob } from '../api/job-definition.ts';
import type { JobResult } from '../cluster/job-events.ts';
import type { StartFrom } from '../cluster/job-store.ts';
import type { RunningJob } from '../cluster/run-job.ts';
import type { FlinkSettings } from '../settings/flink-settings.ts';
import type { RunArguments } from './run-arguments.ts';
import type { RunReporter } from './run-reporter.ts';

/** How often progress is reported. */
const PROGRESS_MS = 200;
/** How often it is looked whether the first record has come. */
const FIRST_RECORD_MS = 5;

/** Of a signal that ends the process at once, as for shells. */
const INTERRUPTED = 130;

/** A job, and where each of its threads gets it from. */
export interface JobToStart {
  readonly built: BuiltJob;
  readonly module: string;
  readonly settings: unknown;
  readonly flink: FlinkSettings;
}

/** Starts the job in this process, and reports what happens to it. */
export async function startJob(
  { built, module, settings, flink }: JobToStart,
  reporter: RunReporter,
  options: Omit<RunArguments, 'D'>,
): Promise<RunningJob> {
  const { runJob, defaultWorld } = await import('../cluster/run-job.ts');
  const debug = (process.env['TIDEMARK_DEBUG'] ?? '').split(',');
  for (const message of built.config.warnings) reporter.event({ kind: 'warning', message });
  return runJob({
    job: withAbsoluteStorage(built),
    world: defaultWorld,
    dataFolder: path.resolve('.tidemark'),
    from: startFrom(options),
    allowNonRestoredState: options.allowNonRestoredState === true,
    emit: (event) => {
      reporter.event(event);
    },
    slots: { module, settings, flink },
    ...(debug.includes('codegen')
      ? { printChain: (text: string) => process.stderr.write(`${text}\n`) }
      : {}),
  });
}

/** A path is from the working folder; an address stays as it is. */
function withAbsoluteStorage({ graph, config }: BuiltJob): BuiltJob {
  const { checkpointStorage: said } = config;
  if (said === undefined || /^[a-z][a-z0-9+.-]*:/i.test(said)) return { graph, config };
  return { graph, config: { ...config, checkpointStorage: path.resolve(said) } };
}

/** Waits for the job's end: reports progress, and cancels it on a signal. */
export async function watchJob(running: RunningJob, reporter: RunReporter): Promise<JobResult> {
  const stopProgress = await reportProgress(running, reporter);
  const stopSignals = cancelOnSignals(running, reporter);
  const result = await running.done;
  stopProgress();
  stopSignals();
  reporter.result(result);
  return result;
}

function startFrom(options: Omit<RunArguments, 'D'>): StartFrom {
  if (options.fresh === true) return { kind: 'fresh' };
  if (options.fromSavepoint === undefined) return { kind: 'resume' };
  return { kind: 'snapshot', path: options.fromSavepoint };
}

/** Reports at once when the first record comes, then at intervals. */
async function reportProgress(running: RunningJob, reporter: RunReporter): Promise<() => void> {
  const { systemClock } = await import('../common/clock.ts');
  let isOver = false;
  const look = (): void => {
    if (isOver) return;
    const read = running.recordsRead();
    if (read > 0) reporter.progress(read);
    systemClock.after(read > 0 ? PROGRESS_MS : FIRST_RECORD_MS, look);
  };
  look();
  return () => {
    isOver = true;
  };
}

/** The first signal cancels the job and keeps its checkpoint, the second ends the process. */
function cancelOnSignals(running: RunningJob, reporter: RunReporter): () => void {
  let asked = false;
  const onSignal = (): void => {
    if (asked) process.exit(INTERRUPTED);
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

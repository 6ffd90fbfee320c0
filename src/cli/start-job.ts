import path from 'node:path';
import type { JobResult } from '../cluster/job-events.ts';
import type { StartFrom } from '../cluster/start-from.ts';
import type { RunningJob } from '../cluster/lead-job.ts';
import type { RunningInCluster } from '../cluster/run-in-cluster.ts';
import type { FlinkSettings } from '../settings/flink-settings.ts';
import type { RunArguments } from './run-arguments.ts';
import type { RunReporter } from './run-reporter.ts';

/** How often progress is reported. */
const PROGRESS_MS = 200;
/** How often it is looked whether the first record has come. */
const FIRST_RECORD_MS = 5;

/** Of a signal that ends the process at once, as for shells. */
const INTERRUPTED = 130;

export interface JobToStart {
  /** What each thread and process of the job imports: its default export is the job. */
  readonly module: string;
  /** What stands behind `--`. */
  readonly arguments: readonly string[];
  readonly flink: FlinkSettings;
}

export interface StartedJob {
  readonly running: RunningInCluster;
  readonly progress: ProgressWatch;
}

/** Leads the job from this process, and reports what happens to it. */
export async function startJob(
  job: JobToStart,
  reporter: RunReporter,
  options: Omit<RunArguments, 'D'>,
): Promise<StartedJob> {
  const { defaultWorld } = await import('../cluster/run-job.ts');
  const { runInCluster } = await import('../cluster/run-in-cluster.ts');
  const debug = (process.env['TIDEMARK_DEBUG'] ?? '').split(',');
  const progress = new ProgressWatch(reporter);
  const running = await runInCluster({
    ...job,
    world: defaultWorld,
    folder: path.resolve('.'),
    dataFolder: path.resolve('.tidemark'),
    from: startFrom(options),
    name: options.name,
    allowNonRestoredState: options.allowNonRestoredState === true,
    emit: (event) => {
      reporter.event(event);
      if (event.kind === 'restarted') progress.lookSoon();
    },
    debugCodegen: debug.includes('codegen'),
  });
  return { running, progress };
}

/** Waits for the job's end: reports progress, and cancels it on a signal. */
export async function watchJob(
  running: RunningJob,
  progress: ProgressWatch,
  reporter: RunReporter,
): Promise<JobResult> {
  await progress.watch(running);
  const stopSignals = cancelOnSignals(running, reporter);
  const result = await running.done;
  progress.stop();
  stopSignals();
  reporter.result(result);
  return result;
}

function startFrom(options: Omit<RunArguments, 'D'>): StartFrom {
  if (options.fresh === true) return { kind: 'fresh' };
  if (options.forkOf !== undefined) return { kind: 'fork', of: options.forkOf };
  if (options.fromSavepoint === undefined) return { kind: 'resume' };
  const { fromSavepoint: path, claimMode } = options;
  return { kind: 'snapshot', path, ...(claimMode && { claimMode }) };
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
      const restore = running.master.restoreProgress();
      if (restore !== undefined) this.#reporter.restoring(restore);
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

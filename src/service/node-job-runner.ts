import fs from 'node:fs';
import path from 'node:path';
import type { NodeSurroundings } from '../common/node-spawner.ts';
import type { JobRunner, JobToRun } from '../cluster/dispatcher/dispatcher.ts';
import type { JobSubmission } from '../cluster/dispatcher/cluster.ts';
import type { LedElsewhere } from '../cluster/dispatcher/durable-jobs.ts';
import type { CheckedVersion, VersionToCheck } from '../cluster/dispatcher/upgrades.ts';
import type { RunningJob } from '../cluster/lead-job.ts';
import {
  closePrepared,
  prepareJob,
  runInCluster,
  type PreparedJob,
} from '../cluster/run-in-cluster.ts';
import { checkUpgradeInThread } from '../cluster/upgrade/upgrade-thread.ts';
import type { World } from '../contracts/source.ts';
import { variablesOf } from '../settings/process-settings.ts';
import { bundleJob } from './bundle-job.ts';
import type { CodeFolder } from './code-folder.ts';
import { keepNewest, RotatedLog } from './rotated-log.ts';

/** Logs of jobs that are kept, older parts of them too. */
const JOB_LOGS_MAX = 100;

export interface NodeJobRunnerOptions {
  readonly world: World;
  readonly code: CodeFolder;
  /** Data folder of the service. */
  readonly folder: string;
  readonly logFolder: string;
  /** What threads and processes import for a job whose module is at a URL. */
  readonly moduleOf: (url: string) => string;
}

/** A job with all that it needs but its leadership. */
interface Ready {
  readonly module: string;
  readonly output: RotatedLog;
  readonly surroundings: NodeSurroundings;
  readonly prepared: PreparedJob | undefined;
  readonly release: () => void;
}

/** Runs the jobs of a service in threads and processes of this machine. */
export class NodeJobRunner implements JobRunner {
  readonly #options: NodeJobRunnerOptions;
  /** By submission. */
  readonly #warm = new Map<string, Ready & { readonly prepared: PreparedJob }>();

  constructor(options: NodeJobRunnerOptions) {
    this.#options = options;
  }

  bundle({ module }: JobSubmission): Promise<Uint8Array> {
    // What a thread would import may only lead to the job's own module.
    return bundleJob(new URL(module).searchParams.get('job') ?? module);
  }

  /**
   * Loads the code of jobs that another one runs now, so that they go on the sooner when this one is to run
   * them; and lets go of all others that it has loaded.
   */
  keepWarm(jobs: readonly LedElsewhere[]): void {
    const wanted = new Set(jobs.map(({ submissionId }) => submissionId));
    for (const [submissionId, ready] of this.#warm) {
      if (wanted.has(submissionId) && ready.prepared.coordinators.isAlive) continue;
      this.#warm.delete(submissionId);
      void closePrepared(ready.prepared).then(ready.release, ready.release);
    }
    for (const job of jobs) {
      const { submissionId, submission } = job;
      if (this.#warm.has(submissionId)) continue;
      const ready = this.#readyFor(job);
      const { module, surroundings } = ready;
      const { clock } = this.#options.world;
      const { arguments: args, flink } = submission;
      const prepared = prepareJob({ module, clock, surroundings, arguments: args, flink });
      // Its failure is told when the job is to run.
      prepared.described.catch(() => undefined);
      this.#warm.set(submissionId, { ...ready, prepared });
    }
  }

  async check(version: VersionToCheck): Promise<CheckedVersion> {
    const { code, moduleOf } = this.#options;
    const { submission, bundle, storeUrl, snapshot } = version;
    const { arguments: args, flink, allowNonRestoredState, folder } = submission;
    const module = moduleOf(code.use(bundle, version.code));
    const request = { module, arguments: args, flink, storeUrl, snapshot, folder };
    const env = variablesOf(flink, folder, process.env);
    try {
      return await checkUpgradeInThread({ ...request, allowNonRestoredState }, env);
    } finally {
      code.release(bundle);
    }
  }

  async run(job: JobToRun): Promise<RunningJob> {
    const { submission, submissionId, emit, admit, leader } = job;
    const { arguments: args, flink, from, name, allowNonRestoredState, folder } = submission;
    const { module, output, surroundings, prepared, release } =
      (await this.#takeWarm(submissionId)) ?? this.#readyFor(job);
    if (surroundings.folder !== folder)
      emit({ kind: 'warning', message: movedText(folder, surroundings.folder ?? '') });
    try {
      const running = await runInCluster({
        module,
        arguments: args,
        flink,
        world: this.#options.world,
        folder,
        dataFolder: path.join(folder, '.tidemark'),
        from,
        name,
        allowNonRestoredState,
        emit,
        admit,
        leader,
        keepCheckpoints: job.keepCheckpoints,
        debugCodegen: false,
        prepared,
        surroundings,
        onLed: async (led) => {
          await job.onLed(led);
          output.moveTo(path.join(this.#options.logFolder, `job-${led.jobId}.log`));
        },
      });
      void running.done.then(release, release);
      return running;
    } catch (error) {
      release();
      throw error;
    }
  }

  /** What died, or could not load the code, is made anew. */
  async #takeWarm(submissionId: string): Promise<Ready | undefined> {
    const ready = this.#warm.get(submissionId);
    if (ready === undefined) return undefined;
    this.#warm.delete(submissionId);
    try {
      await ready.prepared.described;
      if (ready.prepared.coordinators.isAlive) return ready;
    } catch {
      // It is tried once more, and its reason told.
    }
    await closePrepared(ready.prepared);
    ready.release();
    return undefined;
  }

  #readyFor({
    submission,
    submissionId,
    bundle,
    code,
  }: Pick<JobToRun, 'submission' | 'submissionId' | 'bundle' | 'code'>): Ready {
    const { code: codes, logFolder, moduleOf, folder: own } = this.#options;
    const { flink, folder: asked } = submission;
    const output = new RotatedLog(path.join(logFolder, `job-${submissionId}.log`));
    keepNewest(logFolder, 'job-', JOB_LOGS_MAX);
    return {
      module: moduleOf(codes.use(bundle, code)),
      output,
      surroundings: {
        // A job that comes back on another machine may have no such folder there.
        folder: fs.existsSync(asked) ? asked : own,
        env: variablesOf(flink, asked, process.env),
        output: (bytes) => {
          output.write(bytes);
        },
      },
      prepared: undefined,
      release: () => {
        codes.release(bundle);
      },
    };
  }
}

function movedText(folder: string, instead: string): string {
  return `The folder ${folder}, where the job was submitted, is not on this machine: relative paths begin at ${instead}.`;
}

import fs from 'node:fs';
import path from 'node:path';
import type { JobRunner, JobToRun } from '../cluster/dispatcher/dispatcher.ts';
import type { JobSubmission } from '../cluster/dispatcher/cluster.ts';
import type { CheckedVersion, VersionToCheck } from '../cluster/dispatcher/upgrades.ts';
import type { RunningJob } from '../cluster/lead-job.ts';
import { checkUpgradeInThread } from '../cluster/upgrade/upgrade-thread.ts';
import { runInCluster } from '../cluster/run-in-cluster.ts';
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

/** Runs the jobs of a service in threads and processes of this machine. */
export class NodeJobRunner implements JobRunner {
  readonly #options: NodeJobRunnerOptions;

  constructor(options: NodeJobRunnerOptions) {
    this.#options = options;
  }

  bundle({ module }: JobSubmission): Promise<Uint8Array> {
    // What a thread would import may only lead to the job's own module.
    return bundleJob(new URL(module).searchParams.get('job') ?? module);
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
    const { world, code, logFolder, moduleOf } = this.#options;
    const { submission, submissionId, bundle, emit, admit } = job;
    const { arguments: args, flink, from, name, allowNonRestoredState, folder } = submission;
    const output = new RotatedLog(path.join(logFolder, `job-${submissionId}.log`));
    keepNewest(logFolder, 'job-', JOB_LOGS_MAX);
    const release = (): void => {
      code.release(bundle);
    };
    const module = moduleOf(code.use(bundle, job.code));
    try {
      const running = await runInCluster({
        module,
        arguments: args,
        flink,
        world,
        folder,
        dataFolder: path.join(folder, '.tidemark'),
        from,
        name,
        allowNonRestoredState,
        emit,
        admit,
        keepCheckpoints: job.keepCheckpoints,
        debugCodegen: false,
        surroundings: {
          folder: this.#folderOf(job),
          env: variablesOf(flink, folder, process.env),
          output: (bytes) => {
            output.write(bytes);
          },
        },
        onLed: async (led) => {
          await job.onLed(led);
          output.moveTo(path.join(logFolder, `job-${led.jobId}.log`));
        },
      });
      void running.done.then(release, release);
      return running;
    } catch (error) {
      release();
      throw error;
    }
  }

  /** A job that comes back on another machine may have no such folder there. */
  #folderOf({ submission: { folder }, emit }: JobToRun): string {
    if (fs.existsSync(folder)) return folder;
    const { folder: instead } = this.#options;
    const message = `The folder ${folder}, where the job was submitted, is not on this machine: relative paths begin at ${instead}.`;
    emit({ kind: 'warning', message });
    return instead;
  }
}

import { Worker } from 'node:worker_threads';
import { EngineError } from '../../common/errors.ts';
import { receiveError, type TransferredError } from '../../common/error-transfer.ts';
import type { FlinkSettings } from '../../settings/flink-settings.ts';
import type { UpgradeReport } from './check-upgrade.ts';

/** Plain data. */
export interface UpgradeData {
  /** URL of the job's module. */
  readonly module: string;
  /** What stands behind `--`. */
  readonly arguments: readonly string[];
  readonly flink: FlinkSettings;
  readonly storeUrl: string;
  /** The folder of a snapshot in the store, or a job there, for its latest checkpoint. */
  readonly snapshot: { readonly folder: string } | { readonly jobId: string };
  readonly allowNonRestoredState: boolean;
  /** Where relative paths of the job begin. Default: this process's. */
  readonly folder?: string | undefined;
}

export interface CheckedUpgrade {
  readonly report: UpgradeReport;
  /** URL of what it was checked on. */
  readonly snapshot: string;
  /** Where the job has its checkpoints, by all of its settings. */
  readonly checkpointStorage: string | undefined;
}

export type UpgradeAnswer =
  | ({ readonly kind: 'report' } & CheckedUpgrade)
  | { readonly kind: 'refusal'; readonly error: TransferredError };

/**
 * Checks an upgrade in a thread of its own, in which the job's code is loaded.
 *
 * @param env What the job's code finds. Default: what this process finds.
 * @throws {EngineError} what keeps the job from being built: `SET-…`, `API-…`, `GRA-…`, `JOB-…`.
 * @throws {EngineError} `CHK-001`, `CHK-006`, `STA-001` (`corrupt`) if the snapshot is damaged.
 */
export async function checkUpgradeInThread(
  data: UpgradeData,
  env?: NodeJS.ProcessEnv,
): Promise<CheckedUpgrade> {
  // The entry has the extension of this file: `.ts` from the sources, `.js` when it is built.
  const entry = new URL(`./upgrade-main${import.meta.url.slice(-3)}`, import.meta.url);
  const worker = new Worker(entry, {
    workerData: data,
    name: 'upgrade-check',
    ...(env && { env }),
  });
  try {
    const answer = await new Promise<UpgradeAnswer>((resolve, reject) => {
      worker.once('message', resolve);
      worker.once('error', reject);
      worker.once('exit', (exitCode) => {
        reject(endedError(exitCode));
      });
    });
    if (answer.kind === 'refusal') throw receiveError(answer.error);
    return answer;
  } finally {
    await worker.terminate();
  }
}

function endedError(exitCode: number): EngineError {
  return new EngineError('JOB-030', 'user-code', 'the thread that builds the job ended by itself', {
    details: { exitCode },
    hint: 'Look at the top of the job module: process.exit() or too much memory end this thread.',
  });
}

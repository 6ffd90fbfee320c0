import { sleep } from '../common/clock.ts';
import { jobsLedElsewhere } from '../cluster/dispatcher/durable-jobs.ts';
import type { World } from '../contracts/source.ts';
import type { FlinkSettings } from '../settings/flink-settings.ts';
import type { BlobStore } from '../storage/blob-store.ts';
import type { NodeJobRunner } from './node-job-runner.ts';

/** How often a standby looks which jobs run. */
const LOOK_MS = 2_000;

export interface WarmStandbyOptions {
  readonly world: World;
  readonly store: BlobStore;
  readonly config: FlinkSettings;
  readonly runner: NodeJobRunner;
  /** True from when this process leads, or ends. */
  readonly isOver: () => boolean;
}

/** Has the code of the jobs that run elsewhere loaded, for as long as this process stands by. */
export async function stayWarm(options: WarmStandbyOptions): Promise<void> {
  const { world, store, config, runner, isOver } = options;
  if (config.warmJobs === 0) return;
  while (!isOver()) {
    try {
      const jobs = await jobsLedElsewhere(store, config, config.warmJobs);
      if (isOver()) return;
      runner.keepWarm(jobs);
    } catch {
      // It is not needed: a job that is not loaded is loaded when it is to run.
    }
    await sleep(world.clock, LOOK_MS);
  }
}

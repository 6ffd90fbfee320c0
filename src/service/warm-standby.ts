import type { Cancel } from '../common/clock.ts';
import { repeat } from '../common/repeat.ts';
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
}

/** Has the code of the jobs that run elsewhere loaded, until it is cancelled: for as long as this process stands by. */
export function stayWarm({ world, store, config, runner }: WarmStandbyOptions): Cancel {
  if (config.warmJobs === 0) return () => undefined;
  let isOver = false;
  const cancel = repeat(world.clock, LOOK_MS, async () => {
    try {
      const jobs = await jobsLedElsewhere(store, config, config.warmJobs);
      if (!isOver) runner.keepWarm(jobs);
    } catch {
      // It is not needed: a job that is not loaded is loaded when it is to run.
    }
  });
  return () => {
    isOver = true;
    cancel();
  };
}

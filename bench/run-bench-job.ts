/** Starts the benchmark's job; the one place that knows how a job is run. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { JobEvent } from '../src/cluster/job-events.ts';
import { runInCluster } from '../src/cluster/run-in-cluster.ts';
import { defaultWorld, runJob } from '../src/cluster/run-job.ts';
import type { Clock } from '../src/common/clock.ts';
import { parseSettings } from '../src/settings/parse-settings.ts';
import { cpuMicrosOf, ownCpuMicros } from './measure.ts';
import keyedCount, { type KeyedCountSettings } from './keyed-count-job.ts';

const CHECKPOINT_INTERVAL = '1 s';

export interface BenchJobOptions {
  readonly settings: KeyedCountSettings;
  readonly parallelism: number;
  /** In slots, as `tidemark run` does; or in this thread, by this clock. */
  readonly where: 'slots' | { readonly clock: Clock };
}

export interface BenchJob {
  /** Records that the sources have emitted. */
  readonly records: () => number;
  /** CPU time so far, of all processes in which the job runs. */
  readonly cpuMicros: () => number;
  /** Of the checkpoints since the last call, the bytes of each. */
  readonly checkpointBytes: () => number[];
  /** Throws what the job failed with. */
  readonly stop: () => Promise<void>;
}

/** Starts the job with a checkpoint each second to files. */
export async function runBenchJob(options: BenchJobOptions): Promise<BenchJob> {
  const { settings, parallelism, where } = options;
  const folder = await mkdtemp(path.join(tmpdir(), 'keyed-count-'));
  const events: JobEvent[] = [];
  const taskManagers = new Set<number>();
  const flink = parseSettings({
    env: {},
    dynamic: {
      'execution.checkpointing.interval': CHECKPOINT_INTERVAL,
      'execution.checkpointing.min-pause': '0 s',
      'parallelism.default': String(parallelism),
      // One that stands by costs time of the CPU when it starts.
      'slotmanager.redundant-taskmanager-num': '0',
    },
  });
  const debugCodegen = (process.env['TIDEMARK_DEBUG'] ?? '').includes('codegen');
  const common = {
    dataFolder: folder,
    from: { kind: 'fresh' as const },
    allowNonRestoredState: false,
    emit: (event: JobEvent) => {
      events.push(event);
      if (event.kind === 'task-manager') taskManagers.add(event.pid);
    },
  };
  const running =
    where === 'slots'
      ? await runInCluster({
          ...common,
          world: defaultWorld,
          module: new URL('keyed-count-job.ts', import.meta.url).href,
          arguments: argumentsOf(settings),
          folder,
          flink,
          debugCodegen,
        })
      : await runJob({
          ...common,
          world: { ...defaultWorld, clock: where.clock },
          job: keyedCount.build(settings, flink),
          ...(debugCodegen && { printChain: (text: string) => process.stderr.write(`${text}\n`) }),
        });
  let failure: unknown;
  return {
    records: () => running.recordsRead(),
    cpuMicros: () => [...taskManagers].reduce((sum, pid) => sum + cpuMicrosOf(pid), ownCpuMicros()),
    checkpointBytes: () => {
      const taken = events.splice(0);
      failure ??= taken.find((event) => event.kind === 'failure')?.error;
      return taken
        .filter((event) => event.kind === 'checkpoint-completed')
        .map(({ writtenBytes }) => writtenBytes);
    },
    stop: async () => {
      failure ??= events.find((event) => event.kind === 'failure')?.error;
      running.cancel();
      await running.done;
      await rm(folder, { recursive: true, force: true });
      if (failure instanceof Error) throw failure;
    },
  };
}

function argumentsOf({ keys, workLoops }: KeyedCountSettings): string[] {
  return ['--keys', String(keys), '--work-loops', String(workLoops)];
}

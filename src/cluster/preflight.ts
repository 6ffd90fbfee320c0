import type { World } from '../contracts/source.ts';
import type { JobGraph } from '../graph/job-graph.ts';
import type { FlinkSettings } from '../settings/flink-settings.ts';
import { sinksOf } from './coordinator/sink-committers.ts';

/**
 * Lets all sinks of a job look at what surrounds them, before anything of the job is taken over.
 *
 * @returns Warnings, each with the uid of its sink.
 * @throws what a sink refuses to start with.
 */
export async function preflightOf(
  graph: JobGraph,
  config: FlinkSettings,
  world: World,
): Promise<readonly string[]> {
  const { checkpointIntervalMs, checkpointTimeoutMs, minPauseBetweenCheckpointsMs } = config;
  const looks = [...sinksOf(graph)].map(async ([uid, sink]) => {
    const warnings = await sink.preflight?.({
      world,
      uid,
      checkpointIntervalMs,
      checkpointTimeoutMs,
      minPauseBetweenCheckpointsMs,
    });
    return (warnings ?? []).map((warning) => `Sink '${uid}': ${warning}`);
  });
  return (await Promise.all(looks)).flat();
}

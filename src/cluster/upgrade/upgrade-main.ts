/**
 * The entry point of the thread that checks an upgrade: it imports the job's module and builds its graph, as
 * user code may do what it likes to a thread.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { assert } from '../../common/assert.ts';
import { systemClock } from '../../common/clock.ts';
import { transferError } from '../../common/error-transfer.ts';
import { nodeFileSystem } from '../../common/node-file-system.ts';
import { systemRandom } from '../../common/random.ts';
import { buildJobGraph } from '../../graph/build-job-graph.ts';
import type { SettingsSchema } from '../../settings/job-fields.ts';
import { parseJobSettings, settingsPrefix } from '../../settings/job-settings.ts';
import { importJob } from '../load-job.ts';
import { openStore } from '../open-store.ts';
import { checkOnLatest } from './check-on-latest.ts';
import { checkUpgrade } from './check-upgrade.ts';
import type { CheckedUpgrade, UpgradeAnswer, UpgradeData } from './upgrade-thread.ts';

assert(parentPort !== null, 'an upgrade is checked in a worker thread');
const port = parentPort;
const world = { clock: systemClock, random: systemRandom, fs: nodeFileSystem };

function say(answer: UpgradeAnswer): void {
  port.postMessage(answer);
}

async function check(data: UpgradeData): Promise<CheckedUpgrade> {
  const { module, storeUrl, snapshot, allowNonRestoredState, flink } = data;
  const { folder } = data;
  // A thread has no working folder of its own, but the functions of node:path ask this one.
  if (folder !== undefined) process.cwd = () => folder;
  const job = await importJob(module);
  const schema = job.settingsSchema as SettingsSchema<unknown> | undefined;
  const given = { args: data.arguments, env: process.env };
  const built = job.build(parseJobSettings(schema, settingsPrefix(job.name), given), flink);
  const store = openStore(storeUrl, world, flink);
  const { checkpointStorage } = built.config;
  return checkOnLatest(store, snapshot, async (found) => {
    const { maxParallelism } = found.metadata;
    const { parallelism } = built.config;
    const graph = buildJobGraph(built.graph, { parallelism, maxParallelism });
    const report = await checkUpgrade({ graph, found, store, allowNonRestoredState });
    return { report, snapshot: found.url, checkpointStorage };
  });
}

check(workerData as UpgradeData).then(
  (checked) => {
    say({ kind: 'report', ...checked });
  },
  (error: unknown) => {
    say({ kind: 'refusal', error: transferError(error) });
  },
);

/**
 * The entry point of the coordinator thread: a worker thread beside the JobMaster's. It imports the
 * job's module as soon as it is born.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { assert } from '../../common/assert.ts';
import { systemClock } from '../../common/clock.ts';
import { nodeFileSystem } from '../../common/node-file-system.ts';
import { systemRandom } from '../../common/random.ts';
import { importJob } from '../load-job.ts';
import type { CoordinatorData, ToCoordinator } from './coordinator-protocol.ts';
import { CoordinatorRuntime } from './coordinator-runtime.ts';

assert(parentPort !== null, 'the coordinator is a worker thread');
const port = parentPort;
const { module, folder } = workerData as CoordinatorData;
// A thread has no working folder of its own, but the functions of node:path ask this one.
if (folder !== undefined) process.cwd = () => folder;
const job = importJob(module);
// Whoever asks for it is told.
job.catch(() => undefined);

const runtime = new CoordinatorRuntime({
  loadJob: () => job,
  env: process.env,
  world: { clock: systemClock, random: systemRandom, fs: nodeFileSystem },
  say: (message) => {
    port.postMessage(message);
  },
});
port.on('message', (message: ToCoordinator) => {
  runtime.receive(message);
});

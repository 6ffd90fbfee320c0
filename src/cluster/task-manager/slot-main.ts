/**
 * The entry point of a slot: a worker thread that runs one subtask of every operator. It imports the
 * job's module, builds the job's graph once it is told for what, and then does what its TaskManager
 * says.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { assert } from '../../common/assert.ts';
import { systemClock } from '../../common/clock.ts';
import { transferError } from '../../common/error-transfer.ts';
import { nodeFileSystem } from '../../common/node-file-system.ts';
import { nodeTransport } from '../../common/node-transport.ts';
import { systemRandom } from '../../common/random.ts';
import { loadJob } from '../load-job.ts';
import { SlotRuntime } from './slot-runtime.ts';
import type { FromSlot, ToSlot } from './slot-protocol.ts';
import type { SlotThreadData, SlotThreadStart } from './worker-slot-host.ts';

assert(parentPort !== null, 'a slot is a worker thread');
const port = parentPort;
const say = (message: FromSlot): void => {
  port.postMessage(message);
};

/** What comes before the job is loaded. */
const early: ToSlot[] = [];
let slot: SlotRuntime | undefined;
let isClosed = false;

const onMessage = (message: ToSlot): void => {
  if (message.kind === 'close') {
    isClosed = true;
    port.close();
    slot?.close();
  } else if (slot === undefined) early.push(message);
  else slot.receive(message);
};

async function start({ data, token, progress }: SlotThreadStart): Promise<void> {
  const jobGraph = await loadJob(data);
  const runtime = new SlotRuntime({
    data,
    jobGraph,
    world: { clock: systemClock, random: systemRandom, fs: nodeFileSystem },
    transport: nodeTransport({ token }),
    progress,
    say,
    print: (text) => process.stderr.write(`${text}\n`),
  });
  await runtime.start();
  if (isClosed) {
    runtime.close();
    return;
  }
  slot = runtime;
  for (const message of early.splice(0)) onMessage(message);
}

port.once('message', (first: SlotThreadStart) => {
  port.on('message', onMessage);
  start(first).catch((error: unknown) => {
    say({ kind: 'refused', error: transferError(error) });
  });
});
// What is wrong with it is told when somebody wants the job.
import((workerData as SlotThreadData).module).catch(() => undefined);

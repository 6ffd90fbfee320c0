/**
 * The entry point of a slot: a worker thread that runs one subtask of every operator. It imports the
 * job's module, builds the job's graph, and then does what the JobMaster's thread says.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { assert } from '../common/assert.ts';
import { systemClock } from '../common/clock.ts';
import { transferError } from '../common/error-transfer.ts';
import { loadJob } from './load-job.ts';
import { SlotRuntime } from './slot-runtime.ts';
import type { FromSlot, SlotData, ToSlot } from './slot-protocol.ts';

assert(parentPort !== null, 'a slot is a worker thread');
const port = parentPort;
const data = workerData as SlotData;
const say = (message: FromSlot): void => {
  port.postMessage(message);
};

/** What comes before the job is loaded. */
const early: ToSlot[] = [];
let slot: SlotRuntime | undefined;

const onMessage = (message: ToSlot): void => {
  if (message.kind === 'close') {
    port.close();
    slot?.close();
  } else if (slot === undefined) early.push(message);
  else slot.receive(message);
};
port.on('message', onMessage);

try {
  const jobGraph = await loadJob(data);
  slot = new SlotRuntime({ data, jobGraph, clock: systemClock, say });
  say({ kind: 'ready' });
  for (const message of early.splice(0)) onMessage(message);
} catch (error) {
  say({ kind: 'refused', error: transferError(error) });
}

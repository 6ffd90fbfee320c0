/**
 * The entry point of a TaskManager: a process whose main thread is only a go-between, and whose worker
 * threads are slots. Its first line of input, if it is not null, says which job it will be for, so that
 * it can load that; the second who it is and where its JobManager listens. It ends when that one says
 * so, is gone, or was never there.
 */
import { pid, stdin } from 'node:process';
import { createInterface } from 'node:readline';
import { systemClock } from '../../common/clock.ts';
import { nodeTransport } from '../../common/node-transport.ts';
import { TaskManager } from './task-manager.ts';
import type { TaskManagerHint, TaskManagerInit } from './task-manager-protocol.ts';
import { WorkerSlotHost } from './worker-slot-host.ts';

/** Nobody may see what the slots still do, and nothing that holds a thread may hold up the end. */
function endNow(): void {
  process.kill(pid, 'SIGKILL');
}

// An interrupt at the terminal reaches all processes of the job: what to do is the JobManager's to say.
process.on('SIGINT', () => undefined);

const host = new WorkerSlotHost();
const lines = createInterface({ input: stdin });
lines.once('line', (first) => {
  const hint = JSON.parse(first) as TaskManagerHint | null;
  if (hint !== null) host.prepare(hint.module, hint.slots);
  lines.once('line', (second) => {
    start(JSON.parse(second) as TaskManagerInit).catch(() => {
      // Whoever started this process sees that it has ended, and tells of it.
      process.exit(1);
    });
  });
});
// The other end is held by the JobManager as long as it lives, also before there is a connection.
lines.on('close', endNow);

async function start({ id, address, token, slots }: TaskManagerInit): Promise<void> {
  host.begin(token, slots);
  const connection = await nodeTransport({ token }).connect(address);
  const taskManager = new TaskManager({
    id,
    pid,
    slots,
    clock: systemClock,
    connection,
    host,
    onEnd: ({ kind }) => {
      if (kind === 'lost') endNow();
      // Nothing is left that holds the process, once what was printed is written.
      lines.removeAllListeners('close');
      lines.close();
      stdin.destroy();
    },
  });
  taskManager.start();
}

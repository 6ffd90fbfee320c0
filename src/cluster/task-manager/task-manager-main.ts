/**
 * The entry point of a TaskManager: a process whose main thread is only a go-between, and whose worker
 * threads are slots. Its first line of input says who it is and where its JobManager listens. It ends
 * when that one says so, is gone, or was never there.
 */
import { pid, stdin } from 'node:process';
import { createInterface } from 'node:readline';
import { systemClock } from '../../common/clock.ts';
import { nodeTransport } from '../../common/node-transport.ts';
import { TaskManager } from './task-manager.ts';
import type { TaskManagerInit } from './task-manager-protocol.ts';
import { WorkerSlotHost } from './worker-slot-host.ts';

const EXIT = { ok: 0, lost: 1 } as const;

// An interrupt at the terminal reaches all processes of the job: what to do is the JobManager's to say.
process.on('SIGINT', () => undefined);

const lines = createInterface({ input: stdin });
lines.once('line', (line) => {
  start(JSON.parse(line) as TaskManagerInit).catch(() => {
    // Whoever started this process sees that it has ended, and tells of it.
    process.exit(EXIT.lost);
  });
});
// The other end is held by the JobManager as long as it lives, also before there is a connection.
lines.on('close', () => {
  process.exit(EXIT.lost);
});

async function start({ id, address, token, slots }: TaskManagerInit): Promise<void> {
  const connection = await nodeTransport({ token }).connect(address);
  const taskManager = new TaskManager({
    id,
    pid,
    slots,
    clock: systemClock,
    connection,
    host: new WorkerSlotHost(token),
    onEnd: ({ kind }) => {
      if (kind === 'lost') process.exit(EXIT.lost);
      // Nothing is left that holds the process, once what was printed is written.
      lines.removeAllListeners('close');
      lines.close();
      stdin.destroy();
    },
  });
  taskManager.start();
}

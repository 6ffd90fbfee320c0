import { MessageChannel, Worker, type MessagePort } from 'node:worker_threads';
import type { LinkPort } from '../../runtime/ring-link.ts';
import type { SlotHost, SlotThread, SlotThreadListener } from './slot-host.ts';
import type { FromSlot, SlotData } from './slot-protocol.ts';

/** What a slot's thread is born with. */
export interface SlotThreadData {
  readonly data: SlotData;
  readonly token: string;
  readonly progress: SharedArrayBuffer;
}

/** Slots that are worker threads of this process. */
export class WorkerSlotHost implements SlotHost {
  readonly #token: string;

  /** @param token What lets the slots' connections in. */
  constructor(token: string) {
    this.#token = token;
  }

  open(
    index: number,
    data: SlotData,
    progress: SharedArrayBuffer,
    listener: SlotThreadListener,
  ): SlotThread {
    // The entry has the extension of this file: `.ts` from the sources, `.js` when it is built.
    const entry = new URL(`./slot-main${import.meta.url.slice(-3)}`, import.meta.url);
    const workerData: SlotThreadData = { data, token: this.#token, progress };
    const worker = new Worker(entry, { workerData, name: `slot ${index}` });
    let error: unknown;
    worker.on('message', (message: FromSlot) => {
      listener.message(message);
    });
    worker.on('error', (thrown) => {
      error = thrown;
    });
    worker.on('exit', (exitCode) => {
      listener.ended({ exitCode, error });
    });
    return {
      say(message) {
        const ports = message.kind === 'neighbour' ? [message.end.port as MessagePort] : [];
        worker.postMessage(message, ports);
      },
      kill() {
        void worker.terminate();
      },
    };
  }

  channel(): readonly [LinkPort, LinkPort] {
    const { port1, port2 } = new MessageChannel();
    return [port1, port2];
  }
}

import { MessageChannel, Worker, type Transferable } from 'node:worker_threads';
import type { LinkPort } from '../../runtime/ring-link.ts';
import type { SlotEnd, SlotHost, SlotThread, SlotThreadListener } from './slot-host.ts';
import type { FromSlot, SlotData, ToSlot } from './slot-protocol.ts';

/** What a slot's thread is born with. */
export interface SlotThreadData {
  /** URL of the job's module, to import it before it is known what for. */
  readonly module: string;
}

/** The first message to a slot's thread. */
export interface SlotThreadStart {
  readonly data: SlotData;
  readonly token: string;
  readonly progress: SharedArrayBuffer;
}

/** Slots that are worker threads of this process. */
export class WorkerSlotHost implements SlotHost {
  #token = '';
  #module = '';
  #prepared: SlotWorker[] = [];

  /** Starts threads that import the job's module, to be slots later. */
  prepare(module: string, count: number): void {
    this.#module = module;
    this.#prepared = Array.from({ length: count }, () => new SlotWorker(module));
  }

  /**
   * @param token What lets the slots' connections in.
   * @param count Slots that there will be: of more that were prepared the rest are ended.
   */
  begin(token: string, count: number): void {
    this.#token = token;
    for (const left of this.#prepared.splice(count)) left.kill();
  }

  open(
    _index: number,
    data: SlotData,
    progress: SharedArrayBuffer,
    listener: SlotThreadListener,
  ): SlotThread {
    const { module } = data.job;
    const prepared = module === this.#module ? this.#prepared.shift() : undefined;
    const worker = prepared?.isOver === false ? prepared : new SlotWorker(module);
    worker.start({ data, token: this.#token, progress }, listener);
    return worker;
  }

  channel(): readonly [LinkPort, LinkPort] {
    const { port1, port2 } = new MessageChannel();
    return [port1, port2];
  }
}

class SlotWorker implements SlotThread {
  readonly #worker: Worker;
  #listener: SlotThreadListener | undefined;
  #end: SlotEnd | undefined;

  constructor(module: string) {
    // The entry has the extension of this file: `.ts` from the sources, `.js` when it is built.
    const entry = new URL(`./slot-main${import.meta.url.slice(-3)}`, import.meta.url);
    const workerData: SlotThreadData = { module };
    this.#worker = new Worker(entry, { workerData, name: 'slot' });
    let error: unknown;
    this.#worker.on('message', (message: FromSlot) => {
      this.#listener?.message(message);
    });
    this.#worker.on('error', (thrown) => {
      error = thrown;
    });
    this.#worker.on('exit', (exitCode) => {
      this.#end = { exitCode, error };
      this.#listener?.ended(this.#end);
    });
  }

  get isOver(): boolean {
    return this.#end !== undefined;
  }

  start(start: SlotThreadStart, listener: SlotThreadListener): void {
    this.#listener = listener;
    this.#worker.postMessage(start);
  }

  say(message: ToSlot<LinkPort>): void {
    const ports = message.kind === 'neighbour' ? [message.end.port as unknown as Transferable] : [];
    this.#worker.postMessage(message, ports);
  }

  kill(): void {
    void this.#worker.terminate();
  }
}

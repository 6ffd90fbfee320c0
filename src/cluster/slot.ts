import { Worker } from 'node:worker_threads';
import { systemClock, type Cancel } from '../common/clock.ts';
import { EngineError } from '../common/errors.ts';
import { receiveError } from '../common/error-transfer.ts';
import type { FromSlot, SlotData, ToSlot } from './slot-protocol.ts';

/** A thread that has nothing left to do ends by itself in much less. */
const CLOSE_MS = 500;
/** How often a slot is asked for a sign of life. */
const PING_MS = 1000;

/** What comes of the tasks. */
export type SlotMessage = Exclude<FromSlot, { kind: 'ready' | 'refused' | 'pong' }>;

/** What a slot reports to whoever has it now. */
export interface SlotListener {
  message(message: SlotMessage): void;
  /** The thread is gone, and with it everything that ran there. Told once, and certain. */
  died(error: EngineError): void;
}

/**
 * A slot as the JobMaster's thread sees it: the worker thread, its life and its messages.
 *
 * Invariant: `died` is told only when the operating system has ended the thread, so a replacement
 * never runs beside it.
 */
export class Slot {
  readonly number: number;
  readonly #worker: Worker;
  readonly #progress: Float64Array;
  #listener: SlotListener | undefined;
  #death: EngineError | undefined;
  #closing = false;
  #lastError: unknown;
  readonly gone: Promise<void>;
  readonly #stuckMs: number;
  /** For people, in the order in which they were deployed. */
  #tasks: readonly string[] = [];
  #cancelWatch: Cancel | undefined;

  constructor(data: Omit<SlotData, 'progress'>, stuckMs: number) {
    this.number = data.slot;
    this.#stuckMs = stuckMs;
    const progress = new SharedArrayBuffer(16);
    this.#progress = new Float64Array(progress);
    const workerData: SlotData = { ...data, progress };
    // The entry has the extension of this file: `.ts` from the sources, `.js` when it is built.
    const entry = new URL(`./slot-main${import.meta.url.slice(-3)}`, import.meta.url);
    this.#worker = new Worker(entry, { workerData, name: `slot ${data.slot}` });
    this.#worker.on('message', (message: FromSlot) => {
      this.#receive(message);
    });
    this.#worker.on('error', (error) => {
      this.#lastError = error;
    });
    this.gone = new Promise((resolve) => {
      this.#worker.on('exit', (exitCode) => {
        this.#cancelWatch?.();
        this.#died(exitCode);
        resolve();
      });
    });
  }

  get isDead(): boolean {
    return this.#death !== undefined;
  }

  /** Records that the slot's sources have emitted in this attempt. */
  recordsRead(): number {
    return this.#progress[0] ?? 0;
  }

  /**
   * Hands the slot to an attempt. What comes from now on goes to `listener`.
   *
   * @param tasks What the tasks are called, in the order in which they are deployed.
   */
  listen(listener: SlotListener | undefined, tasks: readonly string[] = []): void {
    this.#listener = listener;
    this.#tasks = tasks;
    if (this.#death !== undefined) listener?.died(this.#death);
  }

  say(message: ToSlot): void {
    if (this.#death !== undefined) return;
    this.#worker.postMessage(message, message.kind === 'peer' ? [message.end.port] : []);
  }

  /** Lets the thread end by itself; ends it by force when that takes too long. */
  async close(): Promise<void> {
    this.#closing = true;
    this.#cancelWatch?.();
    this.say({ kind: 'close' });
    await within(CLOSE_MS, this.gone, () => this.kill());
  }

  /** Ends the thread wherever it is. Resolves when it is gone. */
  async kill(): Promise<void> {
    await this.#worker.terminate();
    await this.gone;
  }

  /** Asks the thread for a sign of life, and ends it when none comes for too long. */
  #watch(): void {
    const askedMs = systemClock.monotonicMs();
    this.say({ kind: 'ping' });
    const look = (): void => {
      if (systemClock.monotonicMs() - askedMs < this.#stuckMs) {
        this.#cancelWatch = systemClock.after(Math.min(PING_MS, this.#stuckMs), look);
        return;
      }
      this.#lastError = stuckError(
        this.number,
        this.#tasks[(this.#progress[1] ?? 0) - 1],
        this.#stuckMs,
      );
      void this.#worker.terminate();
    };
    this.#cancelWatch = systemClock.after(Math.min(PING_MS, this.#stuckMs), look);
  }

  #receive(message: FromSlot): void {
    if (message.kind === 'ready') {
      this.#watch();
      return;
    }
    if (message.kind === 'pong') {
      this.#cancelWatch?.();
      this.#cancelWatch = systemClock.after(PING_MS, () => {
        this.#watch();
      });
      return;
    }
    if (message.kind === 'refused') {
      this.#lastError = receiveError(message.error);
      void this.#worker.terminate();
      return;
    }
    this.#listener?.message(message);
  }

  #died(exitCode: number): void {
    this.#death = deathOf(this.number, exitCode, this.#lastError);
    if (!this.#closing) this.#listener?.died(this.#death);
  }
}

/** Waits for `awaited`; if that takes longer than `ms`, for what `late` does then. */
export async function within(
  ms: number,
  awaited: Promise<void>,
  late: () => Promise<void>,
): Promise<void> {
  let cancel = (): void => undefined;
  const overdue = new Promise<void>((resolve, reject) => {
    cancel = systemClock.after(ms, () => {
      late().then(resolve, reject);
    });
  });
  await Promise.race([awaited, overdue]).finally(cancel);
}

function stuckError(slot: number, task: string | undefined, stuckMs: number): EngineError {
  return new EngineError('JOB-010', 'user-code', 'a slot is stuck', {
    details: { slot, operators: task ?? 'none', stuckMs },
    hint: 'Look for an endless or very long loop in a function of these operators, or raise tidemark.task.stuck-timeout.',
  });
}

function deathOf(slot: number, exitCode: number, error: unknown): EngineError {
  if (error instanceof EngineError) return error;
  if (error instanceof Error && 'code' in error && error.code === 'ERR_WORKER_OUT_OF_MEMORY') {
    return new EngineError('JOB-007', 'unavailable', 'a slot ran out of memory', {
      details: { slot },
      hint: 'Give the state fewer keys per slot with a higher parallelism, or give Node more memory with NODE_OPTIONS=--max-old-space-size=<MiB>.',
      cause: error,
    });
  }
  if (error !== undefined) {
    return new EngineError(
      'JOB-008',
      'user-code',
      'something threw outside of any record in a slot',
      {
        details: { slot },
        hint: 'Look at the cause: a promise that nobody waits for, or a callback of a timer or a client.',
        cause: error,
      },
    );
  }
  return new EngineError('JOB-009', 'user-code', 'a slot ended by itself', {
    details: { slot, exitCode },
    hint: 'Do not call process.exit() in the functions of a job; throw an error to fail it.',
  });
}

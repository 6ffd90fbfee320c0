import type { Cancel, Clock } from '../../common/clock.ts';
import { receiveError } from '../../common/error-transfer.ts';
import type { LinkPort } from '../../runtime/ring-link.ts';
import { createProgressWords, tasksRunning } from './progress-words.ts';
import { endError, killedError, stuckError, type SlotPlace } from './slot-errors.ts';
import type { SlotEnd, SlotHost, SlotThread } from './slot-host.ts';
import {
  deploymentKey,
  type DeploymentId,
  type FromSlot,
  type SlotData,
  type SlotDeploy,
  type ToSlot,
} from './slot-protocol.ts';

/** How often a slot is asked for a sign of life, at most. */
const PING_MS = 1000;
/** A thread that has nothing left to do ends by itself in much less. */
const CLOSE_MS = 500;
/** What is ended by force and is still there then cannot be: something outside of JavaScript holds it. */
const KILL_MS_MAX = 3_000;

export interface ManagedSlotOptions {
  readonly taskManager: string;
  readonly index: number;
  readonly data: SlotData;
  /** A thread that gives no sign of life for so long is ended. */
  readonly stuckTimeoutMs: number;
  readonly clock: Clock;
  readonly host: SlotHost;
  readonly listener: {
    ready(address: string): void;
    report(message: Extract<FromSlot, { kind: 'report' }>): void;
    /** Told once, when the thread is gone. */
    died(error: Error): void;
    /** The thread was to be ended, for this reason, and cannot be. */
    unkillable(error: Error): void;
  };
}

/**
 * A slot as its TaskManager sees it: its thread, whether that is stuck, and what to tell people when
 * it dies.
 *
 * Always holds: the time in which this process itself stood still counts for nobody: what is counted
 * is how often a slot was looked at in vain, not what a clock says.
 */
export class ManagedSlot {
  readonly #options: ManagedSlotOptions;
  readonly #thread: SlotThread;
  readonly #progress = createProgressWords();
  /** What the tasks are called, by deployment; task n of the progress words is the n-th of all. */
  readonly #tasks = new Map<
    string,
    { readonly first: number; readonly names: readonly string[] }
  >();
  #nextTask = 1;
  /** Why we ended the thread ourselves. */
  #reason: Error | undefined;
  #isGone = false;
  #missed = 0;
  #stopWatch: Cancel | undefined;
  readonly gone: Promise<void>;

  constructor(options: ManagedSlotOptions) {
    this.#options = options;
    const { index, data, host } = options;
    let resolveGone = (): void => undefined;
    this.gone = new Promise((resolve) => {
      resolveGone = resolve;
    });
    this.#thread = host.open(index, data, this.#progress, {
      message: (message) => {
        this.#receive(message);
      },
      ended: (end) => {
        this.#ended(end);
        resolveGone();
      },
    });
  }

  say(message: ToSlot<LinkPort>): void {
    if (!this.#isGone) this.#thread.say(message);
  }

  deploy(deploy: SlotDeploy, rings: ReadonlyMap<number, SharedArrayBuffer>): void {
    const first = this.#nextTask;
    this.#nextTask += deploy.tasks.length;
    const names = deploy.tasks.map(({ name }) => name);
    this.#tasks.set(deploymentKey(deploy.deployment), { first, names });
    this.say({ kind: 'deploy', deploy, firstTask: first, rings });
  }

  /** The slot holds nothing of it any more. */
  forget(deployment: DeploymentId): void {
    this.#tasks.delete(deploymentKey(deployment));
  }

  /** Keys of what the slot has. */
  deployments(): Iterable<string> {
    return this.#tasks.keys();
  }

  /** Ends the thread wherever it is: it did not stop when it was told to. */
  kill(): void {
    this.#end(killedError(this.#place()));
  }

  /** Lets the thread end by itself; ends it by force when that takes too long. */
  async close(): Promise<void> {
    this.#stopWatch?.();
    this.say({ kind: 'close' });
    const cancel = this.#options.clock.after(CLOSE_MS, () => {
      this.#thread.kill();
    });
    await this.gone;
    cancel();
  }

  #receive(message: FromSlot): void {
    switch (message.kind) {
      case 'ready':
        this.#watch();
        this.#options.listener.ready(message.address);
        return;
      case 'refused':
        this.#end(receiveError(message.error));
        return;
      case 'pong':
        this.#missed = 0;
        return;
      case 'report':
        if (message.report.kind === 'canceled') this.forget(message.deployment);
        this.#options.listener.report(message);
    }
  }

  #watch(): void {
    const { clock, stuckTimeoutMs } = this.#options;
    const intervalMs = Math.min(PING_MS, stuckTimeoutMs / 2);
    const look = (): void => {
      if (this.#missed * intervalMs >= stuckTimeoutMs) {
        this.#end(stuckError(this.#place(), stuckTimeoutMs));
        return;
      }
      this.#missed += 1;
      this.say({ kind: 'ping' });
      this.#stopWatch = clock.after(intervalMs, look);
    };
    look();
  }

  #end(reason: Error): void {
    if (this.#reason !== undefined || this.#isGone) return;
    this.#reason = reason;
    this.#stopWatch?.();
    this.#thread.kill();
    this.#stopWatch = this.#options.clock.after(KILL_MS_MAX, () => {
      this.#options.listener.unkillable(reason);
    });
  }

  #ended(end: SlotEnd): void {
    this.#isGone = true;
    this.#stopWatch?.();
    const error = this.#reason ?? endError(this.#place(), end);
    this.#options.listener.died(error);
  }

  #place(): SlotPlace {
    const numbers = tasksRunning(this.#progress);
    const names = numbers.map((number) => this.#nameOf(number)).filter((name) => name !== '');
    const { taskManager, index } = this.#options;
    return { taskManager, slot: index, operators: names.length === 0 ? 'none' : names.join(', ') };
  }

  #nameOf(number: number): string {
    for (const { first, names } of this.#tasks.values()) {
      const name = names[number - first];
      if (name !== undefined) return name;
    }
    return '';
  }
}

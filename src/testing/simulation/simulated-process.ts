import type { Cancel, Clock } from '../../common/clock.ts';
import type { FileSystem } from '../../common/file-system.ts';
import type { Random } from '../../common/random.ts';
import type { ExitReason, Spawner } from '../../common/spawner.ts';
import type { Transport } from '../../common/transport.ts';
import type { Kernel } from './kernel.ts';

/** The world as one process of a simulation sees it. */
export interface SimulatedWorld {
  readonly clock: Clock;
  readonly random: Random;
  readonly fs: FileSystem;
  readonly transport: Transport;
  readonly spawner: Spawner;
}

/** What a process has of the machine. */
export type SimulatedDevices = Pick<SimulatedWorld, 'fs' | 'transport' | 'spawner'>;

/**
 * One process of a simulation. Killed, it is gone as with `kill -9`: its pending callbacks never
 * run and its promises never settle. What it wrote and did not sync stays until the machine crashes.
 * Frozen, it does nothing while time goes on, and its connections stay open; thawed, it does at once
 * what has come due.
 *
 * Processes share one JavaScript thread. Let them meet only through simulated things: a promise
 * handed from one to another would go on when its owner is dead.
 */
export class SimulatedProcess implements SimulatedWorld {
  readonly name: string;
  /** The name and how many of that name there were: `worker#2`. */
  readonly id: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly fs: FileSystem;
  readonly transport: Transport;
  readonly spawner: Spawner;
  readonly #kernel: Kernel;
  readonly #atEnd: ((reason: ExitReason) => void)[] = [];
  #alive = true;
  #stopped = false;
  /** Blocks of the event loop that have not ended. */
  #blocks = 0;
  #wallErrorMs = 0;

  constructor(
    kernel: Kernel,
    name: { readonly name: string; readonly id: string },
    random: Random,
    devicesOf: (process: SimulatedProcess) => SimulatedDevices,
  ) {
    this.#kernel = kernel;
    this.name = name.name;
    this.id = name.id;
    this.random = random;
    this.clock = {
      wallMs: () => Math.floor(kernel.wallMs + this.#wallErrorMs),
      monotonicMs: () => kernel.nowMs,
      after: (ms, task) => this.schedule('timer', Math.max(0, ms), task),
      turn: (task) => this.schedule('turn', 'turn', task),
    };
    ({ fs: this.fs, transport: this.transport, spawner: this.spawner } = devicesOf(this));
  }

  get alive(): boolean {
    return this.#alive;
  }

  get frozen(): boolean {
    return this.#stopped || this.#blocks > 0;
  }

  /** Runs `work` in this process. The promise never settles if the process is killed meanwhile. */
  start<T>(work: (world: SimulatedWorld) => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.schedule('start', 'turn', () => {
        work(this).then(resolve, reject);
      });
    });
  }

  /** Runs `task` unless this process is dead by then. For other simulated devices, such as a network. */
  schedule(label: string, delayMs: number | 'turn', task: () => void): Cancel {
    if (!this.#alive) return () => undefined;
    return this.#kernel.schedule({ label, delayMs, owner: this, task });
  }

  /** Adds a line to the run's hash. */
  trace(text: string): void {
    if (this.#alive) this.#kernel.trace(`${this.id} ${text}`);
  }

  /** Sets this process's wall clock forward, or back. Monotonic time stays. */
  jumpWallClock(ms: number): void {
    this.#wallErrorMs += ms;
    this.#kernel.trace(`${this.id} wall clock ${ms}`);
  }

  /** As `SIGSTOP`: whatever comes due waits, and time goes on. */
  freeze(): void {
    if (!this.#alive || this.#stopped) return;
    this.#kernel.trace(`${this.id} frozen`);
    this.#stopped = true;
  }

  /** As `SIGCONT`: what has come due is done, in its order. */
  thaw(): void {
    if (!this.#stopped) return;
    this.#kernel.trace(`${this.id} thawed`);
    this.#stopped = false;
    this.#goOn();
  }

  /** As a function that holds the event loop for `ms`: frozen until then. */
  block(ms: number): void {
    if (!this.#alive) return;
    this.#blocks += 1;
    const task = (): void => {
      this.#blocks -= 1;
      this.#goOn();
    };
    this.#kernel.trace(`${this.id} blocked for ${ms}`);
    this.#kernel.schedule({ label: `${this.id} block ends`, delayMs: ms, task });
  }

  kill(): void {
    this.#end({ kind: 'killed', signal: 'SIGKILL' });
  }

  /** Ends as by `process.exit`. */
  exit(exitCode: number): void {
    this.#end({ kind: 'exited', exitCode });
  }

  /** For simulated devices: what the operating system does when this process ends. Runs at once. */
  onKill(task: () => void): void {
    this.#atEnd.push(task);
  }

  /** As `onKill`, and tells how it ended. */
  onEnd(task: (reason: ExitReason) => void): void {
    this.#atEnd.push(task);
  }

  #end(reason: ExitReason): void {
    if (!this.#alive) return;
    this.#alive = false;
    this.#kernel.trace(`${this.id} ${reason.kind}`);
    this.#kernel.thaw(this);
    for (const task of this.#atEnd) task(reason);
  }

  #goOn(): void {
    if (!this.frozen) this.#kernel.thaw(this);
  }
}

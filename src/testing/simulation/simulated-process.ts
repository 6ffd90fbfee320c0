import type { Cancel, Clock } from '../../common/clock.ts';
import type { FileSystem } from '../../common/file-system.ts';
import type { Random } from '../../common/random.ts';
import type { Kernel } from './kernel.ts';

/** The world as one process of a simulation sees it. */
export interface SimulatedWorld {
  readonly clock: Clock;
  readonly random: Random;
  readonly fs: FileSystem;
}

/**
 * One process of a simulation. Killed, it is gone as with `kill -9`: its pending callbacks never
 * run and its promises never settle. What it wrote and did not sync stays until the machine crashes.
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
  readonly #kernel: Kernel;
  readonly #atKill: (() => void)[] = [];
  #alive = true;
  #wallErrorMs = 0;

  constructor(
    kernel: Kernel,
    name: { readonly name: string; readonly id: string },
    random: Random,
    mount: (process: SimulatedProcess) => FileSystem,
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
    this.fs = mount(this);
  }

  get alive(): boolean {
    return this.#alive;
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

  kill(): void {
    if (!this.#alive) return;
    this.#alive = false;
    this.#kernel.trace(`${this.id} killed`);
    for (const task of this.#atKill) task();
  }

  /** For simulated devices: what the operating system does when this process ends. Runs at once. */
  onKill(task: () => void): void {
    this.#atKill.push(task);
  }
}

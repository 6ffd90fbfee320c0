import { assert } from '../../common/assert.ts';
import type { Random } from '../../common/random.ts';
import type { Child, ExitReason, Spawner } from '../../common/spawner.ts';
import type { SimulatedProcess, SimulatedWorld } from './simulated-process.ts';
import { systemError } from './system-error.ts';

/**
 * What runs in a simulated process. It ends when the promise settles: a number is its exit code,
 * nothing is 0, a failure is 1. Until then it lives, whatever it waits for.
 */
export type SimulatedMain = (world: SimulatedWorld, args: unknown) => Promise<number | undefined>;

export interface ProgramOptions {
  /** The name of the process, for the network and the trace. Default: the entry and a number. */
  readonly name?: (args: unknown) => string;
}

interface Program extends ProgramOptions {
  readonly main: SimulatedMain;
}

/** How long a program takes until it runs. */
const START_MS_MIN = 20;
const START_MS_MAX = 120;
/** Until a parent hears that its child has ended. */
const NOTICE_MS_MAX = 2;

/** The programs that processes of a simulation can start, and how that goes. */
export class SimulatedPrograms {
  readonly #random: Random;
  readonly #makeProcess: (name: string) => SimulatedProcess;
  readonly #programs = new Map<string, Program>();
  readonly #counts = new Map<string, number>();
  readonly #living = new Set<SimulatedProcess>();
  #failures = 0;

  constructor(random: Random, makeProcess: (name: string) => SimulatedProcess) {
    this.#random = random;
    this.#makeProcess = makeProcess;
  }

  /** What `spawn(entry, …)` runs from now on. */
  register(entry: string, main: SimulatedMain, options: ProgramOptions = {}): void {
    this.#programs.set(entry, { ...options, main });
  }

  /** The next `count` processes are not started, as when memory is short. */
  failNext(count: number): void {
    this.#failures = count;
  }

  /** Processes that were started by others and have not ended. */
  living(): readonly SimulatedProcess[] {
    return [...this.#living];
  }

  /** How one process starts others. */
  spawnerOf(parent: SimulatedProcess): Spawner {
    return { spawn: (entry, args) => this.#spawn(parent, entry, structuredClone(args)) };
  }

  #spawn(parent: SimulatedProcess, entry: string, args: unknown): Child {
    const program = this.#programs.get(entry);
    assert(program !== undefined, `no program is registered as ${entry}`);
    if (this.#failures > 0) {
      this.#failures -= 1;
      return this.#notStarted(parent, entry);
    }
    const process = this.#makeProcess(program.name?.(args) ?? this.#nameOf(entry));
    this.#living.add(process);
    parent.trace(`spawns ${process.id}`);
    const exited = new Promise<ExitReason>((resolve) => {
      process.onEnd((reason) => {
        this.#living.delete(process);
        const noticeMs = this.#random.next() * NOTICE_MS_MAX;
        parent.schedule(`child ${process.id} has ended`, noticeMs, () => resolve(reason));
      });
    });
    const startMs = START_MS_MIN + this.#random.next() * (START_MS_MAX - START_MS_MIN);
    process.schedule(`main of ${entry}`, startMs, () => {
      program.main(process, args).then(
        (exitCode = 0) => process.exit(exitCode),
        (error: unknown) => {
          process.trace(`failed: ${String(error).split('\n')[0] ?? ''}`);
          process.exit(1);
        },
      );
    });
    return { id: process.id, kill: () => process.kill(), exited };
  }

  #notStarted(parent: SimulatedProcess, entry: string): Child {
    const error = systemError('EAGAIN', 'spawn', entry);
    const exited = new Promise<ExitReason>((resolve) => {
      parent.schedule(`${entry} is not started`, this.#random.next() * NOTICE_MS_MAX, () => {
        resolve({ kind: 'not-started', error });
      });
    });
    return { id: `${this.#nameOf(entry)}#0`, kill: () => undefined, exited };
  }

  #nameOf(entry: string): string {
    const count = (this.#counts.get(entry) ?? 0) + 1;
    this.#counts.set(entry, count);
    return `${entry}-${count}`;
  }
}

import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Child, ExitReason, Spawner } from './spawner.ts';

/** A child that has not been told yet what it is for. */
interface PreparedChild {
  readonly child: Child;
  readonly tell: (args: unknown) => void;
  isOver: boolean;
}

/**
 * Processes of this machine that run the same Node as this one, with the same options. What a program
 * is told comes as two lines of JSON on its input, which ends when this process does: command lines
 * and environments can be read by others. The first line is what it may get ready with, or null; the
 * second, possibly much later, what it is for. What it prints goes where this process prints.
 */
export class NodeSpawner implements Spawner {
  readonly #programs: Readonly<Record<string, URL>>;
  readonly #prepared = new Map<string, PreparedChild>();

  /** @param programs The module of each program, by its name. */
  constructor(programs: Readonly<Record<string, URL>>) {
    this.#programs = programs;
  }

  /** Starts the process that the next `spawn` of this program takes, before it is known what for. */
  prepare(entry: string, hint: unknown): void {
    if (this.#prepared.has(entry)) return;
    const prepared = this.#start(entry, hint);
    this.#prepared.set(entry, prepared);
    void prepared.child.exited.then(() => {
      prepared.isOver = true;
    });
  }

  spawn(entry: string, args: unknown): Child {
    const known = this.#prepared.get(entry);
    this.#prepared.delete(entry);
    const { child, tell } = known === undefined || known.isOver ? this.#start(entry, null) : known;
    tell(args);
    return child;
  }

  /** Ends what was prepared for nothing. Resolves when it is gone. */
  async close(): Promise<void> {
    const left = [...this.#prepared.values()];
    this.#prepared.clear();
    for (const { child } of left) child.kill();
    await Promise.all(left.map(({ child }) => child.exited));
  }

  #start(entry: string, hint: unknown): PreparedChild {
    const program = this.#programs[entry];
    if (program === undefined) {
      const error = new TypeError(`there is no program ${entry}`);
      return { child: notStarted(error), tell: () => undefined, isOver: false };
    }
    const options = process.execArgv.filter((option) => !option.startsWith('--inspect'));
    const child = spawn(process.execPath, [...options, fileURLToPath(program)], {
      stdio: ['pipe', 'inherit', 'inherit'],
    });
    const { stdin, pid } = child;
    // A process that has ended before it has read what it was told: `exited` tells.
    stdin.on('error', () => undefined);
    const tell = (line: unknown): void => {
      stdin.write(`${JSON.stringify(line)}\n`);
    };
    tell(hint);
    const exited = new Promise<ExitReason>((resolve) => {
      child.on('error', (error) => {
        // Also told when a signal could not be sent; only a process that never was has no id.
        if (pid === undefined) resolve({ kind: 'not-started', error });
      });
      child.on('exit', (exitCode, signal) => {
        if (signal === null) resolve({ kind: 'exited', exitCode: exitCode ?? 0 });
        else resolve({ kind: 'killed', signal });
      });
    });
    return {
      child: {
        id: pid === undefined ? '' : `${pid}@${Date.now()}`,
        kill: () => {
          child.kill('SIGKILL');
        },
        exited,
      },
      tell,
      isOver: false,
    };
  }
}

function notStarted(error: Error): Child {
  return {
    id: '',
    kill: () => undefined,
    exited: Promise.resolve({ kind: 'not-started', error }),
  };
}

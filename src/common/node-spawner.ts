import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { assert } from './assert.ts';
import type { Child, ExitReason, Spawner } from './spawner.ts';

/** A child that has not been told yet what it is for. */
interface PreparedChild {
  readonly child: Child;
  readonly tell: (args: unknown) => void;
  isOver: boolean;
}

/** What the processes find around them. */
export interface NodeSurroundings {
  /** Their working folder. Default: this process's. */
  readonly folder?: string | undefined;
  /** All their variables. Default: this process's. */
  readonly env?: NodeJS.ProcessEnv | undefined;
  /** Gets what they print. Default: it goes where this process prints. */
  readonly output?: ((bytes: Uint8Array) => void) | undefined;
}

/**
 * Processes of this machine that run the same Node as this one, with the same options. What a program
 * is told comes as two lines of JSON on its input, which ends when this process does: command lines
 * and environments can be read by others. The first line is what it may get ready with, or null; the
 * second, possibly much later, what it is for.
 */
export class NodeSpawner implements Spawner {
  readonly #programs: Readonly<Record<string, URL>>;
  readonly #surroundings: NodeSurroundings;
  readonly #prepared = new Map<string, PreparedChild>();

  /** @param programs The module of each program, by its name. */
  constructor(programs: Readonly<Record<string, URL>>, surroundings: NodeSurroundings = {}) {
    this.#programs = programs;
    this.#surroundings = surroundings;
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
    const { folder, env, output } = this.#surroundings;
    const prints = output === undefined ? 'inherit' : 'pipe';
    const child = spawn(process.execPath, [...options, fileURLToPath(program)], {
      stdio: ['pipe', prints, prints],
      cwd: folder,
      env: env ?? process.env,
    });
    const { stdin, pid } = child;
    assert(stdin !== null, 'the input is a pipe');
    if (output !== undefined) {
      child.stdout?.on('data', output);
      child.stderr?.on('data', output);
    }
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

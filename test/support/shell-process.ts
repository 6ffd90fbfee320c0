/** A command line in a shell of its own, with all that it starts, as somebody types it at a terminal. */
import { spawn, type ChildProcess } from 'node:child_process';
import type { Run } from './tidemark-process.ts';

export interface ShellOptions {
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
}

export class ShellProcess {
  readonly ended: Promise<Run>;
  readonly #child: ChildProcess;
  #stdout = '';
  #stderr = '';

  constructor(line: string, { cwd, env }: ShellOptions) {
    const child = spawn('sh', ['-c', line], {
      cwd,
      env: { ...process.env, NO_COLOR: '1', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      // A group of its own, so that a signal reaches all of it and nothing else.
      detached: true,
    });
    this.#child = child;
    child.stdout.setEncoding('utf8').on('data', (text: string) => (this.#stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (this.#stderr += text));
    this.ended = new Promise((resolve) => {
      child.on('close', (code, signal) => {
        resolve({ code, signal, stdout: this.#stdout, stderr: this.#stderr });
      });
    });
  }

  get isOver(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  get stdout(): string {
    return this.#stdout;
  }

  get stderr(): string {
    return this.#stderr;
  }

  /** To the shell and all that it has started, as Ctrl-C does. */
  kill(signal: NodeJS.Signals): Promise<Run> {
    const { pid } = this.#child;
    if (pid !== undefined && !this.isOver) process.kill(-pid, signal);
    return this.ended;
  }
}

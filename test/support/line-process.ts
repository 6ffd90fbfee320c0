/** A program that answers each line of its standard input with one line, and lives as long as the test. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

const SAID_MAX = 4_000;

export interface LineProcessOptions {
  readonly env?: Readonly<Record<string, string>>;
}

export class LineProcess {
  readonly #child: ChildProcess;
  readonly #name: string;
  readonly #waiting: { resolve: (line: string) => void; reject: (why: Error) => void }[] = [];
  #said = '';
  #isOver = false;

  constructor(command: string, args: readonly string[], { env = {} }: LineProcessOptions = {}) {
    this.#name = [command, ...args.slice(-2)].join(' ');
    const child = spawn(command, args, {
      env: { ...process.env, ...env },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    this.#child = child;
    createInterface({ input: child.stdout }).on('line', (line) =>
      this.#waiting.shift()?.resolve(line),
    );
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#said = (this.#said + text).slice(-SAID_MAX);
    });
    // A write to one that has just ended is answered by its end.
    child.stdin.on('error', () => undefined);
    const atExit = (): void => void child.kill('SIGKILL');
    process.once('exit', atExit);
    child.on('close', () => {
      process.off('exit', atExit);
      this.#isOver = true;
      for (const { reject } of this.#waiting.splice(0)) reject(this.#ended());
    });
  }

  ask(line: string): Promise<string> {
    return new Promise((resolve, reject) => {
      if (this.#isOver) {
        reject(this.#ended());
        return;
      }
      this.#waiting.push({ resolve, reject });
      this.#child.stdin?.write(`${line}\n`);
    });
  }

  async stop(): Promise<void> {
    if (this.#isOver) return;
    const closed = new Promise((resolve) => this.#child.once('close', resolve));
    this.#child.kill('SIGKILL');
    await closed;
  }

  #ended(): Error {
    return new TypeError(`${this.#name} has ended: ${this.#said}`);
  }
}

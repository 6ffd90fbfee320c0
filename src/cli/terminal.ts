import pc from 'picocolors';
import { errorText } from '../common/error-text.ts';
import { exitCodeOf } from './exit-codes.ts';

/** Options that all commands of this kind have. */
export interface JsonOption {
  readonly json?: boolean;
}

/** Where a command writes: answers to `out`, everything that is no answer to `errors`. */
export interface Terminal {
  readonly json: boolean;
  readonly isTerminal: boolean;
  /** A line for people; not there with `--json`. */
  say(line: string): void;
  /** The answer for programs, one JSON document on a line; only there with `--json`. */
  answer(value: unknown): void;
  /** A line that is overwritten by what comes next. Only on a terminal. */
  progress(line: string): void;
}

/** Runs a command: prints what it throws and makes its exit code of it. */
export async function onTerminal(
  { json }: JsonOption,
  run: (terminal: Terminal) => Promise<number>,
): Promise<number> {
  const terminal = new ProcessTerminal(json === true);
  try {
    return await run(terminal);
  } catch (error) {
    terminal.failure(error);
    return exitCodeOf(error);
  } finally {
    terminal.close();
  }
}

class ProcessTerminal implements Terminal {
  readonly json: boolean;
  readonly isTerminal = process.stdout.isTTY;
  #lineIsOpen = false;

  constructor(json: boolean) {
    this.json = json;
  }

  say(line: string): void {
    if (this.json) return;
    this.close();
    process.stdout.write(`${line}\n`);
  }

  answer(value: unknown): void {
    if (this.json) process.stdout.write(`${JSON.stringify(value)}\n`);
  }

  progress(line: string): void {
    if (this.json || !this.isTerminal) return;
    process.stdout.write(`\r${line}\u001B[K`);
    this.#lineIsOpen = true;
  }

  failure(error: unknown): void {
    this.close();
    const text = errorText(error);
    if (this.json) process.stdout.write(`${JSON.stringify({ error: text })}\n`);
    process.stderr.write(`${pc.red(text)}\n`);
  }

  close(): void {
    if (this.#lineIsOpen) process.stdout.write('\r\u001B[K');
    this.#lineIsOpen = false;
  }
}

import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

/** The events of `tidemark run --json` that are used here. */
export type RunEvent =
  | {
      readonly kind: 'starting';
      readonly jobName: string;
      readonly parallelism: number;
      readonly messages: readonly string[];
      readonly restoredCheckpoint?: number;
    }
  | {
      readonly kind: 'checkpoint-completed';
      readonly checkpointId: number;
      readonly durationMs: number;
      readonly writtenBytes: number;
      readonly stateBytes: number;
    }
  | { readonly kind: 'checkpoint-failed'; readonly checkpointId: number; readonly reason: string }
  | { readonly kind: 'failure'; readonly error: string; readonly restartInMs?: number }
  | { readonly kind: 'restarted'; readonly restoredCheckpoint?: number }
  | {
      readonly kind: 'task-manager';
      readonly id: string;
      readonly pid: number;
      readonly status: 'started' | 'registered' | 'lost';
      readonly spare: boolean;
    }
  | { readonly kind: 'warning'; readonly message: string }
  | { readonly kind: 'progress'; readonly read: number }
  | { readonly kind: 'refused'; readonly error: string }
  | { readonly kind: 'result'; readonly status: string; readonly error?: string }
  | { readonly kind: 'status' };

/** How a process ended. */
export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** What it said about why it failed; empty if it said nothing. */
  readonly error: string;
}

const ERROR_LINES_MAX = 40;

/** One process that runs the job. */
export class JobProcess {
  readonly pid: number;
  /** Resolves when the process is gone and its last event was handed on. */
  readonly ended: Promise<Ended>;
  readonly #child: ChildProcess;
  #error: string | undefined;
  readonly #errorLines: string[] = [];

  constructor(root: string, args: readonly string[], onEvent: (event: RunEvent) => void) {
    // A group of its own: Ctrl-C reaches this program alone, which then ends the child.
    const child = spawn(process.execPath, ['bin/tidemark.mjs', ...args], {
      cwd: root,
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    this.#child = child;
    this.pid = child.pid ?? -1;
    createInterface({ input: child.stdout }).on('line', (line) => {
      this.#line(line, onEvent);
    });
    createInterface({ input: child.stderr }).on('line', (line) => {
      this.#errorLines.push(line);
      if (this.#errorLines.length > ERROR_LINES_MAX) this.#errorLines.shift();
    });
    this.ended = new Promise((resolve) => {
      child.on('error', (error) => this.#errorLines.push(error.message));
      child.on('close', (code, signal) => {
        resolve({ code, signal, error: this.#error ?? this.#errorLines.join('\n') });
      });
    });
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  #line(line: string, onEvent: (event: RunEvent) => void): void {
    const event = parse(line);
    if (event === undefined) {
      this.#errorLines.push(line);
      return;
    }
    if ((event.kind === 'refused' || event.kind === 'result') && event.error !== undefined) {
      this.#error = event.error;
    }
    onEvent(event);
  }
}

/** Undefined for a line that a killed process did not write to its end, or that the job printed. */
function parse(line: string): RunEvent | undefined {
  try {
    const value: unknown = JSON.parse(line);
    const isEvent = typeof value === 'object' && value !== null && 'kind' in value;
    return isEvent ? (value as RunEvent) : undefined;
  } catch {
    return undefined;
  }
}

/** Starts the real command from dist/ and waits for what it says or writes, never for a time. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { sleep, systemClock } from '../../src/common/clock.ts';

export const REPOSITORY = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');

/** How often a condition that no event tells is looked at. */
const LOOK_MS = 2;

/** A TaskManager that only gets no time of a busy machine is not taken for frozen: it would be a failure more. */
const PATIENCE = { FLINK_HEARTBEAT_TIMEOUT_MS: '60000' };

export interface Run {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** An event of `--json`; which fields there are depends on the kind. */
export interface TidemarkEvent {
  readonly kind: string;
  readonly [field: string]: unknown;
}

export interface NodeOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** A Node program of the project that runs beside the test. */
export class NodeProcess {
  readonly events: TidemarkEvent[] = [];
  readonly ended: Promise<Run>;
  readonly pid: number;
  readonly #child: ChildProcess;
  #isOver = false;
  #stdout = '';

  constructor(args: readonly string[], { cwd = REPOSITORY, env = {} }: NodeOptions = {}) {
    const child = spawn(process.execPath, args, {
      cwd,
      env: { ...process.env, NO_COLOR: '1', ...PATIENCE, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child = child;
    this.pid = child.pid ?? -1;
    let stderr = '';
    createInterface({ input: child.stdout }).on('line', (line) => {
      this.#stdout += `${line}\n`;
      const event = eventOf(line);
      if (event !== undefined) this.events.push(event);
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    this.ended = new Promise((resolve) => {
      child.on('close', (code, signal) => {
        this.#isOver = true;
        resolve({ code, signal, stdout: this.#stdout, stderr });
      });
    });
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** What it has printed so far, in whole lines. */
  get stdout(): string {
    return this.#stdout;
  }

  /** Resolves when `holds` does: true; or when the process is over before: false. */
  async until(holds: () => boolean): Promise<boolean> {
    for (;;) {
      if (holds()) return true;
      if (this.#isOver) return false;
      await sleep(systemClock, LOOK_MS);
    }
  }

  /** Records that the sources have read, as told last. */
  recordsRead(): number {
    return Number(this.events.findLast(({ kind }) => kind === 'progress')?.['read'] ?? 0);
  }

  count(kind: string): number {
    return this.events.filter((event) => event.kind === kind).length;
  }

  kill(signal: NodeJS.Signals): Promise<Run> {
    this.#child.kill(signal);
    return this.ended;
  }
}

function eventOf(line: string): TidemarkEvent | undefined {
  try {
    return JSON.parse(line) as TidemarkEvent;
  } catch {
    return undefined;
  }
}

export function startTidemark(args: readonly string[], options?: NodeOptions): NodeProcess {
  return new NodeProcess([`${REPOSITORY}/bin/tidemark.mjs`, ...args], options);
}

export function runTidemark(args: readonly string[], options?: NodeOptions): Promise<Run> {
  return startTidemark(args, options).ended;
}

/** The main job's independent expectation, in Python. */
export function runReference(...args: readonly string[]): Run {
  return runPython('health_pipeline.py', ...args);
}

/** A program of test/reference. */
export function runPython(name: string, ...args: readonly string[]): Run {
  const script = `${REPOSITORY}/test/reference/${name}`;
  const { status, signal, stdout, stderr } = spawnSync('python3', [script, ...args], {
    encoding: 'utf8',
  });
  return { code: status, signal, stdout, stderr };
}

export const settings = (values: Readonly<Record<string, string>>): string[] =>
  Object.entries(values).flatMap(([key, value]) => ['-D', `${key}=${value}`]);

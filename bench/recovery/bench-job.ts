import { fail } from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { sleep, systemClock } from '../../src/common/clock.ts';
import { Probe } from './probe.ts';

const ROOT = path.resolve(import.meta.dirname, '../..');
const LOOK_MS = 2;
const WAIT_MS_MAX = 300_000;

export interface BenchJobOptions {
  readonly keys: number;
  readonly valueBytes: number;
  readonly rate: number;
  readonly settings: Readonly<Record<string, string>>;
  /** What it starts from. Default: nothing. */
  readonly savepoint?: string;
}

interface Event {
  readonly kind: string;
  readonly atMs: number;
  readonly [field: string]: unknown;
}

export interface TaskManagerProcess {
  readonly id: string;
  readonly pid: number;
  readonly spare: boolean;
}

/** `tidemark run` with the bench's job: real processes, from `dist/`. */
export class BenchJob {
  readonly probe: Probe;
  readonly events: Event[] = [];
  readonly #folder: string;
  readonly #child: ChildProcess;
  #isOver = false;
  #error = '';

  constructor({ keys, valueBytes, rate, settings, savepoint }: BenchJobOptions) {
    this.#folder = fs.mkdtempSync(path.join(os.tmpdir(), 'tidemark-recovery-'));
    this.probe = new Probe(path.join(this.#folder, 'probe'));
    const all = { 'execution.checkpointing.dir': `${this.#folder}/checkpoints`, ...settings };
    const child = spawn(
      process.execPath,
      [
        ...['bin/tidemark.mjs', 'run', 'bench/recovery/job.ts', '--json'],
        ...(savepoint === undefined ? ['--fresh'] : ['-s', savepoint]),
        ...Object.entries(all).flatMap(([key, value]) => ['-D', `${key}=${value}`]),
        ...['--', '--probe', this.probe.folder, '--keys', String(keys)],
        ...['--value-bytes', String(valueBytes), '--rate', String(rate)],
      ],
      { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] },
    );
    this.#child = child;
    createInterface({ input: child.stdout }).on('line', (line) => {
      const event = JSON.parse(line) as Omit<Event, 'atMs'> & { kind: string };
      this.events.push({ ...event, atMs: Date.now() });
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => (this.#error += text));
    child.on('close', () => {
      this.#isOver = true;
    });
  }

  /** @throws if the job ends, or it takes too long. */
  async until<T>(what: string, look: () => T | undefined): Promise<T> {
    const endMs = performance.now() + WAIT_MS_MAX;
    for (;;) {
      const seen = look();
      if (seen !== undefined) return seen;
      if (this.#isOver) fail(`the job ended before ${what}: ${this.#error}`);
      if (performance.now() > endMs) fail(`no ${what} after ${WAIT_MS_MAX} ms`);
      await sleep(systemClock, LOOK_MS);
    }
  }

  /** All TaskManagers that are connected and have loaded the job. */
  taskManagers(): TaskManagerProcess[] {
    const living = new Map<string, TaskManagerProcess>();
    for (const event of this.events) {
      if (event.kind !== 'task-manager') continue;
      const { id, status } = event as unknown as { id: string; status: string };
      if (status === 'lost') living.delete(id);
      if (status === 'registered') living.set(id, event as unknown as TaskManagerProcess);
    }
    return [...living.values()];
  }

  /** Waits until a spare is ready and checkpoints complete, so that each round begins alike. */
  async settled(spares = 1): Promise<void> {
    await this.until('spare', () => this.taskManagers().length > spares || undefined);
    await this.checkpoint();
  }

  /** Waits for a checkpoint that completes from now on. Resolves to when it did. */
  checkpoint(): Promise<number> {
    const before = this.events.length;
    return this.until(
      'checkpoint',
      () => this.events.slice(before).find(({ kind }) => kind === 'checkpoint-completed')?.atMs,
    );
  }

  async close(): Promise<void> {
    this.#child.kill('SIGTERM');
    await new Promise<void>((resolve) => {
      if (this.#isOver) resolve();
      else
        this.#child.on('close', () => {
          resolve();
        });
    });
    fs.rmSync(this.#folder, { recursive: true });
  }
}

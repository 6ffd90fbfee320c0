import { fail } from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { sleep, systemClock } from '../../src/common/clock.ts';
import { cpuMicrosOfTree } from '../measure.ts';
import { Probe, type ProbeLine } from '../recovery/probe.ts';

const ROOT = path.resolve(import.meta.dirname, '../..');
/** Each look is a request, which takes time of the two cores that the savepoint could have. */
const LOOK_MS = 50;
const SECOND_MS = 1_000;
const WAIT_MS_MAX = 300_000;

interface BenchSubmission {
  readonly keys: number;
  readonly valueBytes: number;
  readonly parallelism: number;
  readonly rate: number;
}

interface Savepoint {
  readonly status: { readonly id: string };
  readonly operation: null | { readonly location?: string };
}

export interface SavepointRound {
  readonly stateBytes: number;
  readonly savepointMs: number;
  /** Of the service and the job's processes meanwhile, also for the reads: 0 where there is no `/proc`. */
  readonly cpuSeconds: number;
  /** Reads that came to the sink, in a second before the savepoint and in one while it was made. */
  readonly readsPerSecondBefore: number;
  readonly readsPerSecondDuring: number;
  /** The longest time without a read at the sink, meanwhile. */
  readonly longestGapMs: number;
}

/** The service in a folder of its own, with the bench's job in it, asked over REST. */
export class BenchService {
  readonly probe: Probe;
  readonly #root: string;
  readonly #address: string;
  readonly #pid: number;
  #jobId = '';
  #isOver = false;

  static async start(root: string): Promise<BenchService> {
    const started = tidemark(root, ['service', 'start', '--json', '-D', 'rest.bind-port=0']);
    const { address, pid } = JSON.parse(started) as {
      readonly address: string;
      readonly pid: number;
    };
    await Promise.resolve();
    return new BenchService(root, address, pid);
  }

  private constructor(root: string, address: string, pid: number) {
    this.#root = root;
    this.#address = address;
    this.#pid = pid;
    this.probe = new Probe(path.join(root, 'probe'));
  }

  async submit({ keys, valueBytes, parallelism, rate }: BenchSubmission): Promise<void> {
    const settings = {
      'execution.checkpointing.dir': `${this.#root}/checkpoints`,
      ...settingsFor(parallelism),
    };
    const out = tidemark(this.#root, [
      ...['run', '-d', 'bench/recovery/job.ts', '--json'],
      ...Object.entries(settings).flatMap(([key, value]) => ['-D', `${key}=${value}`]),
      ...['--', '--probe', this.probe.folder, '--keys', String(keys)],
      ...['--value-bytes', String(valueBytes), '--rate', String(rate)],
    ]);
    this.#jobId = (JSON.parse(out) as { readonly jobId: string }).jobId;
    await Promise.resolve();
  }

  async until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
    const endMs = performance.now() + WAIT_MS_MAX;
    while (!(await holds())) {
      if (performance.now() > endMs) fail(`no ${what} after ${WAIT_MS_MAX} ms`);
      await sleep(systemClock, LOOK_MS);
    }
  }

  lastReadsAreCorrect(count: number): boolean {
    const lines = this.probe.lines().slice(-count);
    return lines.length === count && lines.every(({ ok }) => ok);
  }

  /** Waits for a checkpoint that completes from now on: nothing else is written then. */
  async checkpointed(): Promise<void> {
    const before = await this.#completed();
    await this.until('checkpoint', async () => (await this.#completed()) > before);
  }

  async savepoint(
    directory: string,
  ): Promise<{ readonly url: string; readonly round: SavepointRound }> {
    const beforeMs = Date.now();
    await sleep(systemClock, SECOND_MS);
    const cpuMicrosBefore = cpuMicrosOfTree(this.#pid);
    const startedMs = Date.now();
    const asked = await this.#ask<{ readonly 'request-id': string }>(`/savepoints`, {
      'target-directory': directory,
    });
    let done: Savepoint | undefined;
    await this.until('savepoint', async () => {
      done = await this.#ask<Savepoint>(`/savepoints/${asked['request-id']}`);
      return done.status.id === 'COMPLETED';
    });
    const endMs = Date.now();
    const cpuMicros = cpuMicrosOfTree(this.#pid) - cpuMicrosBefore;
    const url = done?.operation?.location ?? fail(`the savepoint failed: ${JSON.stringify(done)}`);
    const lines = this.probe.lines();
    const during = lines.filter(({ sinkMs }) => sinkMs >= startedMs && sinkMs <= endMs);
    const before = lines.filter(({ sinkMs }) => sinkMs >= beforeMs && sinkMs < startedMs);
    const { latest } = await this.#checkpoints();
    return {
      url,
      round: {
        stateBytes: latest.savepoint?.state_size ?? 0,
        savepointMs: endMs - startedMs,
        cpuSeconds: cpuMicros / 1e6,
        readsPerSecondBefore: (before.length / (startedMs - beforeMs)) * SECOND_MS,
        readsPerSecondDuring: (during.length / (endMs - startedMs)) * SECOND_MS,
        longestGapMs: longestGapMs(during, startedMs, endMs),
      },
    };
  }

  /** Ends the service with its job. */
  async stop(): Promise<void> {
    if (this.#isOver) return;
    this.#isOver = true;
    await Promise.resolve();
    tidemark(this.#root, ['service', 'stop']);
  }

  async #completed(): Promise<number> {
    return (await this.#checkpoints()).counts.completed;
  }

  #checkpoints() {
    return this.#ask<{
      readonly counts: { readonly completed: number };
      readonly latest: { readonly savepoint: null | { readonly state_size: number } };
    }>('/checkpoints');
  }

  async #ask<Answer>(what: string, body?: object): Promise<Answer> {
    const response = await fetch(`${this.#address}/v1/jobs/${this.#jobId}${what}`, {
      ...(body && {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      }),
    });
    if (!response.ok) fail(await response.text());
    return (await response.json()) as Answer;
  }
}

function tidemark(root: string, args: readonly string[]): string {
  return execFileSync(process.execPath, ['bin/tidemark.mjs', ...args], {
    cwd: ROOT,
    encoding: 'utf8',
    env: { ...process.env, TIDEMARK_HOME: path.join(root, 'home') },
  });
}

function longestGapMs(lines: readonly ProbeLine[], fromMs: number, toMs: number): number {
  const times = [fromMs, ...lines.map(({ sinkMs }) => sinkMs), toMs];
  return Math.max(...times.slice(1).map((ms, at) => ms - (times[at] ?? ms)));
}

export function settingsFor(parallelism: number): Readonly<Record<string, string>> {
  return {
    'parallelism.default': String(parallelism),
    'execution.checkpointing.interval': '10 s',
    'execution.checkpointing.min-pause': '0',
  };
}

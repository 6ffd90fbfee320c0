/**
 * Runs the job in a process of its own, kills that process and starts it again, and takes down what
 * happened.
 *
 *   running ──(enough rows and checkpoints)──> SIGKILL ──> running again, from the last checkpoint
 *
 * The rows of a later process come on top of what its checkpoint held, which no event tells; until
 * the end the bar goes on from the rows that were read when that checkpoint was complete.
 */
import { JobProcess, type Ended, type RunEvent } from './job-process.ts';

export interface RunPlan {
  readonly root: string;
  /** Of `tidemark`. */
  readonly args: readonly string[];
  readonly kills: number;
  /** In all input files. */
  readonly rows: number;
}

/** One kill and the way back. Milliseconds of the monotonic clock. */
export interface Recovery {
  /** From the kill to the first record that the new process read. */
  readonly recoveryMs: number;
  /** Of these: until the new process led the job and had found its checkpoint. */
  readonly startMs: number;
}

export interface RunFigures {
  readonly checkpoints: number;
  readonly kills: number;
  /** Restarts that the job made by itself, without a new process. */
  readonly jobRestarts: number;
  readonly recoveries: readonly Recovery[];
  readonly durationMs: number;
}

export type RunOutcome =
  | { readonly kind: 'finished'; readonly figures: RunFigures }
  | { readonly kind: 'failed'; readonly error: string }
  | { readonly kind: 'stopped' };

/** What is told of a run while it goes on. */
export interface RunListener {
  event(event: RunEvent, atMs: number): void;
  rows(done: number, atMs: number): void;
  killed(pid: number, rows: number, atMs: number): void;
  recovered(recovery: Recovery, atMs: number): void;
}

/** Before the first kill, so that there is something to see and to restore. */
const CHECKPOINTS_BEFORE_KILL = 3;

export class RunWithKills {
  readonly #plan: RunPlan;
  readonly #listener: RunListener;
  readonly #startedMs = performance.now();
  readonly #recoveries: Recovery[] = [];
  #process: JobProcess | undefined;
  #stopping = false;
  #checkpoints = 0;
  #checkpointsOfProcess = 0;
  #jobRestarts = 0;
  #kills = 0;
  #killedAtMs: number | undefined;
  #leadsAtMs: number | undefined;
  /** Rows before this process's first one, and those at the last complete checkpoint. */
  #rowsBefore = 0;
  #rows = 0;
  #rowsAtCheckpoint = 0;

  constructor(plan: RunPlan, listener: RunListener) {
    this.#plan = plan;
    this.#listener = listener;
  }

  async run(): Promise<RunOutcome> {
    for (;;) {
      const killsBefore = this.#kills;
      const ended = await this.#runOnce();
      if (this.#stopping) return { kind: 'stopped' };
      if (this.#kills > killsBefore && ended.signal === 'SIGKILL') continue;
      if (ended.code === 0) return { kind: 'finished', figures: this.#figures() };
      return { kind: 'failed', error: textOf(ended) };
    }
  }

  /** The first call lets the job cancel itself, the next ends it at once. */
  stop(): void {
    this.#process?.kill(this.#stopping ? 'SIGKILL' : 'SIGTERM');
    this.#stopping = true;
  }

  async #runOnce(): Promise<Ended> {
    const { root, args } = this.#plan;
    this.#checkpointsOfProcess = 0;
    this.#leadsAtMs = undefined;
    this.#rowsBefore = this.#rowsAtCheckpoint;
    this.#rows = this.#rowsAtCheckpoint;
    this.#process = new JobProcess(root, args, (event) => {
      this.#event(event);
    });
    return this.#process.ended;
  }

  #event(event: RunEvent): void {
    const nowMs = performance.now();
    const atMs = nowMs - this.#startedMs;
    this.#listener.event(event, atMs);
    if (event.kind === 'starting') this.#leadsAtMs = nowMs;
    if (event.kind === 'failure' && event.restartInMs !== undefined) this.#jobRestarts += 1;
    if (event.kind === 'progress') this.#progress(event.read, nowMs);
    if (event.kind === 'checkpoint-completed') {
      this.#checkpoints += 1;
      this.#checkpointsOfProcess += 1;
      this.#rowsAtCheckpoint = this.#rows;
    }
    if (this.#isTimeToKill()) this.#kill(nowMs);
  }

  #progress(read: number, nowMs: number): void {
    const atMs = nowMs - this.#startedMs;
    this.#rows = Math.min(this.#plan.rows, this.#rowsBefore + read);
    if (this.#killedAtMs !== undefined) {
      const recoveryMs = nowMs - this.#killedAtMs;
      const startMs = (this.#leadsAtMs ?? nowMs) - this.#killedAtMs;
      const recovery = { recoveryMs, startMs };
      this.#recoveries.push(recovery);
      this.#killedAtMs = undefined;
      this.#listener.recovered(recovery, atMs);
    }
    this.#listener.rows(this.#rows, atMs);
  }

  /** The kills divide the rows evenly; each process completes a checkpoint before its own. */
  #isTimeToKill(): boolean {
    const { kills, rows } = this.#plan;
    if (this.#kills >= kills || this.#killedAtMs !== undefined || this.#stopping) return false;
    const least = this.#kills === 0 ? CHECKPOINTS_BEFORE_KILL : 1;
    const share = (this.#kills + 1) / (kills + 1);
    return this.#checkpointsOfProcess >= least && this.#rows >= rows * share;
  }

  #kill(nowMs: number): void {
    const job = this.#process;
    if (job === undefined) return;
    job.kill('SIGKILL');
    this.#kills += 1;
    this.#killedAtMs = nowMs;
    this.#listener.killed(job.pid, this.#rows, nowMs - this.#startedMs);
  }

  #figures(): RunFigures {
    return {
      checkpoints: this.#checkpoints,
      kills: this.#kills,
      jobRestarts: this.#jobRestarts,
      recoveries: this.#recoveries,
      durationMs: performance.now() - this.#startedMs,
    };
  }
}

function textOf({ code, signal, error }: Ended): string {
  const how =
    signal === null
      ? `The job's process ended with exit code ${String(code)}.`
      : `The job's process was ended by ${signal}, not by us.`;
  return error === '' ? how : `${how}\n${error}`;
}

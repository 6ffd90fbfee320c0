/**
 * Runs the job, kills a process of it, and takes down what happened: a TaskManager, whose place the
 * job fills by itself, or the whole job, which is then started again.
 *
 *   running ──(enough rows and checkpoints)──> SIGKILL ──> running again, from the last checkpoint
 *
 * The rows of a later attempt come on top of what its checkpoint held, which no event tells; until
 * the end the bar goes on from the rows that were read when that checkpoint was complete.
 */
import { JobProcess, type Ended, type RunEvent } from './job-process.ts';

/** What is killed: a process in which tasks run, or the one that leads the job, and all with it. */
export type VictimKind = 'task-manager' | 'job';

export interface Victim {
  /** For people. */
  readonly name: string;
  readonly pid: number;
}

export interface RunPlan {
  readonly root: string;
  /** Of `tidemark`. */
  readonly args: readonly string[];
  readonly kills: number;
  readonly victim: VictimKind;
  /** In all input files. */
  readonly rows: number;
}

/** One kill and the way back. Milliseconds of the monotonic clock. */
export interface Recovery {
  /** From the kill to the first record that was read again. */
  readonly recoveryMs: number;
  /** Of these: until all tasks ran again. Of a killed job: until the new process led it. */
  readonly startMs: number;
}

export interface RunFigures {
  readonly checkpoints: number;
  readonly kills: number;
  /** Restarts for which we are not the reason. */
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
  killed(victim: Victim, rows: number, atMs: number): void;
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
  /** Those that have loaded the job, by their ids. */
  readonly #taskManagers = new Map<string, { readonly pid: number; readonly spare: boolean }>();
  #stopping = false;
  #checkpoints = 0;
  #checkpointsOfAttempt = 0;
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
    this.#taskManagers.clear();
    this.#process = new JobProcess(root, args, (event) => {
      this.#event(event);
    });
    return this.#process.ended;
  }

  #event(event: RunEvent): void {
    const nowMs = performance.now();
    const atMs = nowMs - this.#startedMs;
    this.#listener.event(event, atMs);
    switch (event.kind) {
      case 'starting':
      case 'restarted':
        this.#begins(nowMs);
        break;
      case 'failure':
        if (event.restartInMs !== undefined) this.#jobRestarts += 1;
        break;
      case 'progress':
        this.#progress(event.read, nowMs);
        break;
      case 'task-manager':
        if (event.status === 'registered') this.#taskManagers.set(event.id, event);
        if (event.status === 'lost') this.#lost(event.id);
        break;
      case 'checkpoint-completed':
        this.#checkpoints += 1;
        this.#checkpointsOfAttempt += 1;
        this.#rowsAtCheckpoint = this.#rows;
        break;
      default:
        break;
    }
    const victim = this.#isTimeToKill() ? this.#victim() : undefined;
    if (victim !== undefined) this.#kill(victim, nowMs);
  }

  /** A spare that stood by has taken the place of one that worked, which no event tells. */
  #lost(id: string): void {
    const lost = this.#taskManagers.get(id);
    this.#taskManagers.delete(id);
    if (lost === undefined || lost.spare) return;
    const [next, spare] = [...this.#taskManagers].find(([, one]) => one.spare) ?? [];
    if (next !== undefined && spare !== undefined)
      this.#taskManagers.set(next, { ...spare, spare: false });
  }

  /** An attempt: all counts begin anew. */
  #begins(nowMs: number): void {
    this.#checkpointsOfAttempt = 0;
    this.#leadsAtMs = nowMs;
    this.#rowsBefore = this.#rowsAtCheckpoint;
    this.#rows = this.#rowsAtCheckpoint;
  }

  #progress(read: number, nowMs: number): void {
    // What an attempt that is dead has said before it was known to be.
    if (this.#leadsAtMs === undefined) return;
    const atMs = nowMs - this.#startedMs;
    this.#rows = Math.min(this.#plan.rows, this.#rowsBefore + read);
    if (this.#killedAtMs !== undefined) {
      const recoveryMs = nowMs - this.#killedAtMs;
      const startMs = this.#leadsAtMs - this.#killedAtMs;
      const recovery = { recoveryMs, startMs };
      this.#recoveries.push(recovery);
      this.#killedAtMs = undefined;
      this.#listener.recovered(recovery, atMs);
    }
    this.#listener.rows(this.#rows, atMs);
  }

  /** The kills divide the rows evenly; each attempt completes a checkpoint before its own. */
  #isTimeToKill(): boolean {
    const { kills, rows } = this.#plan;
    if (this.#kills >= kills || this.#killedAtMs !== undefined || this.#stopping) return false;
    const least = this.#kills === 0 ? CHECKPOINTS_BEFORE_KILL : 1;
    const share = (this.#kills + 1) / (kills + 1);
    return this.#checkpointsOfAttempt >= least && this.#rows >= rows * share;
  }

  /** Undefined as long as there is none: a TaskManager is killed when another one stands by. */
  #victim(): Victim | undefined {
    const job = this.#process;
    if (job === undefined) return undefined;
    if (this.#plan.victim === 'job') return { name: 'the job', pid: job.pid };
    const all = [...this.#taskManagers];
    const [id, first] = all.find(([, { spare }]) => !spare) ?? [];
    const stands = all.some(([other]) => other !== id && this.#taskManagers.get(other)?.spare);
    return first === undefined || !stands
      ? undefined
      : { name: `TaskManager ${id}`, pid: first.pid };
  }

  #kill(victim: Victim, nowMs: number): void {
    try {
      process.kill(victim.pid, 'SIGKILL');
    } catch {
      // It has just ended by itself, which nobody has told of yet.
      return;
    }
    this.#kills += 1;
    this.#killedAtMs = nowMs;
    this.#leadsAtMs = undefined;
    this.#listener.killed(victim, this.#rows, nowMs - this.#startedMs);
  }

  #figures(): RunFigures {
    return {
      checkpoints: this.#checkpoints,
      kills: this.#kills,
      // The job fills a TaskManager's place by itself.
      jobRestarts: this.#jobRestarts - (this.#plan.victim === 'task-manager' ? this.#kills : 0),
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

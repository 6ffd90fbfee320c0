import { Worker } from 'node:worker_threads';
import type { Cancel, Clock } from '../../common/clock.ts';
import type { NodeSurroundings } from '../../common/node-spawner.ts';
import { EngineError } from '../../common/errors.ts';
import { receiveError } from '../../common/error-transfer.ts';
import type { CommitResult } from '../../contracts/sink.ts';
import type { SerializedCommittable } from '../../contracts/snapshots.ts';
import type { OperatorEvent } from '../../runtime/operator.ts';
import type { PlannedJob } from '../lead-job.ts';
import type {
  CoordinatedJob,
  CoordinatorCall,
  CoordinatorCalls,
  CoordinatorData,
  DescribedJob,
  FromCoordinator,
  JobRequest,
  ToCoordinator,
} from './coordinator-protocol.ts';
import type {
  CoordinatorListener,
  OperatorCoordinators,
  SourceStart,
} from './operator-coordinators.ts';

/** How often the thread is asked for a sign of life. */
const PING_MS = 1000;
/** What it does at its end must be done by then. */
const CLOSE_MS_MAX = 10_000;

export interface CoordinatorThreadOptions {
  /** URL of the job's module. */
  readonly module: string;
  readonly clock: Clock;
  /** What the job's code finds around it. Default: what this thread finds. */
  readonly surroundings?: NodeSurroundings;
}

interface Waiting {
  readonly resolve: (answer: never) => void;
  readonly reject: (error: Error) => void;
}

/**
 * The coordinators of a job in a thread of their own, so that no code of the job's user runs where
 * the JobMaster runs: it first plans the job, then hosts its enumerators and committers.
 *
 * Invariant: when the thread has died, everything that was asked of it is refused, the listener is
 * told once, and what is asked next goes to a new thread.
 */
export class CoordinatorThread implements OperatorCoordinators {
  readonly #options: CoordinatorThreadOptions;
  #worker: Worker;
  #stuckMs = Infinity;
  #led: CoordinatedJob | undefined;
  #listener: CoordinatorListener | undefined;
  #death: EngineError | undefined;
  #closing = false;
  #calls = 0;
  #waiting = new Map<number, Waiting>();
  #cancelWatch: Cancel | undefined;
  #isReady = false;

  constructor(options: CoordinatorThreadOptions) {
    this.#options = options;
    this.#worker = this.#start();
  }

  /** False when it has died: what has been described must be described again. */
  get isAlive(): boolean {
    return this.#death === undefined;
  }

  /** Loads the job's code. @throws {EngineError} `JOB-005`, `SET-…`, `API-…` and what the module throws. */
  describe(request: JobRequest): Promise<DescribedJob> {
    return this.#call('describe', request);
  }

  /** @throws {EngineError} `GRA-…` */
  plan(maxParallelism: number): Promise<PlannedJob> {
    return this.#call('plan', { maxParallelism });
  }

  /** @throws what a sink refuses to start with. */
  preflight(): Promise<readonly string[]> {
    return this.#call('preflight', undefined);
  }

  /**
   * Takes the job up: from here on it is watched.
   *
   * @param stuckMs A thread that gives no sign of life for so long is ended.
   */
  lead(job: CoordinatedJob, stuckMs: number): void {
    this.#led = job;
    this.#stuckMs = stuckMs;
    this.#takeUp(job);
  }

  listen(listener: CoordinatorListener): void {
    this.#listener = listener;
  }

  startSources(attempt: number, sources: readonly SourceStart[]): void {
    this.#revive();
    this.#say({ kind: 'start-sources', attempt, sources });
  }

  async stopSources(uids: readonly string[]): Promise<void> {
    // What a dead thread had is stopped.
    if (this.#death !== undefined) return;
    await this.#call('stop-sources', { uids }).catch((error: unknown) => {
      if (this.#death === undefined) throw error;
    });
  }

  operatorEvent(uid: string, attempt: number, subtask: number, event: OperatorEvent): void {
    this.#say({ kind: 'operator-event', uid, attempt, subtask, event });
  }

  snapshot(checkpointId: number): Promise<Readonly<Record<string, string>>> {
    return this.#call('snapshot', { checkpointId });
  }

  release(checkpointId: number): void {
    this.#say({ kind: 'release', checkpointId });
  }

  commit(committables: readonly SerializedCommittable[]): Promise<readonly CommitResult[]> {
    this.#revive();
    return this.#call('commit', { committables });
  }

  async abortLeftovers(uids: readonly string[]): Promise<void> {
    this.#revive();
    await this.#call('abort-leftovers', { uids });
  }

  async close(): Promise<void> {
    if (this.#closing) return;
    this.#closing = true;
    this.#cancelWatch?.();
    if (this.#death !== undefined) return;
    const overdue = new Promise<void>((resolve) => {
      this.#cancelWatch = this.#options.clock.after(CLOSE_MS_MAX, resolve);
    });
    const closed = this.#call('close', undefined).catch(() => undefined);
    await Promise.race([closed, overdue]);
    this.#cancelWatch?.();
    await this.#worker.terminate();
  }

  #start(): Worker {
    const { module, surroundings: { folder, env, output } = {} } = this.#options;
    const data: CoordinatorData = { module, folder };
    // The entry has the extension of this file: `.ts` from the sources, `.js` when it is built.
    const entry = new URL(`./coordinator-main${import.meta.url.slice(-3)}`, import.meta.url);
    const worker = new Worker(entry, {
      workerData: data,
      name: 'coordinator',
      ...(env && { env }),
      stdout: output !== undefined,
      stderr: output !== undefined,
    });
    if (output !== undefined) {
      worker.stdout.on('data', output);
      worker.stderr.on('data', output);
    }
    let lastError: unknown;
    worker.on('message', (message: FromCoordinator) => {
      this.#receive(message);
    });
    worker.on('error', (error) => {
      lastError = error;
    });
    worker.on('exit', (exitCode) => {
      if (worker === this.#worker) this.#died(exitCode, lastError);
    });
    return worker;
  }

  /** A dead thread's place is taken by a new one, which takes the job up again. */
  #revive(): void {
    if (this.#death === undefined || this.#led === undefined || this.#closing) return;
    this.#death = undefined;
    this.#isReady = false;
    this.#worker = this.#start();
    this.#takeUp(this.#led);
  }

  #takeUp(job: CoordinatedJob): void {
    this.#call('lead', job).then(
      () => {
        this.#isReady = true;
        for (const message of this.#early.splice(0)) this.#worker.postMessage(message);
        this.#watch();
      },
      (error: unknown) => {
        if (!this.#closing) this.#listener?.failed(error, undefined);
      },
    );
  }

  /** What comes before the thread has taken the job up. Bounded by what a job does at its start. */
  readonly #early: ToCoordinator[] = [];

  #say(message: ToCoordinator): void {
    if (this.#death !== undefined) return;
    if (this.#isReady || message.kind === 'ping') this.#worker.postMessage(message);
    else this.#early.push(message);
  }

  #call<Name extends CoordinatorCall>(
    name: Name,
    call: CoordinatorCalls[Name]['call'],
  ): Promise<CoordinatorCalls[Name]['answer']> {
    if (this.#death !== undefined) return Promise.reject(this.#death);
    const id = (this.#calls += 1);
    const message = { kind: 'call', id, name, call } as ToCoordinator;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      if (BEFORE_THE_LEAD.has(name)) this.#worker.postMessage(message);
      else this.#say(message);
    });
  }

  #receive(message: FromCoordinator): void {
    switch (message.kind) {
      case 'answer':
        this.#waiting.get(message.id)?.resolve(message.answer as never);
        this.#waiting.delete(message.id);
        return;
      case 'refusal':
        this.#waiting.get(message.id)?.reject(receiveError(message.error));
        this.#waiting.delete(message.id);
        return;
      case 'send':
        this.#listener?.send(message.uid, message.attempt, message.subtask, message.event);
        return;
      case 'failed':
        this.#listener?.failed(receiveError(message.error), message.uid);
        return;
      case 'pong':
        this.#cancelWatch?.();
        this.#cancelWatch = this.#options.clock.after(PING_MS, () => {
          this.#watch();
        });
        return;
    }
  }

  /** Asks the thread for a sign of life, and ends it when none comes for too long. */
  #watch(): void {
    if (this.#closing || this.#stuckMs === Infinity) return;
    const worker = this.#worker;
    this.#say({ kind: 'ping' });
    this.#cancelWatch?.();
    this.#cancelWatch = this.#options.clock.after(this.#stuckMs, () => {
      if (worker !== this.#worker) return;
      this.#died(0, stuckError(this.#stuckMs));
      void worker.terminate();
    });
  }

  #died(exitCode: number, cause: unknown): void {
    if (this.#death !== undefined) return;
    this.#cancelWatch?.();
    const death = deathOf(exitCode, cause);
    this.#death = death;
    this.#early.length = 0;
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const { reject } of waiting) reject(death);
    if (!this.#closing) this.#listener?.failed(death, undefined);
  }
}

/** What the thread answers before it has taken a job up. */
const BEFORE_THE_LEAD: ReadonlySet<CoordinatorCall> = new Set([
  'describe',
  'plan',
  'preflight',
  'lead',
  'close',
]);

function stuckError(stuckMs: number): EngineError {
  return new EngineError('JOB-021', 'user-code', 'the coordinator thread is stuck', {
    details: { stuckMs },
    hint: 'Look for an endless or very long loop in the enumerator of a source or the committer of a sink, or raise tidemark.task.stuck-timeout.',
  });
}

function deathOf(exitCode: number, cause: unknown): EngineError {
  if (cause instanceof EngineError) return cause;
  const details = { exitCode };
  return new EngineError('JOB-022', 'user-code', 'the coordinator thread ended by itself', {
    details,
    hint: 'Look at the enumerators of sources, the committers of sinks and the top of the job module: process.exit(), a promise that nobody waits for, or too much memory end this thread.',
    cause,
  });
}

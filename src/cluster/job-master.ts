import { assert } from '../common/assert.ts';
import type { Cancel } from '../common/clock.ts';
import type { CheckpointHistory, CheckpointStatistics } from '../checkpoint/checkpoint-history.ts';
import type { CoordinatorSettings, TriggerOutcome } from '../checkpoint/coordinator-types.ts';
import type { World } from '../contracts/source.ts';
import type { ExecutionPlan } from '../graph/execution-plan.ts';
import type { TaskId } from '../runtime/gateways.ts';
import type { RestoreProgress } from '../common/restore-progress.ts';
import type { OperatorCoordinators } from './coordinator/operator-coordinators.ts';
import type { Deployment } from './deployment.ts';
import type { AttemptListener } from './attempt.ts';
import { CheckpointDriver, type LifeOfCheckpoints } from './checkpoint-driver.ts';
import type { JobEvent, JobResult, JobStatus } from './job-events.ts';
import type { JobRequest } from './job-requests.ts';
import type { JobStore } from './job-store.ts';
import { RegionAttempts } from './region-attempts.ts';
import {
  endOf,
  isTerminal,
  statusOf,
  stepJobLife,
  type JobLife,
  type JobLifeAction,
  type JobLifeEvent,
  type Regions,
  type TerminalLife,
} from './job-life.ts';
import type { FailureHistory, RestartStrategy } from './restart-strategy.ts';
import { SubtaskTable, type SubtaskLife } from './subtask-table.ts';

export interface JobMasterOptions {
  readonly plan: ExecutionPlan;
  readonly world: World;
  /** What this leadership may write: metadata, `HEAD`, files. */
  readonly store: JobStore;
  readonly coordinator: CoordinatorSettings;
  readonly restart: RestartStrategy;
  /** What a failed task takes down: its region, or the whole job. */
  readonly failover: 'region' | 'full';
  /** Where the tasks of the next attempt of a region run. */
  readonly makeDeployment: () => Deployment;
  readonly coordinators: OperatorCoordinators;
  /** Drop state in the snapshot that no operator of the job takes. */
  readonly allowNonRestoredState: boolean;
  readonly emit: (event: JobEvent) => void;
}

/**
 * The driver of one job: hears what happens, asks the two state machines (the job's life, and the
 * checkpoint coordinator by its own driver) what follows from it, and does that. It decides nothing itself.
 *
 * Invariant: events are handled one after the other, in the order in which they were heard, each
 * with all that follows from it; nothing waits between an event and the actions it leads to.
 */
export class JobMaster {
  readonly #options: JobMasterOptions;
  #life: JobLife = { kind: 'starting', attempt: 0, down: 'all' };
  #failures: FailureHistory = [];
  readonly #checkpoints: CheckpointDriver;
  readonly #attempts: RegionAttempts;
  readonly #subtasks: SubtaskTable;
  /** Where what failed has failed. */
  readonly #failedTasks = new WeakMap<object, TaskId>();
  /** Reads what to restore. */
  #deploying = false;
  #quiesced = false;
  /** The attempt of which it was told that all tasks run. */
  #announced = -1;
  #restarts = 0;
  /** When the failure was heard of from which the job is recovering. */
  #failedMs: number | undefined;
  #hasRun = false;
  #delay: Cancel | undefined;
  readonly #events: (() => void)[] = [];
  #handling = false;
  readonly #background = new Set<Promise<void>>();
  #finished: ((result: JobResult) => void) | undefined;

  constructor(options: JobMasterOptions) {
    this.#options = options;
    const { plan, world, store, makeDeployment, coordinators, emit } = options;
    this.#attempts = new RegionAttempts({
      plan,
      makeDeployment,
      coordinators,
      listenerOf: (region, isCurrent) => this.#listener(region, isCurrent),
    });
    this.#checkpoints = new CheckpointDriver({
      ...{ world, store, coordinators, emit, attempts: this.#attempts },
      settings: options.coordinator,
      life: this.#lifeOfCheckpoints(),
      serially: (work) => {
        this.#do(work);
      },
      inBackground: (work) => {
        this.#inBackground(work, 'warn');
      },
    });
    const wallMs = (): number => world.clock.wallMs();
    this.#subtasks = new SubtaskTable(plan, wallMs, (task) => this.#attempts.placeOf(task));
    coordinators.listen({
      send: (uid, attempt, subtask, event) => {
        this.#do(() => {
          this.#attempts.operatorEvent(uid, attempt, subtask, event);
        });
      },
      failed: (error, uid) => {
        this.#fail(error, uid === undefined ? undefined : this.#attempts.regionOf(uid));
      },
    });
  }

  /** Runs the job to its end. Resolves in any case; a failed job is a result, too. */
  run(): Promise<JobResult> {
    assert(this.#finished === undefined, 'a JobMaster runs once');
    const result = new Promise<JobResult>((resolve) => {
      this.#finished = resolve;
    });
    this.#do(() => {
      this.#status();
      this.#deploy(0, 'all');
    });
    return result;
  }

  /** Ends the job without its last checkpoint; what is retained stays as the settings say. */
  cancel(): void {
    this.#lifeEvent({ kind: 'cancel' });
  }

  /** Ends the job here, as a crash would: it is not over, and who leads it next goes on with it. */
  suspend(): void {
    this.#lifeEvent({ kind: 'suspend' });
  }

  get status(): JobStatus {
    return statusOf(this.#life);
  }

  get restarts(): number {
    return this.#restarts;
  }

  get history(): CheckpointHistory {
    return this.#checkpoints.history;
  }

  /** Newest first, those under way too. */
  checkpoints(): readonly CheckpointStatistics[] {
    return this.#checkpoints.statistics();
  }

  /** In the order of their numbers. */
  subtasks(vertex: string): readonly SubtaskLife[] {
    return this.#subtasks.of(vertex);
  }

  /**
   * Takes a checkpoint or savepoint now, or stops the job with a savepoint. Resolves with what became of
   * it, of a stop when the job has ended; a request that the job's end overtakes is answered, too.
   */
  request(request: JobRequest): Promise<TriggerOutcome> {
    return this.#checkpoints.request(request, false);
  }

  /**
   * Flink's `cancel -s`: takes a savepoint, and cancels the job when it is complete and its output is
   * committed. Nothing happens in between. If the savepoint fails the job goes on.
   */
  cancelWithSavepoint(
    savepoint: Omit<Extract<JobRequest, { kind: 'savepoint' }>, 'kind'>,
  ): Promise<TriggerOutcome> {
    return this.#checkpoints.request({ ...savepoint, kind: 'stop', drain: false }, true);
  }

  /** Records that the sources have emitted, in the attempts that run now. */
  recordsRead(): number {
    return this.#attempts.recordsRead();
  }

  /** How far the attempts that run now have restored their state; undefined if there was none to restore. */
  restoreProgress(): RestoreProgress | undefined {
    return this.#attempts.restoreProgress();
  }

  // --- events in, actions out -------------------------------------------------------------------

  #do(work: () => void): void {
    this.#events.push(work);
    if (this.#handling) return;
    this.#handling = true;
    try {
      for (let next = this.#events.shift(); next !== undefined; next = this.#events.shift()) next();
    } finally {
      this.#handling = false;
    }
  }

  #lifeOfCheckpoints(): LifeOfCheckpoints {
    return {
      event: (event) => {
        this.#lifeEvent(event);
      },
      fail: (error) => {
        this.#fail(error);
      },
      restored: () => {
        this.#startTasks();
      },
      quiesced: () => {
        this.#quiesced = true;
        this.#maybeGone();
      },
      isEnding: () => isTerminal(this.#life),
    };
  }

  #lifeEvent(event: JobLifeEvent): void {
    this.#do(() => {
      const before = this.#life;
      const { restart } = this.#options;
      const step = stepJobLife(before, event, this.#failures, restart);
      this.#life = step.life;
      this.#failures = step.failures;
      if (step.life.kind !== before.kind) this.#lifeChanged(before);
      for (const action of step.actions) this.#performLife(action);
    });
  }

  #lifeChanged(before: JobLife): void {
    const life = this.#life;
    if (before.kind === 'waiting') this.#delay?.();
    if (life.kind === 'failing') {
      this.#failedMs ??= this.#options.world.clock.monotonicMs();
      this.#options.emit({
        kind: 'failure',
        attempt: life.attempt,
        error: life.cause,
        task: isObject(life.cause) ? this.#failedTasks.get(life.cause) : undefined,
        restartInMs: life.next.kind === 'restart' ? life.next.delayMs : undefined,
      });
    }
    if (life.kind === 'running') this.#nowRuns(life.attempt);
    if (life.kind === 'starting' && before.kind === 'waiting') this.#restarts += 1;
    this.#status();
  }

  #nowRuns(attempt: number): void {
    this.#hasRun = true;
    if (this.#failedMs === undefined) return;
    const downMs = this.#options.world.clock.monotonicMs() - this.#failedMs;
    this.#failedMs = undefined;
    const restoredCheckpoint = this.#checkpoints.latestId;
    this.#options.emit({ kind: 'restarted', attempt, downMs, restoredCheckpoint });
  }

  /** @param region Where it happened; undefined: it concerns the whole job. */
  #fail(error: unknown, region?: number): void {
    const { world, failover } = this.#options;
    const regions = failover === 'full' || region === undefined ? 'all' : new Set([region]);
    const atMs = world.clock.monotonicMs();
    this.#lifeEvent({ kind: 'failure', error, regions, atMs, chance: world.random.next() });
  }

  // --- the job's life ---------------------------------------------------------------------------

  #performLife(action: JobLifeAction): void {
    switch (action.kind) {
      case 'deploy':
        this.#deploy(action.attempt, action.regions);
        return;
      case 'take-last-checkpoint':
        this.#checkpoints.event({ kind: 'inputs-ended' });
        return;
      case 'drain-sources':
        this.#attempts.drain();
        return;
      case 'look-at-tasks':
        this.#tasksChanged();
        return;
      case 'finish-tasks':
        this.#attempts.finish();
        return;
      case 'cancel-tasks':
        this.#cancelTasks(action.regions);
        return;
      case 'wait':
        this.#delay = this.#options.world.clock.after(action.delayMs, () => {
          this.#lifeEvent({ kind: 'delay-over' });
        });
        return;
      case 'done':
        this.#end();
        return;
    }
  }

  /** Reads what to restore, hands it to the coordinator, which has its output committed first. */
  #deploy(number: number, regions: Regions): void {
    this.#deploying = true;
    this.#inBackground(async () => {
      const { store, plan, allowNonRestoredState, emit } = this.#options;
      const restored = await store.restore(plan, allowNonRestoredState).finally(() => {
        this.#deploying = false;
      });
      if (this.#isPast(number)) return;
      this.#attempts.make(number, regions, restored);
      for (const message of restored.messages) emit({ kind: 'warning', message });
      this.#checkpoints.event({ kind: 'restored', attempt: number, from: restored.from });
    }, 'fail');
  }

  /** The restored output is committed. */
  #startTasks(): void {
    const life = this.#life;
    if (life.kind !== 'starting') return;
    const { attempt, down } = life;
    this.#inBackground(async () => {
      await this.#options.coordinators.abortLeftovers(this.#attempts.sinksOf(down));
      if (this.#isPast(attempt)) return;
      this.#subtasks.deploying(attempt, this.#attempts.verticesOf(down));
      this.#attempts.start(down);
    }, 'fail');
  }

  /** True when the job has moved on while something was waited for. */
  #isPast(attempt: number): boolean {
    const life = this.#life;
    if (life.kind === 'starting' && life.attempt === attempt) return false;
    this.#maybeGone();
    return true;
  }

  #listener(region: number, isCurrent: () => boolean): AttemptListener {
    const mine = (work: () => void): void => {
      this.#do(() => {
        if (isCurrent()) work();
      });
    };
    return {
      changed: (task, to) => {
        mine(() => {
          if (to !== 'ended-input') this.#subtasks.moved(task, STATUS_BY[to]);
          this.#tasksChanged();
        });
      },
      failed: (error, task) => {
        mine(() => {
          this.#subtasks.moved(task, 'FAILED');
          if (isObject(error) && !this.#failedTasks.has(error)) this.#failedTasks.set(error, task);
          this.#fail(error, region);
        });
      },
      acknowledged: (ack) => {
        this.#checkpoints.event({ kind: 'ack', ack });
      },
      declined: (task, checkpointId, message) => {
        const reason = 'declined';
        this.#checkpoints.event({ kind: 'decline', ...task, checkpointId, reason, message });
      },
    };
  }

  /** Whether all tasks of all regions have come one step further. */
  #tasksChanged(): void {
    const attempts = this.#attempts;
    const life = this.#life;
    if (!attempts.every(({ isRunning }) => isRunning)) return;
    if (life.kind === 'starting' && this.#announced !== life.attempt) {
      this.#announced = life.attempt;
      const { vertices } = this.#options.store;
      this.#checkpoints.event({ kind: 'tasks-running', vertices, tasks: attempts.tasks() });
      this.#lifeEvent({ kind: 'tasks-running' });
    }
    if (attempts.every(({ hasEnded }) => hasEnded)) this.#lifeEvent({ kind: 'inputs-ended' });
    if (attempts.every(({ hasFinished }) => hasFinished)) {
      this.#lifeEvent({ kind: 'tasks-finished' });
    }
  }

  /** The coordinator gives up what is under way; the tasks of these regions go. */
  #cancelTasks(regions: Regions): void {
    const vertices = this.#attempts.verticesOf(regions);
    this.#quiesced = false;
    this.#subtasks.canceling(vertices);
    this.#checkpoints.event({ kind: 'suspend', reason: 'task-failed', vertices });
    this.#inBackground(async () => {
      await this.#attempts.cancel(regions, () => {
        this.#maybeGone();
      });
      this.#subtasks.canceled(vertices);
    }, 'warn');
    this.#maybeGone();
  }

  #maybeGone(): void {
    this.#do(() => {
      // What is still being read to be restored will see that nobody wants it.
      if (this.#deploying || this.#attempts.areCancelling || !this.#quiesced) return;
      this.#lifeEvent({ kind: 'tasks-gone' });
    });
  }

  // --- the end ----------------------------------------------------------------------------------

  #end(): void {
    const life = this.#life;
    assert(isTerminal(life), `the job ends while it is ${life.kind}`);
    this.#checkpoints.event({ kind: 'close' });
    this.#do(() => {
      this.#checkpoints.stopWaking();
      this.#delay?.();
      void this.#settle(life);
    });
  }

  /** Waits for what is still written, then leaves the storage as the retention says. */
  async #settle(life: TerminalLife): Promise<void> {
    const { store, emit } = this.#options;
    const status = statusOf(life) as JobResult['status'];
    const savepointUrl = 'savepointUrl' in life ? life.savepointUrl : undefined;
    let error = life.kind === 'failed' ? life.cause : undefined;
    while (this.#background.size > 0) await Promise.all(this.#background);
    await this.#attempts.cancel('all', () => undefined);
    await this.#options.coordinators.close();
    try {
      if (life.kind !== 'suspended') {
        await store.end(
          { ended: endOf(life), savepointUrl, hasRun: this.#hasRun },
          this.#checkpoints.sweepScope(),
        );
      }
    } catch (problem) {
      emit({ kind: 'warning', message: messageOf(problem) });
      error ??= problem;
    }
    this.#checkpoints.answerLast();
    this.#finished?.({
      status,
      jobId: store.identity.jobId,
      savepointUrl,
      error,
      checkpointsCompleted: this.#checkpoints.history.completed,
      checkpointsFailed: this.#checkpoints.history.failed,
      restarts: this.#restarts,
    });
  }

  #status(): void {
    const life = this.#life;
    const attempt = 'attempt' in life ? life.attempt : this.#restarts;
    this.#options.emit({ kind: 'status', status: statusOf(life), attempt });
  }

  #inBackground(work: () => Promise<void>, onError: 'fail' | 'warn'): void {
    const running = work()
      .catch((error: unknown) => {
        if (onError === 'fail') this.#fail(error);
        else this.#options.emit({ kind: 'warning', message: messageOf(error) });
      })
      .finally(() => {
        this.#background.delete(running);
      });
    this.#background.add(running);
  }
}

const STATUS_BY = { running: 'RUNNING', finished: 'FINISHED' } as const;

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

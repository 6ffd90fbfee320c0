import { assert } from '../common/assert.ts';
import type { Cancel } from '../common/clock.ts';
import {
  initialCoordinator,
  stepCoordinator,
  sweepScope,
} from '../checkpoint/checkpoint-coordinator.ts';
import type { CheckpointHistory } from '../checkpoint/checkpoint-history.ts';
import type {
  CoordinatorAction,
  CoordinatorEventBody,
  CoordinatorSettings,
  CoordinatorState,
  Moment,
  TaskRef,
  TriggerOutcome,
  UserRequest,
} from '../checkpoint/coordinator-types.ts';
import type { World } from '../contracts/source.ts';
import type { ExecutionPlan } from '../graph/execution-plan.ts';
import type { OperatorCoordinators } from './coordinator/operator-coordinators.ts';
import type { Deployment } from './deployment.ts';
import { Attempt, type AttemptListener } from './attempt.ts';
import type { JobEvent, JobResult } from './job-events.ts';
import type { JobStore, Restored } from './job-store.ts';
import {
  END_OF,
  includesRegion,
  isTerminal,
  statusOf,
  stepJobLife,
  type JobLife,
  type JobLifeAction,
  type JobLifeEvent,
  type Regions,
} from './job-life.ts';
import type { FailureHistory, RestartStrategy } from './restart-strategy.ts';

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
 * The driver of one job: hears what happens, asks the two state machines (the job's life and the
 * checkpoint coordinator) what follows from it, and does that. It decides nothing itself.
 *
 * Invariant: events are handled one after the other, in the order in which they were heard, each
 * with all that follows from it; nothing waits between an event and the actions it leads to.
 */
export class JobMaster {
  readonly #options: JobMasterOptions;
  #life: JobLife = { kind: 'starting', attempt: 0, down: 'all' };
  #failures: FailureHistory = [];
  #coordinator: CoordinatorState;
  /** By the number of their region. */
  readonly #attempts = new Map<number, Attempt>();
  /** Reads what to restore. */
  #deploying = false;
  /** Attempts that are being cancelled. */
  #cancelling = 0;
  #quiesced = false;
  /** The attempt of which it was told that all tasks run. */
  #announced = -1;
  #restarts = 0;
  #hasRun = false;
  #wake: Cancel | undefined;
  #delay: Cancel | undefined;
  readonly #events: (() => void)[] = [];
  #handling = false;
  #sweeping = false;
  #requests = 0;
  readonly #replies = new Map<string, (outcome: TriggerOutcome) => void>();
  readonly #background = new Set<Promise<void>>();
  #finished: ((result: JobResult) => void) | undefined;

  constructor(options: JobMasterOptions) {
    this.#options = options;
    const { store } = options;
    this.#coordinator = initialCoordinator({
      settings: options.coordinator,
      identity: store.identity,
      firstId: store.firstId,
      idsThrough: store.idsThrough,
    });
    options.coordinators.listen({
      send: (uid, attempt, subtask, event) => {
        this.#do(() => {
          const target = this.#attemptOf(uid);
          if (target?.number === attempt) target.operatorEvent(uid, subtask, event);
        });
      },
      failed: (error, uid) => {
        const region = uid === undefined ? undefined : this.#regionOf(uid);
        this.#fail(error, region);
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

  /**
   * Takes a checkpoint or savepoint now. Resolves with what became of it; a request that the job's
   * end overtakes is answered, too.
   */
  request(request: DistributiveOmit<UserRequest, 'requestId'>): Promise<TriggerOutcome> {
    return new Promise((resolve) => {
      this.#do(() => {
        const requestId = String((this.#requests += 1));
        this.#replies.set(requestId, resolve);
        this.#coordinatorEvent({ kind: 'trigger', request: { ...request, requestId } });
      });
    });
  }

  /** For the tests and for those who watch. */
  get coordinator(): CoordinatorState {
    return this.#coordinator;
  }

  get life(): JobLife {
    return this.#life;
  }

  /** Records that the sources have emitted, in the attempts that run now. */
  recordsRead(): number {
    let sum = 0;
    for (const attempt of this.#attempts.values()) sum += attempt.recordsRead();
    return sum;
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

  #coordinatorEvent(body: CoordinatorEventBody): void {
    this.#do(() => {
      const { state, actions } = stepCoordinator(this.#coordinator, { at: this.#now(), ...body });
      const before = this.#coordinator.history;
      this.#coordinator = state;
      if (state.history !== before) this.#checkpointsFinished(before, state.history);
      for (const action of actions) this.#performCoordinator(action);
    });
  }

  #checkpointsFinished(before: CheckpointHistory, after: CheckpointHistory): void {
    const known = new Set(before.finished.map(({ checkpointId }) => checkpointId));
    for (const stats of after.finished) {
      if (known.has(stats.checkpointId)) continue;
      const { checkpointId, durationMs, writtenBytes, stateBytes, url = '', failure } = stats;
      this.#options.emit(
        failure === undefined
          ? {
              kind: 'checkpoint-completed',
              checkpointId,
              durationMs,
              writtenBytes,
              stateBytes,
              path: url,
            }
          : { kind: 'checkpoint-failed', checkpointId, reason: failure.message },
      );
    }
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
      this.#options.emit({
        kind: 'failure',
        attempt: life.attempt,
        error: life.cause,
        restartInMs: life.next.kind === 'restart' ? life.next.delayMs : undefined,
      });
    }
    if (life.kind === 'running') this.#hasRun = true;
    if (life.kind === 'starting' && before.kind === 'waiting') this.#restarts += 1;
    this.#status();
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
        this.#coordinatorEvent({ kind: 'inputs-ended' });
        return;
      case 'finish-tasks':
        for (const attempt of this.#attempts.values()) attempt.finish();
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
      if (this.#isOver(number)) return;
      plan.regions.forEach((vertices, region) => {
        if (!includesRegion(regions, region)) return;
        this.#attempts.set(region, this.#newAttempt(number, region, vertices, restored));
      });
      for (const message of restored.messages) emit({ kind: 'warning', message });
      this.#coordinatorEvent({ kind: 'restored', attempt: number, from: restored.from });
    }, 'fail');
  }

  #newAttempt(
    number: number,
    region: number,
    ids: readonly string[],
    restored: Restored,
  ): Attempt {
    const { plan, makeDeployment, coordinators } = this.#options;
    const attempt: Attempt = new Attempt({
      number,
      vertices: plan.vertices.filter(({ id }) => ids.includes(id)),
      deployment: makeDeployment(),
      coordinators,
      restored,
      listener: this.#listener(region, () => this.#attempts.get(region) === attempt),
    });
    return attempt;
  }

  /** The restored output is committed. */
  #startTasks(): void {
    const life = this.#life;
    if (life.kind !== 'starting') return;
    const starting = [...this.#attempts].filter(([region]) => includesRegion(life.down, region));
    const sinks = this.#options.plan.vertices
      .filter(({ id }) => starting.some(([, attempt]) => attempt.has(id)))
      .flatMap(({ operators }) => operators.filter(({ kind }) => kind === 'sink'));
    this.#inBackground(async () => {
      await this.#options.coordinators.abortLeftovers(sinks.map(({ uid }) => uid));
      if (this.#isOver(life.attempt)) return;
      for (const [, attempt] of starting) attempt.start();
    }, 'fail');
  }

  /** True when the job has moved on while something was waited for. */
  #isOver(attempt: number): boolean {
    const life = this.#life;
    if (life.kind === 'starting' && life.attempt === attempt) return false;
    this.#maybeGone();
    return true;
  }

  #listener(region: number, isMine: () => boolean): AttemptListener {
    const mine = (work: () => void): void => {
      this.#do(() => {
        if (isMine()) work();
      });
    };
    return {
      changed: () => {
        mine(() => {
          this.#tasksChanged();
        });
      },
      failed: (error) => {
        mine(() => {
          this.#fail(error, region);
        });
      },
      acknowledged: (ack) => {
        this.#coordinatorEvent({ kind: 'ack', ack });
      },
      declined: (task, checkpointId, message) => {
        const reason = 'declined';
        this.#coordinatorEvent({ kind: 'decline', ...task, checkpointId, reason, message });
      },
    };
  }

  /** Whether all tasks of all regions have come one step further. */
  #tasksChanged(): void {
    const attempts = [...this.#attempts.values()];
    if (attempts.length < this.#options.plan.regions.length) return;
    const life = this.#life;
    if (!attempts.every(({ isRunning }) => isRunning)) return;
    if (life.kind === 'starting' && this.#announced !== life.attempt) {
      this.#announced = life.attempt;
      const { vertices } = this.#options.store;
      const tasks = attempts.flatMap((attempt) => attempt.tasks());
      this.#coordinatorEvent({ kind: 'tasks-running', vertices, tasks });
      this.#lifeEvent({ kind: 'tasks-running' });
    }
    if (attempts.every(({ hasEnded }) => hasEnded)) this.#lifeEvent({ kind: 'inputs-ended' });
    if (attempts.every(({ hasFinished }) => hasFinished)) {
      this.#lifeEvent({ kind: 'tasks-finished' });
    }
  }

  /** The coordinator gives up what is under way; the tasks of these regions go. */
  #cancelTasks(regions: Regions): void {
    const going = [...this.#attempts].filter(([region]) => includesRegion(regions, region));
    const vertices = this.#options.plan.regions.flatMap((ids, region) =>
      includesRegion(regions, region) ? ids : [],
    );
    this.#quiesced = false;
    this.#coordinatorEvent({ kind: 'suspend', reason: 'task-failed', vertices });
    for (const [region, attempt] of going) {
      this.#cancelling += 1;
      this.#inBackground(async () => {
        await attempt.cancel().finally(() => {
          this.#cancelling -= 1;
          if (this.#attempts.get(region) === attempt) this.#attempts.delete(region);
          this.#maybeGone();
        });
      }, 'warn');
    }
    this.#maybeGone();
  }

  #maybeGone(): void {
    this.#do(() => {
      // What is still being read to be restored will see that nobody wants it.
      if (this.#deploying || this.#cancelling > 0 || !this.#quiesced) return;
      this.#lifeEvent({ kind: 'tasks-gone' });
    });
  }

  #regionOf(uid: string): number | undefined {
    const { plan } = this.#options;
    const vertex = plan.vertices.find(({ operators }) => operators.some((one) => one.uid === uid));
    const region = plan.regions.findIndex((ids) => vertex !== undefined && ids.includes(vertex.id));
    return region === -1 ? undefined : region;
  }

  #attemptOf(uid: string): Attempt | undefined {
    const region = this.#regionOf(uid);
    return region === undefined ? undefined : this.#attempts.get(region);
  }

  // --- the coordinator --------------------------------------------------------------------------

  #performCoordinator(action: CoordinatorAction): void {
    switch (action.kind) {
      case 'take-coordinator-state':
        this.#takeCoordinatorState(action);
        return;
      case 'send-barriers':
        this.#forEach(action.to, (attempt, task) => {
          attempt.triggerCheckpoint(action.barrier, task, action.location);
        });
        return;
      case 'notify-complete':
        this.#forEach(action.to, (attempt, task) => {
          attempt.notifyComplete(action.checkpointId, task);
        });
        return;
      case 'notify-aborted':
        this.#forEach(action.to, (attempt, task) => {
          attempt.notifyAborted(action.checkpointId, task);
        });
        return;
      case 'store-metadata':
      case 'move-head':
      case 'reserve-ids':
        this.#storeForCoordinator(action);
        return;
      case 'commit':
        this.#commit(action.committables);
        return;
      case 'discard':
        this.#inBackground(() => this.#options.store.discard(action), 'warn');
        return;
      case 'collect-garbage':
        this.#sweep();
        return;
      case 'fail-job':
        this.#fail(action.error);
        return;
      case 'reply':
        this.#reply(action.requestId, action.outcome);
        return;
      case 'quiesced':
        this.#quiesced = true;
        this.#maybeGone();
        return;
      case 'restored-committed':
        this.#startTasks();
        return;
      case 'ended':
        this.#lifeEvent({ kind: 'last-checkpoint-complete' });
        return;
      case 'wake-at':
        this.#wakeAt(action.monotonicMs);
        return;
    }
  }

  #reply(requestId: string, outcome: TriggerOutcome): void {
    this.#replies.get(requestId)?.(outcome);
    this.#replies.delete(requestId);
  }

  #forEach(tasks: readonly TaskRef[], work: (attempt: Attempt, task: TaskRef) => void): void {
    for (const task of tasks) {
      for (const attempt of this.#attempts.values()) {
        if (attempt.number === task.attempt && attempt.has(task.vertex)) work(attempt, task);
      }
    }
  }

  /** What enumerators assign behind their state is held back until the barriers have gone out. */
  #takeCoordinatorState(action: ActionOf<'take-coordinator-state'>): void {
    const { checkpointId, snapshot, savepointDirectory } = action;
    this.#inBackground(async () => {
      const { store, coordinators } = this.#options;
      try {
        const location =
          snapshot === 'savepoint'
            ? await store.openSavepoint(savepointDirectory, checkpointId)
            : undefined;
        const taken = await coordinators.snapshot(checkpointId);
        const kind = 'coordinator-state-taken';
        this.#coordinatorEvent({ kind, checkpointId, coordinators: taken, location });
      } catch (error) {
        this.#triggerFailed(checkpointId, error);
      }
      this.#do(() => {
        coordinators.release(checkpointId);
      });
    }, 'warn');
  }

  #triggerFailed(checkpointId: number, error: unknown): void {
    const message = messageOf(error);
    this.#coordinatorEvent({ kind: 'trigger-failed', checkpointId, message });
  }

  #storeForCoordinator(
    action: ActionOf<'store-metadata'> | ActionOf<'move-head'> | ActionOf<'reserve-ids'>,
  ): void {
    this.#inBackground(async () => {
      const answer = await this.#options.store.perform(action);
      // Whether the checkpoint is complete is not known until the storage answers: it is asked again.
      if (answer.kind === 'head-failed' && answer.outcome === 'unknown') {
        this.#options.emit({ kind: 'warning', message: answer.message });
      }
      this.#coordinatorEvent(answer);
    }, 'warn');
  }

  #commit(committables: ActionOf<'commit'>['committables']): void {
    this.#inBackground(async () => {
      try {
        const results = await this.#options.coordinators.commit(committables);
        this.#coordinatorEvent({ kind: 'commit-results', results });
      } catch (error) {
        this.#options.emit({ kind: 'warning', message: messageOf(error) });
        this.#coordinatorEvent({ kind: 'commit-failed', message: messageOf(error) });
      }
    }, 'warn');
  }

  #sweep(): void {
    if (this.#sweeping) return;
    this.#sweeping = true;
    this.#inBackground(async () => {
      try {
        await this.#options.store.collectGarbage(sweepScope(this.#coordinator));
      } finally {
        this.#sweeping = false;
      }
    }, 'warn');
  }

  #wakeAt(monotonicMs: number): void {
    this.#wake?.();
    this.#wake = undefined;
    if (monotonicMs === Infinity) return;
    const { clock } = this.#options.world;
    this.#wake = clock.after(Math.max(0, monotonicMs - clock.monotonicMs()), () => {
      this.#coordinatorEvent({ kind: 'tick' });
    });
  }

  // --- the end ----------------------------------------------------------------------------------

  #end(): void {
    const life = this.#life;
    assert(isTerminal(life), `the job ends while it is ${life.kind}`);
    this.#coordinatorEvent({ kind: 'close' });
    this.#do(() => {
      this.#wake?.();
      this.#delay?.();
      void this.#settle(life);
    });
  }

  /** Waits for what is still written, then leaves the storage as the retention says. */
  async #settle(life: JobLife): Promise<void> {
    const { store, emit } = this.#options;
    const status = statusOf(life) as JobResult['status'];
    let error = life.kind === 'failed' ? life.cause : undefined;
    while (this.#background.size > 0) await Promise.all(this.#background);
    await Promise.all([...this.#attempts.values()].map((attempt) => attempt.cancel()));
    await this.#options.coordinators.close();
    try {
      await store.end(END_OF[status], sweepScope(this.#coordinator), this.#hasRun);
    } catch (problem) {
      emit({ kind: 'warning', message: messageOf(problem) });
      error ??= problem;
    }
    this.#finished?.({
      status,
      jobId: store.identity.jobId,
      error,
      checkpointsCompleted: this.#coordinator.history.completed,
      checkpointsFailed: this.#coordinator.history.failed,
      restarts: this.#restarts,
    });
  }

  #status(): void {
    const life = this.#life;
    const attempt = 'attempt' in life ? life.attempt : this.#restarts;
    this.#options.emit({ kind: 'status', status: statusOf(life), attempt });
  }

  #now(): Moment {
    const { clock } = this.#options.world;
    return { monotonicMs: clock.monotonicMs(), wallMs: clock.wallMs() };
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

/** `Omit` for each member of a union. */
type DistributiveOmit<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never;

type ActionOf<Kind extends CoordinatorAction['kind']> = Extract<CoordinatorAction, { kind: Kind }>;

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

import {
  checkpointStatistics,
  initialCoordinator,
  stepCoordinator,
  sweepScope,
} from '../checkpoint/checkpoint-coordinator.ts';
import type { CheckpointHistory, CheckpointStatistics } from '../checkpoint/checkpoint-history.ts';
import type {
  CoordinatorAction,
  CoordinatorEventBody,
  CoordinatorSettings,
  CoordinatorState,
  TriggerOutcome,
} from '../checkpoint/coordinator-types.ts';
import type { SweepScope } from '../checkpoint/garbage-collection.ts';
import type { Cancel } from '../common/clock.ts';
import type { World } from '../contracts/source.ts';
import { CheckpointWork } from './checkpoint-work.ts';
import type { OperatorCoordinators } from './coordinator/operator-coordinators.ts';
import { checkpointEvents, type JobEvent } from './job-events.ts';
import type { JobLifeEvent } from './job-life.ts';
import { JobRequests, type JobRequest } from './job-requests.ts';
import type { JobStore } from './job-store.ts';
import type { RegionAttempts } from './region-attempts.ts';

/** The job's life, as far as checkpoints concern it. */
export interface LifeOfCheckpoints {
  event(event: JobLifeEvent): void;
  fail(error: unknown): void;
  /** The restored output is committed: tasks may start. */
  restored(): void;
  /** Nothing of the tasks that go is under way any more. */
  quiesced(): void;
  /** The job is over, and its end is being written down. */
  isEnding(): boolean;
}

export interface CheckpointDriverOptions {
  readonly world: World;
  readonly store: JobStore;
  readonly settings: CoordinatorSettings;
  readonly coordinators: OperatorCoordinators;
  readonly attempts: RegionAttempts;
  readonly life: LifeOfCheckpoints;
  readonly emit: (event: JobEvent) => void;
  /** Runs `work` behind every event of the job that was heard before. */
  readonly serially: (work: () => void) => void;
  /** The job does not end before `work` has; its errors are warnings. */
  readonly inBackground: (work: () => Promise<void>) => void;
}

/**
 * Drives the checkpoint coordinator of a job: tells it what happens, and does what it says. It decides nothing
 * itself.
 *
 * Invariant: events are handled one after the other with those of the job's life, each with all that follows from it.
 */
export class CheckpointDriver {
  readonly #options: CheckpointDriverOptions;
  #coordinator: CoordinatorState;
  readonly #work: CheckpointWork;
  readonly #requests = new JobRequests();
  #wake: Cancel | undefined;

  constructor(options: CheckpointDriverOptions) {
    this.#options = options;
    const { store, settings, coordinators, emit, serially, inBackground } = options;
    this.#coordinator = initialCoordinator({
      settings,
      identity: store.identity,
      firstId: store.firstId,
      idsThrough: store.idsThrough,
    });
    this.#work = new CheckpointWork({
      store,
      coordinators,
      emit,
      answer: (event) => {
        this.event(event);
      },
      afterwards: serially,
      inBackground,
    });
  }

  get history(): CheckpointHistory {
    return this.#coordinator.history;
  }

  /** What a failure restores. */
  get latestId(): number | undefined {
    return this.#coordinator.latest?.checkpointId;
  }

  /** Newest first, those under way too. */
  statistics(): readonly CheckpointStatistics[] {
    return checkpointStatistics(this.#coordinator);
  }

  /** What is still needed of the files of checkpoints. */
  sweepScope(): SweepScope {
    return sweepScope(this.#coordinator);
  }

  /** @param cancel The job is cancelled behind the stop that is asked for. */
  request(request: JobRequest, cancel: boolean): Promise<TriggerOutcome> {
    return new Promise((resolve) => {
      this.#options.serially(() => {
        const requestId = this.#requests.add(resolve, cancel);
        this.event({ kind: 'trigger', request: { ...request, requestId } });
      });
    });
  }

  /** The end of the job is written down. */
  answerLast(): void {
    this.#requests.answerLast();
  }

  event(body: CoordinatorEventBody): void {
    const { world, serially, emit } = this.#options;
    serially(() => {
      const at = { monotonicMs: world.clock.monotonicMs(), wallMs: world.clock.wallMs() };
      const { state, actions } = stepCoordinator(this.#coordinator, { at, ...body });
      const before = this.#coordinator.history;
      this.#coordinator = state;
      for (const each of checkpointEvents(before, state.history)) emit(each);
      for (const action of actions) this.#perform(action);
    });
  }

  /** No tick comes any more. */
  stopWaking(): void {
    this.#wake?.();
  }

  #perform(action: CoordinatorAction): void {
    const { attempts, life } = this.#options;
    switch (action.kind) {
      case 'take-coordinator-state':
        this.#work.takeCoordinatorState(action);
        return;
      case 'send-barriers':
        attempts.forEach(action.to, (attempt, task) => {
          attempt.triggerCheckpoint(action.barrier, task, action.location);
        });
        return;
      case 'notify-complete':
        attempts.forEach(action.to, (attempt, task) => {
          attempt.notifyComplete(action.checkpointId, task);
        });
        return;
      case 'notify-aborted':
        attempts.forEach(action.to, (attempt, task) => {
          attempt.notifyAborted(action.checkpointId, task);
        });
        return;
      case 'store-metadata':
      case 'move-head':
      case 'reserve-ids':
        this.#work.store(action);
        return;
      case 'commit':
        this.#work.commit(action.committables);
        return;
      case 'discard':
        this.#work.discard(action);
        return;
      case 'collect-garbage':
        this.#work.sweep(() => this.sweepScope());
        return;
      case 'fail-job':
        life.fail(action.error);
        return;
      case 'reply':
        this.#requests.answer(action.requestId, action.outcome, life.isEnding());
        return;
      case 'quiesced':
        life.quiesced();
        return;
      case 'restored-committed':
        life.restored();
        return;
      case 'stopping':
        life.event({ kind: 'stop', drain: action.drain });
        return;
      case 'stop-failed':
        life.event({ kind: 'stop-failed', message: action.message });
        return;
      case 'ended': {
        const { checkpointId, url, stopped } = action;
        const savepointUrl = stopped ? url : undefined;
        const cancel = this.#requests.cancels({ kind: 'completed', checkpointId, url });
        life.event({ kind: 'last-checkpoint-complete', savepointUrl, cancel });
        return;
      }
      case 'wake-at':
        this.#wakeAt(action.monotonicMs);
        return;
    }
  }

  #wakeAt(monotonicMs: number): void {
    this.#wake?.();
    this.#wake = undefined;
    if (monotonicMs === Infinity) return;
    const { clock } = this.#options.world;
    this.#wake = clock.after(Math.max(0, monotonicMs - clock.monotonicMs()), () => {
      this.event({ kind: 'tick' });
    });
  }
}

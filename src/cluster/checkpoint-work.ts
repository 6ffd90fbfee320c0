import type { SweepScope } from '../checkpoint/garbage-collection.ts';
import type { CoordinatorAction, CoordinatorEventBody } from '../checkpoint/coordinator-types.ts';
import type { OperatorCoordinators } from './coordinator/operator-coordinators.ts';
import type { JobEvent } from './job-events.ts';
import type { JobStore } from './job-store.ts';

type ActionOf<Kind extends CoordinatorAction['kind']> = Extract<CoordinatorAction, { kind: Kind }>;

export interface CheckpointWorkOptions {
  readonly store: JobStore;
  readonly coordinators: OperatorCoordinators;
  readonly emit: (event: JobEvent) => void;
  /** Tells the checkpoint coordinator what came of something. */
  readonly answer: (event: CoordinatorEventBody) => void;
  /** Runs `work` behind everything that was answered before. */
  readonly afterwards: (work: () => void) => void;
  /** The job does not end before `work` has; its errors are warnings. */
  readonly inBackground: (work: () => Promise<void>) => void;
}

/** Does what the checkpoint coordinator asks of the storage, the enumerators and the committers. */
export class CheckpointWork {
  readonly #options: CheckpointWorkOptions;
  #sweeping = false;

  constructor(options: CheckpointWorkOptions) {
    this.#options = options;
  }

  /** What enumerators assign behind their state is held back until the barriers have gone out. */
  takeCoordinatorState(action: ActionOf<'take-coordinator-state'>): void {
    const { checkpointId, snapshot, savepointDirectory } = action;
    const { store, coordinators, answer, afterwards, inBackground } = this.#options;
    inBackground(async () => {
      try {
        const location =
          snapshot === 'savepoint'
            ? await store.openSavepoint(savepointDirectory, checkpointId)
            : undefined;
        const taken = await coordinators.snapshot(checkpointId);
        const kind = 'coordinator-state-taken';
        answer({ kind, checkpointId, coordinators: taken, location });
      } catch (error) {
        answer({ kind: 'trigger-failed', checkpointId, message: messageOf(error) });
      }
      afterwards(() => {
        coordinators.release(checkpointId);
      });
    });
  }

  store(
    action: ActionOf<'store-metadata'> | ActionOf<'move-head'> | ActionOf<'reserve-ids'>,
  ): void {
    const { store, answer, emit, inBackground } = this.#options;
    inBackground(async () => {
      const answered = await store.perform(action);
      // Whether the checkpoint is complete is not known until the storage answers: it is asked again.
      if (answered.kind === 'head-failed' && answered.outcome === 'unknown') {
        emit({ kind: 'warning', message: answered.message });
      }
      answer(answered);
    });
  }

  commit(committables: ActionOf<'commit'>['committables']): void {
    const { coordinators, answer, emit, inBackground } = this.#options;
    inBackground(async () => {
      try {
        const results = await coordinators.commit(committables);
        answer({ kind: 'commit-results', results });
      } catch (error) {
        emit({ kind: 'warning', message: messageOf(error) });
        answer({ kind: 'commit-failed', message: messageOf(error) });
      }
    });
  }

  /** Removes what an aborted attempt left. */
  discard(action: ActionOf<'discard'>): void {
    this.#options.inBackground(() => this.#options.store.discard(action));
  }

  /** One sweep at a time; `scope` is asked at its beginning. */
  sweep(scope: () => SweepScope): void {
    if (this.#sweeping) return;
    this.#sweeping = true;
    this.#options.inBackground(async () => {
      try {
        await this.#options.store.collectGarbage(scope());
      } finally {
        this.#sweeping = false;
      }
    });
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

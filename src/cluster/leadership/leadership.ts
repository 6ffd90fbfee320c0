import type { Cancel, Clock } from '../../common/clock.ts';
import { randomHex, type Random } from '../../common/random.ts';
import type { BlobStore } from '../../storage/blob-store.ts';
import { leadershipLostError, notLeadingError } from './leadership-errors.ts';
import {
  isHeld,
  STARTED,
  stepLease,
  type LeaseAction,
  type LeaseEvent,
  type LeaseState,
  type LeaseTimings,
} from './lease-machine.ts';
import { encodeLease, LEASE_PATH, readLease, type Lease, type LeaseHolder } from './lease.ts';

/** How often the operating system is asked whether the leader of this machine lives. */
const DEATH_LOOK_MS = 50;
const NONCE_LENGTH = 16;

/** One leadership. */
export interface LedCluster {
  readonly leaseId: string;
  readonly epoch: number;
}

export interface LeadershipOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** The cluster's folder of the storage that all its JobManagers share. */
  readonly store: BlobStore;
  readonly holder: LeaseHolder;
  readonly timings: LeaseTimings;
  /** Whether this process is certainly over; false if it cannot be told. Takes no time. */
  readonly isGone: (holder: LeaseHolder) => boolean;
  readonly onWon: (led: LedCluster) => void;
  /**
   * Somebody else leads; again whenever that one renews.
   *
   * @param isRenewed False when it was seen for the first time: it may be dead.
   */
  readonly onStandBy: (lease: Lease, isRenewed: boolean) => void;
  /** It leads no more: whatever it still does is refused. It must end at once. */
  readonly onLost: (error: unknown) => void;
  /** The storage does not answer; once for each reason in a row. */
  readonly onProblem: (error: unknown) => void;
}

/** Competes for the lease of a cluster and, once it has it, keeps it. */
export class Leadership {
  readonly #options: LeadershipOptions;
  #state: LeaseState = STARTED;
  #holder: LeaseHolder;
  #cancelWake: Cancel = () => undefined;
  #cancelDeathLook: Cancel = () => undefined;
  #lastProblem = '';
  #closed: () => void = () => undefined;
  readonly #isClosed = new Promise<void>((resolve) => {
    this.#closed = resolve;
  });

  constructor(options: LeadershipOptions) {
    this.#options = options;
    this.#holder = options.holder;
  }

  start(): void {
    this.#send({ kind: 'tick' });
    this.#lookForDeath();
  }

  /** Whether this process may act as leader at this moment. */
  get isHeld(): boolean {
    const { clock, timings } = this.#options;
    return isHeld(this.#state, clock.monotonicMs(), timings);
  }

  /** @throws {EngineError} `JOB-050` (`fenced`) unless this process leads at this moment. */
  requireHeld(): void {
    if (!this.isHeld) throw notLeadingError(this.#options.store.url);
  }

  /** Tells those who look for the leader where it answers. */
  publish(address: string | undefined): void {
    this.#holder = { ...this.#holder, ...(address !== undefined && { address }) };
    this.#send({ kind: 'renew' });
  }

  /** Lets go of the lease, so that another one leads at once. To be called when nothing is led any more. */
  async resign(): Promise<void> {
    this.#send({ kind: 'resign' });
    await this.#isClosed;
  }

  #send(event: WithoutTime<LeaseEvent>): void {
    const { clock, random, timings } = this.#options;
    const nonce = randomHex(random, NONCE_LENGTH);
    const step = stepLease(this.#state, { ...event, nowMs: clock.monotonicMs(), nonce }, timings);
    this.#state = step.state;
    for (const action of step.actions) this.#perform(action);
  }

  #perform(action: LeaseAction): void {
    const { store, clock, onWon, onStandBy, onLost } = this.#options;
    switch (action.kind) {
      case 'look':
        void this.#look();
        return;
      case 'write':
        void this.#write(action);
        return;
      case 'wake':
        this.#cancelWake();
        this.#cancelWake = clock.after(Math.max(0, action.atMs - clock.monotonicMs()), () => {
          this.#send({ kind: 'tick' });
        });
        return;
      case 'won':
        onWon({ leaseId: action.leaseId, epoch: action.epoch });
        return;
      case 'stand-by':
        onStandBy(action.lease, action.isRenewed);
        return;
      case 'lost':
        this.#end();
        onLost(leadershipLostError(store.url, action.why, action.by));
        return;
      case 'closed':
        this.#end();
        return;
    }
  }

  async #look(): Promise<void> {
    try {
      const found = await readLease(this.#options.store);
      this.#lastProblem = '';
      this.#send({ kind: 'looked', found });
    } catch (error) {
      this.#problem(error);
      this.#send({ kind: 'look-failed' });
    }
  }

  async #write(action: Extract<LeaseAction, { kind: 'write' }>): Promise<void> {
    const { store, clock, timings } = this.#options;
    const { leaseId, epoch, nonce, state, expected } = action;
    const { durationMs } = timings;
    const atMs = clock.wallMs();
    const lease = { leaseId, epoch, nonce, state, durationMs, holder: this.#holder, atMs };
    try {
      const etag = await store.replaceIf(LEASE_PATH, encodeLease(lease), expected);
      this.#lastProblem = '';
      this.#send(etag === 'changed' ? { kind: 'refused' } : { kind: 'written', etag });
    } catch (error) {
      this.#problem(error);
      this.#send({ kind: 'write-failed' });
    }
  }

  #problem(error: unknown): void {
    const text = error instanceof Error ? error.message : String(error);
    if (text === this.#lastProblem) return;
    this.#lastProblem = text;
    this.#options.onProblem(error);
  }

  #lookForDeath(): void {
    const { clock, isGone } = this.#options;
    this.#cancelDeathLook = clock.after(DEATH_LOOK_MS, () => {
      const seen = this.#state.kind === 'watching' ? this.#state.seen : undefined;
      if (seen?.lease.state === 'held' && !seen.isDead && isGone(seen.lease.holder)) {
        this.#send({ kind: 'holder-died', etag: seen.etag });
      }
      // Who has once acquired it never watches again in good order; who failed to does.
      if (this.#state.kind === 'watching' || this.#state.kind === 'acquiring') this.#lookForDeath();
    });
  }

  #end(): void {
    this.#cancelWake();
    this.#cancelDeathLook();
    this.#closed();
  }
}

type WithoutTime<E> = E extends unknown ? Omit<E, 'nowMs' | 'nonce'> : never;

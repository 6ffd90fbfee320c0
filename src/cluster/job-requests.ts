import type { TriggerOutcome, UserRequest } from '../checkpoint/coordinator-types.ts';

/** What can be asked of a running job. */
export type JobRequest = DistributiveOmit<UserRequest, 'requestId'>;

/** `Omit` for each member of a union. */
type DistributiveOmit<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never;

type Reply = (outcome: TriggerOutcome) => void;

/**
 * Who waits for the answer to what was asked of a job.
 *
 * Always holds: each is answered once; what the job ends with is answered when its end is written
 * down, since whoever hears that it has stopped may start it again.
 */
export class JobRequests {
  #made = 0;
  readonly #replies = new Map<string, Reply>();
  /** Stops behind which the job is cancelled. */
  readonly #cancels = new Set<string>();
  #last: (() => void)[] = [];
  #hasEnded = false;

  /** Returns its id. */
  add(reply: Reply, cancel: boolean): string {
    const requestId = String((this.#made += 1));
    this.#replies.set(requestId, reply);
    if (cancel) this.#cancels.add(requestId);
    return requestId;
  }

  /** @param isEnding The job is over, and its end is being written down. */
  answer(requestId: string, outcome: TriggerOutcome, isEnding: boolean): void {
    const reply = this.#take(requestId);
    if (isEnding && !this.#hasEnded) this.#last.push(() => reply?.(outcome));
    else reply?.(outcome);
  }

  /** Whether the stop that has come to its end is to cancel the job. Its answer is then `outcome`, at the end. */
  cancels(outcome: TriggerOutcome): boolean {
    // At most one stop is under way.
    const [requestId] = this.#cancels;
    if (requestId === undefined) return false;
    const reply = this.#take(requestId);
    this.#last.push(() => reply?.(outcome));
    return true;
  }

  /** The end of the job is written down. */
  answerLast(): void {
    this.#hasEnded = true;
    for (const reply of this.#last.splice(0)) reply();
  }

  #take(requestId: string): Reply | undefined {
    const reply = this.#replies.get(requestId);
    this.#replies.delete(requestId);
    this.#cancels.delete(requestId);
    return reply;
  }
}

import type { Clock } from '../common/clock.ts';

/** How long something was blocked, in all. */
export class BlockedTime {
  readonly #clock: Clock;
  #pastMs = 0;
  #sinceMs: number | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  set(isBlocked: boolean): void {
    if (isBlocked === (this.#sinceMs !== undefined)) return;
    const nowMs = this.#clock.monotonicMs();
    if (this.#sinceMs !== undefined) this.#pastMs += nowMs - this.#sinceMs;
    this.#sinceMs = isBlocked ? nowMs : undefined;
  }

  totalMs(): number {
    const nowMs = this.#sinceMs === undefined ? 0 : this.#clock.monotonicMs() - this.#sinceMs;
    return this.#pastMs + nowMs;
  }
}

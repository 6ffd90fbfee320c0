import { sleep, type Clock } from '../../../common/clock.ts';
import type { Random } from '../../../common/random.ts';

export interface BackoffOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly firstMs: number;
  readonly maxMs: number;
  /** From the first failure on; `Infinity`: never. */
  readonly giveUpAfterMs: number;
}

/** Waits longer after each failure, with jitter, until so much time has passed that it gives up. */
export class Backoff {
  readonly #options: BackoffOptions;
  #failures = 0;
  #sinceMs: number | undefined;

  constructor(options: BackoffOptions) {
    this.#options = options;
  }

  /** Waits for the next try. False, at once: time is up. */
  async wait(): Promise<boolean> {
    const { clock, giveUpAfterMs } = this.#options;
    this.#sinceMs ??= clock.monotonicMs();
    const leftMs = this.#sinceMs + giveUpAfterMs - clock.monotonicMs();
    if (leftMs <= 0) return false;
    await sleep(clock, Math.min(this.#nextMs(), leftMs));
    return true;
  }

  /** It works again: the next failure is the first. */
  reset(): void {
    this.#failures = 0;
    this.#sinceMs = undefined;
  }

  #nextMs(): number {
    const { firstMs, maxMs, random } = this.#options;
    const ms = Math.min(maxMs, firstMs * 2 ** Math.min(this.#failures++, 30));
    // Half of it by chance, so that those who failed together do not come again together.
    return ms * (0.75 + random.next() / 2);
  }
}

import type { Cancel } from '../common/clock.ts';
import type { OperatorContext } from '../runtime/operator.ts';

/**
 * Calls `tick` between two records, again and again, every `intervalMs`; not at all with an interval
 * of 0. Stops with `stop`.
 */
export class Ticker {
  readonly #context: OperatorContext;
  readonly #intervalMs: number;
  readonly #tick: () => void;
  #cancel: Cancel | undefined;
  #stopped = false;

  constructor(context: OperatorContext, intervalMs: number, tick: () => void) {
    this.#context = context;
    this.#intervalMs = intervalMs;
    this.#tick = tick;
    this.#arm();
  }

  stop(): void {
    this.#stopped = true;
    this.#cancel?.();
  }

  #arm(): void {
    if (this.#intervalMs <= 0 || this.#stopped) return;
    this.#cancel = this.#context.world.clock.after(this.#intervalMs, () => {
      this.#context.mail(() => {
        if (this.#stopped) return;
        this.#tick();
        this.#arm();
      });
    });
  }
}

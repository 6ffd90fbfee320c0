import { nextTurn, systemClock, type Cancel, type Clock } from '../../src/common/clock.ts';

interface Due {
  readonly atMs: number;
  readonly order: number;
  readonly task: () => void;
}

/** A clock that a test moves. Turns run one after another, between them everything that is promised. */
export class ManualClock implements Clock {
  #nowMs = 1_000_000;
  #order = 0;
  #timers: Due[] = [];
  #turns: (() => void)[] = [];

  wallMs(): number {
    return this.#nowMs;
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  after(ms: number, task: () => void): Cancel {
    const due: Due = { atMs: this.#nowMs + ms, order: this.#order++, task };
    this.#timers.push(due);
    return () => {
      this.#timers = this.#timers.filter((one) => one !== due);
    };
  }

  turn(task: () => void): Cancel {
    this.#turns.push(task);
    return () => {
      this.#turns = this.#turns.filter((one) => one !== task);
    };
  }

  /** Timers that wait. */
  get timers(): number {
    return this.#timers.length;
  }

  /** Runs turns until none is left, or `turnsMax` of them. True when all is quiet. */
  async settle(turnsMax = 100_000): Promise<boolean> {
    let quiet = 0;
    for (let turns = 0; turns < turnsMax;) {
      const task = this.#turns.shift();
      if (task === undefined) {
        // Promises of promises: only after a few empty turns of the real loop is it quiet.
        if (++quiet > 3) return true;
      } else {
        quiet = 0;
        turns++;
        task();
      }
      await nextTurn(systemClock);
    }
    return false;
  }

  /** Lets time pass, timer by timer, with everything settled in between. */
  async advance(ms: number): Promise<void> {
    const untilMs = this.#nowMs + ms;
    await this.settle();
    for (;;) {
      const [next] = this.#timers
        .filter(({ atMs }) => atMs <= untilMs)
        .sort((a, b) => a.atMs - b.atMs || a.order - b.order);
      if (next === undefined) break;
      this.#timers = this.#timers.filter((one) => one !== next);
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      next.task();
      await this.settle();
    }
    this.#nowMs = untilMs;
    await this.settle();
  }
}

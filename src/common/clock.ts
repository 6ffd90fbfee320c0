/** Undoes what it was returned for. Calling it again, or too late, does nothing. */
export type Cancel = () => void;

/**
 * Time, as an argument. The simulator owns it in tests; `systemClock` is the machine's.
 *
 * Two kinds of time are kept apart: wall time may jump, monotonic time never runs backwards.
 */
export interface Clock {
  /** Milliseconds since 1970-01-01T00:00:00Z. May jump. For what people and records see. */
  wallMs(): number;
  /** Milliseconds, with fractions, since an arbitrary moment. For durations and deadlines. */
  monotonicMs(): number;
  /** Runs `task` once, `ms` or a little more from now. */
  after(ms: number, task: () => void): Cancel;
  /** Runs `task` at the event loop's next turn, after what is already due. */
  turn(task: () => void): Cancel;
}

/** Node takes a longer time for none at all. */
const TIMER_MS_MAX = 2 ** 31 - 1;

/** The machine's own time. */
export const systemClock: Clock = {
  wallMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  after(ms, task) {
    // Node's timers count whole milliseconds and may fire up to one early. Who waits for a moment
    // and is woken before it would wait for ever.
    const dueMs = performance.now() + ms;
    const arm = (): NodeJS.Timeout => {
      const leftMs = Math.max(0, dueMs - performance.now());
      return setTimeout(fire, Math.min(Math.ceil(leftMs), TIMER_MS_MAX));
    };
    const fire = (): void => {
      if (performance.now() < dueMs) timer = arm();
      else task();
    };
    let timer = arm();
    return () => {
      clearTimeout(timer);
    };
  },
  turn(task) {
    const immediate = setImmediate(task);
    return () => {
      clearImmediate(immediate);
    };
  },
};

/** Resolves after `ms`. */
export function sleep(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => {
    clock.after(ms, resolve);
  });
}

/** Resolves at the event loop's next turn. */
export function nextTurn(clock: Clock): Promise<void> {
  return new Promise((resolve) => {
    clock.turn(resolve);
  });
}

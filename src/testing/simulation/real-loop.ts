import type { LeakGuard } from './leak-guard.ts';

/*
 * The only use of the real event loop in a simulation.
 */

/**
 * Runs `next` when no microtask is left. A tick that is asked for by a microtask runs after Node has
 * drained all of them, and before anything of the outside, so that real I/O cannot come between.
 */
export function afterMicrotasks(guard: LeakGuard, next: () => void): void {
  void Promise.resolve().then(() => {
    guard.own(() => {
      // eslint-disable-next-line no-restricted-properties -- the kernel is what simulates the clock
      process.nextTick(next);
    });
  });
}

/** Runs `next` after the real event loop had a turn. */
export function afterRealTurn(next: () => void): void {
  // eslint-disable-next-line no-restricted-globals -- the kernel is what simulates the clock
  setImmediate(next);
}

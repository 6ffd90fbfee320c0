import type { Cancel, Clock } from './clock.ts';

/** Runs `act` now, and again whenever it has ended `everyMs` ago, until it is cancelled. It must not reject. */
export function repeat(
  clock: Pick<Clock, 'after'>,
  everyMs: number,
  act: () => Promise<void>,
): Cancel {
  let isCancelled = false;
  let cancelWait: Cancel = () => undefined;
  const run = async (): Promise<void> => {
    await act();
    if (isCancelled) return;
    cancelWait = clock.after(everyMs, () => {
      void run();
    });
  };
  void run();
  return () => {
    isCancelled = true;
    cancelWait();
  };
}

import type { Clock } from '../../common/clock.ts';

/** Waits for `awaited`; if that takes longer than `ms`, does `late`, and goes on waiting. */
export async function within(
  clock: Clock,
  ms: number,
  awaited: Promise<void>,
  late: () => void,
): Promise<void> {
  const cancel = clock.after(ms, late);
  await awaited.finally(cancel);
}

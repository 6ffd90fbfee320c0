import { describe, expect, it } from 'vitest';
import { systemClock } from './clock.ts';

describe('systemClock', () => {
  it('runs a task never before its time, although timers of Node do', async () => {
    const earlyMs = await Promise.all(
      Array.from({ length: 200 }, async (_, index) => {
        const ms = 1 + (index * 37) / 100;
        const dueMs = systemClock.monotonicMs() + ms;
        await new Promise<void>((resolve) => {
          systemClock.after(ms, resolve);
        });
        return dueMs - systemClock.monotonicMs();
      }),
    );
    expect(Math.max(...earlyMs)).toBeLessThanOrEqual(0);
  });

  it('runs no task that was cancelled', async () => {
    let ran = false;
    const cancel = systemClock.after(1, () => {
      ran = true;
    });
    cancel();
    await new Promise<void>((resolve) => {
      systemClock.after(10, resolve);
    });
    expect(ran).toBe(false);
  });
});

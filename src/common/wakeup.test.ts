import { expect, test } from 'vitest';
import { Wakeup } from './wakeup.ts';

test('a sleeper is woken, and so are all who sleep with it', async () => {
  const wakeup = new Wakeup();
  const sleepers = Promise.all([wakeup.wait(), wakeup.wait()]);
  wakeup.wake();
  await sleepers;
});

test('a wake-up while nobody sleeps is kept for one wait', async () => {
  const wakeup = new Wakeup();
  wakeup.wake();
  wakeup.wake();
  await wakeup.wait();
  let awake = false;
  const next = wakeup.wait().then(() => {
    awake = true;
  });
  await Promise.resolve();
  expect(awake).toBe(false);
  wakeup.wake();
  await next;
});

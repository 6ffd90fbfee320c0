import { expect, test } from 'vitest';
import { serializerOf } from '../serde/structural-serializer.ts';
import { AsyncMapOperator } from './async-map-operator.ts';
import { OperatorHarness } from './operator-harness.ts';

/** Calls that the test answers. */
class Service {
  readonly calls: { readonly value: unknown; readonly resolve: (v: unknown) => void }[] = [];
  reject: (error: unknown) => void = () => undefined;

  readonly call = (value: unknown): Promise<unknown> =>
    new Promise((resolve, reject) => {
      this.calls.push({ value, resolve });
      this.reject = reject;
    });

  /** Answers the first open call for `value`. */
  async answer(value: unknown): Promise<void> {
    const index = this.calls.findIndex((one) => one.value === value);
    const [call] = this.calls.splice(index, 1);
    call?.resolve(value);
    await Promise.resolve();
    await Promise.resolve();
  }
}

function open(
  service: Service,
  options: { ordered?: boolean; capacity?: number; parallelism?: number } = {},
): Promise<OperatorHarness> {
  const { ordered = true, capacity = 10, parallelism = 1 } = options;
  return OperatorHarness.open({
    parallelism,
    create: () =>
      new AsyncMapOperator({
        kind: 'async-map',
        asyncMap: service.call,
        ordered,
        capacity,
        timeoutMs: 1_000,
        element: serializerOf({ kind: 'int32' }),
      }),
  });
}

test('ordered: results leave in the order of their elements', async () => {
  const service = new Service();
  const harness = await open(service);
  harness.element(1, 10);
  harness.element(2, 20);
  await service.answer(2);
  harness.runMail();
  expect(harness.take()).toEqual([]);
  await service.answer(1);
  harness.runMail();
  expect(harness.takeAll()).toEqual([
    { kind: 'element', value: 1, timestampMs: 10 },
    { kind: 'element', value: 2, timestampMs: 20 },
  ]);
});

test('unordered: results leave as they are done, but do not pass a watermark', async () => {
  const service = new Service();
  const harness = await open(service, { ordered: false });
  harness.element(1, 10);
  harness.element(2, 20);
  harness.watermark(5);
  harness.watermark(6);
  harness.idle(true);
  harness.element(3, 30);
  for (const value of [3, 2]) await service.answer(value);
  harness.runMail();
  expect(harness.takeAll()).toEqual([{ kind: 'element', value: 2, timestampMs: 20 }]);
  await service.answer(1);
  harness.runMail();
  expect(harness.takeAll()).toEqual([
    { kind: 'element', value: 1, timestampMs: 10 },
    { kind: 'watermark', watermarkMs: 6 },
    { kind: 'idle', idle: true },
    { kind: 'element', value: 3, timestampMs: 30 },
  ]);
});

test.each([true, false])('takes no more than its capacity (ordered: %s)', async (ordered) => {
  const service = new Service();
  const harness = await open(service, { ordered, capacity: 2 });
  harness.element(1, 0);
  expect(harness.isStopped()).toBe(false);
  harness.element(2, 0);
  expect(harness.isStopped()).toBe(true);
  // A chain may still hand over what it had begun with.
  harness.element(3, 0);
  expect(service.calls).toHaveLength(2);
  await service.answer(1);
  harness.runMail();
  expect(service.calls.map(({ value }) => value)).toEqual([2, 3]);
  expect(harness.isStopped()).toBe(true);
  await service.answer(2);
  harness.runMail();
  expect(harness.isStopped()).toBe(false);
  harness.endInput();
  expect(harness.isStopped()).toBe(true);
  await service.answer(3);
  harness.runMail();
  expect(harness.isStopped()).toBe(false);
  expect(harness.take()).toEqual([1, 2, 3]);
});

test('a snapshot waits for nobody; what was under way is called for again, first', async () => {
  const before = new Service();
  const harness = await open(before, { capacity: 3 });
  harness.element(1, 10);
  harness.watermark(5);
  harness.element(2, 20);
  await before.answer(1);
  const snapshot = await harness.snapshot();
  harness.runMail();
  expect(harness.take()).toEqual([1]);
  before.calls.length = 0;
  await harness.restore(snapshot, 1);
  harness.element(3, 30);
  expect(before.calls.map(({ value }) => value)).toEqual([1, 2, 3]);
  for (const value of [1, 2, 3]) await before.answer(value);
  harness.runMail();
  expect(harness.takeAll()).toEqual([
    { kind: 'element', value: 1, timestampMs: 10 },
    { kind: 'watermark', watermarkMs: 5 },
    { kind: 'element', value: 2, timestampMs: 20 },
    { kind: 'watermark', watermarkMs: 5 },
    { kind: 'element', value: 3, timestampMs: 30 },
  ]);
  await harness.restore(snapshot, 2);
  expect(before.calls.map(({ value }) => value)).toEqual([1, 2]);
});

test('a call that fails, or takes too long, fails the task and names the operator', async () => {
  const service = new Service();
  const harness = await open(service);
  harness.element(1, 0);
  service.reject(new Error('no'));
  await Promise.resolve();
  await Promise.resolve();
  expect(() => {
    harness.runMail();
  }).toThrow(/OPR-104.*tested/s);

  const slowly = new Service();
  const slow = await open(slowly);
  slow.element(1, 0);
  slow.advanceTo(500);
  slow.element(2, 0);
  await slowly.answer(1);
  slow.advanceTo(1_499);
  expect(() => {
    slow.advanceTo(1_500);
  }).toThrow(/OPR-105.*tested/s);
});

test('what comes after close is ignored', async () => {
  const service = new Service();
  const harness = await open(service);
  harness.element(1, 0);
  await harness.close();
  await service.answer(1);
  harness.runMail();
  harness.advanceTo(10_000);
  expect(harness.take()).toEqual([]);
});

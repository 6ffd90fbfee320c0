import { expect, test } from 'vitest';
import type {
  CustomTrigger,
  Trigger,
  WindowAssigner,
  WindowFunction,
} from '../contracts/windows.ts';
import { MAX_WATERMARK_MS } from '../runtime/element.ts';
import { serializerOf } from '../serde/structural-serializer.ts';
import { OperatorHarness, type HarnessOptions } from './operator-harness.ts';
import { windowStart } from './window-assigner.ts';
import { WindowOperator } from './window-operator.ts';

const float64 = serializerOf({ kind: 'float64' });

/** Sums numbers whose key is their sign. */
const SUM: WindowFunction<number, number, string> = {
  kind: 'aggregate',
  aggregate: {
    accumulator: float64,
    createAccumulator: () => 0,
    add: (sum: number, value: number) => sum + value,
    getResult: (sum: number) => sum,
    merge: (a: number, b: number) => a + b,
  },
  emit: (sum: number, { window, out }) => {
    out.emit(`${window.start}..${window.end}=${sum}`);
  },
};

interface Given {
  readonly assigner: WindowAssigner;
  readonly fn?: WindowFunction<number, number, string>;
  readonly trigger?: Trigger;
  readonly latenessMs?: number;
  readonly lateTagId?: string;
}

function open(given: Given, options: Partial<HarnessOptions> = {}): Promise<OperatorHarness> {
  return OperatorHarness.open({
    create: () =>
      new WindowOperator({
        kind: 'window',
        assigner: given.assigner,
        function: given.fn ?? SUM,
        options: {
          trigger: given.trigger,
          allowedLatenessMs: given.latenessMs ?? 0,
          lateTagId: given.lateTagId,
        },
      }),
    keys: [(value: number) => Math.sign(value)],
    ...options,
  });
}

const TUMBLING: WindowAssigner = { kind: 'tumbling', sizeMs: 10, offsetMs: 0, time: 'event-time' };
const SESSION: WindowAssigner = { kind: 'session', gapMs: 10, time: 'event-time' };

test.each([
  [0, 0, 10, 0],
  [-1, 0, 10, -10],
  [-10, 0, 10, -10],
  [5, -3, 10, -3],
  [-4, -3, 10, -13],
  [7, 7, 10, 7],
  [6, 7, 10, -3],
])('the window of %d with offset %d and length %d starts at %d', (time, offset, length, start) => {
  expect(windowStart(time, offset, length)).toBe(start);
});

test('a window fires once at its end, with its last moment as timestamp', async () => {
  const harness = await open({ assigner: TUMBLING });
  harness.element(1, 3);
  harness.element(2, 9);
  harness.element(4, 10);
  harness.watermark(8);
  expect(harness.takeAll()).toEqual([{ kind: 'watermark', watermarkMs: 8 }]);
  harness.watermark(9);
  expect(harness.takeAll()).toEqual([
    { kind: 'element', value: '0..10=3', timestampMs: 9 },
    { kind: 'watermark', watermarkMs: 9 },
  ]);
  harness.watermark(15);
  expect(harness.take()).toEqual([]);
  harness.watermark(MAX_WATERMARK_MS);
  expect(harness.take()).toEqual(['10..20=4']);
  expect(harness.rows()).toBe(0);
});

test('late elements fire again while the lateness lasts, then go aside or are counted', async () => {
  const harness = await open({ assigner: TUMBLING, latenessMs: 5, lateTagId: 'late' });
  harness.element(1, 3);
  harness.watermark(12);
  harness.element(2, 3);
  expect(harness.take()).toEqual(['0..10=1', '0..10=3']);
  harness.watermark(14);
  expect(harness.rows()).toBe(0);
  harness.element(4, 3);
  expect(harness.takeAll()).toEqual([
    { kind: 'watermark', watermarkMs: 14 },
    { kind: 'side', tagId: 'late', value: 4 },
  ]);
  const counting = await open({ assigner: TUMBLING });
  counting.watermark(100);
  counting.element(1, 3);
  expect(counting.lateDropped).toBe(1);
});

test('a lateness beyond all time keeps windows for ever and still says so', async () => {
  const harness = await open({ assigner: TUMBLING, latenessMs: Number.MAX_SAFE_INTEGER });
  harness.element(1, 3);
  harness.watermark(1_000);
  harness.element(2, 3);
  expect(harness.take()).toEqual(['0..10=1', '0..10=3']);
});

test('an element without a timestamp is refused with advice', async () => {
  const harness = await open({ assigner: TUMBLING });
  expect(() => {
    harness.element(1, Number.NaN);
  }).toThrow(/OPR-101.*tested/s);
});

test('sessions that an element joins are one, and state moves once', async () => {
  const harness = await open({ assigner: SESSION, latenessMs: 3 });
  harness.element(1, 0);
  harness.element(2, 20);
  harness.element(4, 10);
  harness.element(-8, 10);
  harness.watermark(100);
  expect(harness.take().sort()).toEqual(['0..30=7', '10..20=-8']);
  expect(harness.rows()).toBe(0);
});

test('a session in processing time ends by the clock', async () => {
  const harness = await open({ assigner: { ...SESSION, time: 'processing-time' } });
  harness.element(1, Number.NaN);
  harness.advanceTo(5);
  harness.element(2, Number.NaN);
  harness.advanceTo(13);
  expect(harness.take()).toEqual([]);
  harness.advanceTo(14);
  expect(harness.take()).toEqual(['0..15=3']);
  expect(harness.rows()).toBe(0);
});

test('processing-time windows fire by the clock, continuous ones also before their end', async () => {
  const assigner = { ...TUMBLING, time: 'processing-time' } as const;
  const harness = await open({
    assigner,
    trigger: { kind: 'continuous', everyMs: 4, time: 'processing-time' },
  });
  harness.element(1, Number.NaN);
  harness.advanceTo(4);
  expect(harness.take()).toEqual(['0..10=1']);
  harness.element(2, Number.NaN);
  harness.advanceTo(30);
  expect(harness.take()).toEqual(['0..10=3', '0..10=3']);
  expect(harness.rows()).toBe(0);
});

test('a global window gives results by count, and purging leaves nothing', async () => {
  const harness = await open({
    assigner: { kind: 'global' },
    trigger: { kind: 'count', count: 2, purge: true },
    fn: { kind: 'reduce', element: float64, reduce: (a, b) => a + b, emit: undefined },
  });
  for (const value of [1, 2, 3, 4]) harness.element(value, Number.NaN);
  expect(harness.take()).toEqual([3, 7]);
  expect(harness.rows()).toBe(0);
});

test('timers and the counter of a custom trigger go with its window', async () => {
  const trigger: CustomTrigger<number> = {
    kind: 'custom',
    onElement(value, timestampMs, window, { counter, ...context }) {
      counter.set(counter.get() + value);
      context.registerEventTime(timestampMs + 100);
      context.registerProcessingTime(1_000);
      context.registerEventTime(window.end - 1);
      // Also the time of the clean-up, which must not be lost.
      context.deleteEventTime(window.end - 1);
      return counter.get() >= 10 ? 'fire' : 'continue';
    },
    onMerge(window, { counter, registerEventTime }) {
      registerEventTime(window.end + counter.get());
    },
  };
  for (const assigner of [TUMBLING, SESSION]) {
    const harness = await open({ assigner, trigger: trigger });
    harness.element(4, 1);
    harness.element(5, 2);
    expect(harness.take()).toEqual([]);
    harness.element(6, 3);
    expect(harness.take()).toHaveLength(1);
    harness.watermark(50);
    expect(harness.rows()).toBe(0);
  }
});

test('a trigger that returns nothing is told so', async () => {
  const trigger = { kind: 'custom', onElement: () => undefined } as unknown as Trigger;
  const harness = await open({ assigner: TUMBLING, trigger });
  expect(() => {
    harness.element(1, 1);
  }).toThrow(/OPR-102/);
});

test('many windows that fire at once stop with the flow and lose nothing', async () => {
  const harness = await open({ assigner: TUMBLING }, { stopEvery: 1 });
  for (let window = 0; window < 50; window++) harness.element(1, window * 10);
  harness.watermark(MAX_WATERMARK_MS);
  const all = harness.takeAll();
  expect(all).toHaveLength(51);
  expect(all.at(-1)).toEqual({ kind: 'watermark', watermarkMs: MAX_WATERMARK_MS });
  expect(harness.resumed).toBe(50);
  expect(harness.rows()).toBe(0);
});

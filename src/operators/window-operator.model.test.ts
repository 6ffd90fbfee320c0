/**
 * Goal: windows give what a brute-force model gives, whatever the order of elements, lateness,
 * trigger, interruptions of the flow and restores at another parallelism; and leave nothing behind.
 * Method: random inputs go to the operator over real state and to `WindowModel`; results are
 * compared after each step, rows at the end.
 * Replay: fast-check prints the seed and path of a failure; pass them to `fc.assert` as
 * `{ seed, path }`.
 */
import { expect, test } from 'vitest';
import { fc } from '../../test/support/property.ts';
import type {
  Trigger,
  WindowAssigner,
  WindowContext,
  WindowFunction,
} from '../contracts/windows.ts';
import { MAX_WATERMARK_MS } from '../runtime/element.ts';
import { serializerOf } from '../serde/structural-serializer.ts';
import { OperatorHarness } from './operator-harness.ts';
import { WindowModel, type ModelResult, type Reading } from './window-model.ts';
import { WindowOperator, type WindowSpec } from './window-operator.ts';

const reading = serializerOf({
  kind: 'object',
  fields: [
    { name: 'key', type: { kind: 'string' } },
    { name: 'id', type: { kind: 'int32' } },
  ],
});
const ids = serializerOf({ kind: 'array', of: { kind: 'int32' } });

type AnyFunction = WindowFunction<Reading, string, ModelResult>;
type Context = WindowContext<string, ModelResult>;

function emit(found: readonly number[], { key, window, out }: Context): void {
  const { start, end } = window;
  out.emit({ key, start, end, ids: [...found].sort((a, b) => a - b) });
}

const FUNCTIONS: readonly AnyFunction[] = [
  {
    kind: 'process',
    element: reading,
    process: (elements, context) =>
      emit(
        elements.map(({ id }) => id),
        context,
      ),
  },
  {
    kind: 'aggregate',
    aggregate: {
      accumulator: ids,
      createAccumulator: (): number[] => [],
      add: (sum: number[], { id }: Reading) => {
        sum.push(id);
        return sum;
      },
      getResult: (sum: number[]) => [...sum],
      merge: (a: number[], b: number[]) => [...a, ...b],
    },
    emit,
  },
];

const time = fc.integer({ min: -60, max: 60 });
const assigner: fc.Arbitrary<Exclude<WindowAssigner, { kind: 'global' }>> = fc.oneof(
  fc.tuple(fc.integer({ min: 1, max: 20 }), fc.nat()).map(([sizeMs, n]) => ({
    kind: 'tumbling' as const,
    sizeMs,
    offsetMs: (n % (2 * sizeMs - 1)) - sizeMs + 1,
    time: 'event-time' as const,
  })),
  fc
    .tuple(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 20 }), fc.nat())
    .map(([sizeMs, slideMs, n]) => ({
      kind: 'sliding' as const,
      sizeMs,
      slideMs,
      offsetMs: (n % (2 * slideMs - 1)) - slideMs + 1,
      time: 'event-time' as const,
    })),
  fc
    .integer({ min: 1, max: 15 })
    .map((gapMs) => ({ kind: 'session' as const, gapMs, time: 'event-time' as const })),
);
const base: fc.Arbitrary<Trigger> = fc.oneof(
  fc.constant({ kind: 'event-time' as const }),
  fc.record({
    kind: fc.constant('count' as const),
    count: fc.integer({ min: 1, max: 4 }),
    purge: fc.boolean(),
  }),
  fc.record({
    kind: fc.constant('continuous' as const),
    everyMs: fc.integer({ min: 1, max: 8 }),
    time: fc.constant('event-time' as const),
  }),
);
const trigger = fc.oneof(
  base,
  base.map((inner) => ({ kind: 'purging' as const, trigger: inner })),
);
const step = fc.oneof(
  {
    weight: 10,
    arbitrary: fc.record({
      do: fc.constant('element' as const),
      key: fc.constantFrom('a', 'b', 'c', 'd'),
      timestampMs: time,
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('watermark' as const),
      aheadMs: fc.integer({ min: 1, max: 25 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('restore' as const),
      parallelism: fc.integer({ min: 1, max: 4 }),
    }),
  },
);

test('windows give what the model gives, and leave nothing', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        assigner,
        trigger,
        latenessMs: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 30 })),
        fn: fc.constantFrom(...FUNCTIONS),
        stopEvery: fc.option(fc.integer({ min: 1, max: 3 }), { nil: undefined }),
        steps: fc.array(step, { maxLength: 80 }),
      }),
      async ({ fn, stopEvery, steps, ...options }) => {
        const spec: WindowSpec = {
          kind: 'window',
          assigner: options.assigner,
          function: fn,
          options: {
            trigger: options.trigger,
            allowedLatenessMs: options.latenessMs,
            lateTagId: 'late',
          },
        };
        const harness = await OperatorHarness.open({
          create: () => new WindowOperator(spec),
          keys: [(value: Reading) => value.key],
          parallelism: 2,
          // A timer that is set behind the watermark fires when the flow goes on: here that is at once.
          ...(stopEvery === undefined || isContinuous(options.trigger) ? {} : { stopEvery }),
        });
        const model = new WindowModel(options);
        const late: number[] = [];
        const expectSame = (wanted: readonly ModelResult[]) => {
          const all = harness.takeAll();
          const got = all.flatMap((one) => {
            if (one.kind === 'side') late.push((one.value as Reading).id);
            if (one.kind !== 'element') return [];
            const result = one.value as ModelResult;
            expect(one.timestampMs).toBe(result.end - 1);
            return [result];
          });
          expect(got.map(textOf).sort()).toEqual(wanted.map(textOf).sort());
          expect(late).toEqual(model.late);
        };
        let watermarkMs = -60;
        for (const [id, one] of steps.entries()) {
          switch (one.do) {
            case 'element':
              harness.element({ key: one.key, id }, one.timestampMs);
              expectSame(model.element({ key: one.key, id }, one.timestampMs));
              break;
            case 'watermark':
              watermarkMs += one.aheadMs;
              harness.watermark(watermarkMs);
              expectSame(model.watermark(watermarkMs));
              break;
            case 'restore':
              await harness.restore(await harness.snapshot(), one.parallelism);
              // The restored watermark comes again, and fires what was set behind it.
              expectSame(model.repeatWatermark());
          }
        }
        harness.watermark(MAX_WATERMARK_MS);
        expectSame(model.watermark(MAX_WATERMARK_MS));
        expect(harness.rows()).toBe(0);
        await harness.close();
      },
    ),
    { numRuns: 500 },
  );
}, 60_000);

function isContinuous(one: Trigger): boolean {
  return one.kind === 'purging' ? isContinuous(one.trigger) : one.kind === 'continuous';
}

function textOf({ key, start, end, ids: found }: ModelResult): string {
  return `${key} ${start}..${end}: ${found.join()}`;
}

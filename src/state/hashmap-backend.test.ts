/*
 * Goal: state survives any order of changes, barriers, confirmed and aborted checkpoints, failures
 * and rescaling, with windows and time to live.
 * Method: random operations on backends and on plain Maps (`keyed-state-model.ts`); each finished
 * snapshot is restored at another parallelism and compared.
 * Replay: fast-check prints the seed and path of a failure; pass them to `fc.assert` as
 * `{ seed, path }`.
 */
import { describe, expect, test } from 'vitest';
import { fc } from '../../test/support/property.ts';
import { MODEL_CHANGES } from './keyed-state-content.ts';
import { KeyedStateModel, MODEL_NAMESPACES, type ModelTuning } from './keyed-state-model.ts';

const KEY_SETS: readonly (readonly unknown[])[] = [
  [0, 1, 2, 3, -4, 5, 1_000_000],
  ['', 'a', 'b', 'ä', 'a longer key than sixteen'],
  [[1, 'a'], [1, 'b'], [2, 'a'], []],
  [
    { a: 1, b: 'x' },
    { a: 2, b: 'x' },
    { b: 'x', a: 3 },
  ],
  [1, '1', 1n, true, null, 1.5, NaN, [1], { a: 1 }],
];
const PARALLELISMS = [2, 5, 3, 1];

const operation = fc.oneof(
  {
    weight: 20,
    arbitrary: fc.record({
      do: fc.constant('change' as const),
      key: fc.nat(8),
      namespace: fc.nat(MODEL_NAMESPACES.length - 1),
      variant: fc.nat(MODEL_CHANGES - 1),
      value: fc.integer({ min: 1, max: 9 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('advance' as const), ms: fc.nat(60) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('barrier' as const),
      kind: fc.constantFrom('checkpoint' as const, 'checkpoint' as const, 'savepoint' as const),
      full: fc.nat(9).map((n) => n === 0),
    }),
  },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('drain' as const), steps: fc.nat(8) }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('finish' as const) }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('confirm' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('abort' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('fire' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('read' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('fail' as const), to: fc.nat(5) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('load' as const), steps: fc.nat(6) }) },
);

type Operation = typeof operation extends fc.Arbitrary<infer T> ? T : never;

async function finish(model: KeyedStateModel): Promise<void> {
  const finished = await model.finish();
  if (finished === undefined) return;
  const { actual, expected } = await model.compare(finished, (finished.id % 3) + 1);
  expect(actual).toEqual(expected);
}

async function perform(model: KeyedStateModel, op: Operation): Promise<void> {
  switch (op.do) {
    case 'change': {
      const key = model.keys[op.key % model.keys.length];
      model.change(key, MODEL_NAMESPACES[op.namespace], op.variant, op.value);
      return;
    }
    case 'advance':
      model.advance(op.ms);
      return;
    case 'barrier':
      await finish(model);
      model.barrier(op.kind, op.full);
      return;
    case 'drain':
      model.drain(op.steps);
      return;
    case 'finish':
      await finish(model);
      return;
    case 'confirm':
      model.confirm();
      return;
    case 'abort':
      model.abort();
      return;
    case 'fire':
      model.fireTimers();
      return;
    case 'read': {
      const { actual, expected } = model.compareRunning();
      expect(actual).toEqual(expected);
      return;
    }
    case 'load':
      model.load(op.steps);
      return;
    case 'fail': {
      const same = op.to >= PARALLELISMS.length;
      const parallelism = same ? model.subtasks.length : (PARALLELISMS[op.to] ?? 1);
      await model.fail(parallelism);
    }
  }
}

function isAsMaps(tuning: ModelTuning, numRuns: number): Promise<void> {
  return fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...KEY_SETS),
      fc.constantFrom(1, 2, 3),
      fc.array(operation, { minLength: 10, maxLength: 150 }),
      async (keys, parallelism, operations) => {
        const model = new KeyedStateModel(keys, parallelism, tuning);
        for (const op of operations) await perform(model, op);
        const { actual, expected } = model.compareRunning();
        expect(actual).toEqual(expected);
        model.barrier('checkpoint', false);
        await finish(model);
      },
    ),
    { numRuns },
  );
}

/** The same in rounds, each of which begins with a restore of all that there was. */
function isAsMapsAfterRestores(tuning: ModelTuning, numRuns: number): Promise<void> {
  return fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...KEY_SETS),
      fc.array(fc.array(operation, { minLength: 10, maxLength: 40, size: 'max' }), {
        minLength: 2,
        maxLength: 5,
        size: 'max',
      }),
      async (keys, rounds) => {
        const model = new KeyedStateModel(keys, 2, tuning);
        for (const [round, operations] of rounds.entries()) {
          for (const op of operations) await perform(model, op);
          await finish(model);
          model.barrier('checkpoint', false);
          await finish(model);
          model.confirm();
          await model.fail(PARALLELISMS[round % 4] ?? 2);
        }
        const { actual, expected } = model.compareRunning();
        expect(actual).toEqual(expected);
      },
    ),
    { numRuns },
  );
}

describe('hashmap backend', () => {
  test.each([
    { leastBytes: 0, share: 0, checkpointsMax: 1000 },
    { leastBytes: 0, share: 0.5, checkpointsMax: 256 },
    { leastBytes: 65536, share: 0.5, checkpointsMax: 256 },
  ])(
    'is what plain Maps are, rewriting $leastBytes bytes and $share of the changes',
    { timeout: 60_000 },
    (rewrite) => isAsMaps({ rewrite }, 120),
  );

  test.each([
    { ranges: false, sliceRows: 1, share: 0 },
    { ranges: true, sliceRows: 1, share: 0.5 },
    { ranges: true, sliceRows: 64, share: 0 },
  ])(
    'is what plain Maps are while it loads: $sliceRows rows at a time, by ranges: $ranges',
    { timeout: 60_000 },
    async ({ ranges, sliceRows, share }) => {
      const rewrite = { leastBytes: 0, share, checkpointsMax: 1000 };
      const tuning = { rewrite, ranges, sliceRows, lazyBytes: 0, wholeBytes: 0 };
      await isAsMaps(tuning, 40);
      await isAsMapsAfterRestores(tuning, 80);
    },
  );
});

import { describe, expect, expectTypeOf, test } from 'vitest';
import type { Source, SourceReader } from '../../contracts/source.ts';
import { Simulation } from '../../testing/simulation/simulation.ts';
import { SourceRun } from '../../../test/conformance/source.ts';
import { fromElements, generate, type GeneratorSplit } from './generator-source.ts';
import { rateLimited } from './rate-limited.ts';

const FRESH = { enumerator: undefined, splits: [] };
const code = (expected: string) => expect.objectContaining({ code: expected }) as Error;

async function read<T, Split, Enum>(
  source: Source<T, Split, Enum>,
  stopAfter = Infinity,
  parallelism = 1,
) {
  const simulation = new Simulation({ seed: 5 });
  const startMs = simulation.nowMs;
  return simulation.run(
    simulation.process('job').start(async (world) => {
      const run = new SourceRun(source, world, parallelism, simulation.random);
      const { emitted } = await run.run(FRESH, stopAfter);
      return { emitted, finished: run.finished, ms: simulation.nowMs - startMs };
    }),
  );
}

describe('generate', () => {
  test('makes elements in order, one row of indexes per subtask', async () => {
    expect((await read(generate(5, (index) => index))).emitted).toEqual([0, 1, 2, 3, 4]);
    const { emitted, finished } = await read(
      generate(5, (index) => index),
      Infinity,
      3,
    );
    expect(emitted.toSorted()).toEqual([0, 1, 2, 3, 4]);
    expect(finished.toSorted()).toEqual(['0/3', '1/3', '2/3']);
  });

  test('of fewer elements than subtasks, and of none', async () => {
    expect(
      (
        await read(
          generate(2, (index) => index),
          Infinity,
          4,
        )
      ).emitted,
    ).toEqual([0, 1]);
    expect(
      (
        await read(
          generate(0, (index) => index),
          Infinity,
          2,
        )
      ).emitted,
    ).toEqual([]);
  });

  test('goes on for ever with Infinity', async () => {
    const endless = generate(Infinity, (index) => index);
    expect(endless.boundedness).toBe('unbounded');
    expect((await read(endless, 1_000)).emitted.length).toBe(1_000);
  });

  test.each([-1, 1.5, Number.NaN, 2 ** 53])('%d elements are refused', (count) => {
    expect(() => generate(count, (index) => index)).toThrow(code('GEN-001'));
  });

  test('its element type is what the function makes', () => {
    const source = generate(1, (index) => ({ index }));
    expectTypeOf(source.reader).returns.toEqualTypeOf<
      SourceReader<{ index: number }, GeneratorSplit>
    >();
  });
});

test('fromElements keeps their order, whatever the parallelism', async () => {
  expect((await read(fromElements(['c', 'a', 'b']), Infinity, 3)).emitted).toEqual(['c', 'a', 'b']);
  expect((await read(fromElements([]), Infinity, 3)).emitted).toEqual([]);
});

describe('a rate', () => {
  test.each([
    [10, 30, 1],
    [100, 300, 2],
    [5_000, 5_000, 3],
  ])('of %d a second: %d elements, parallelism %d', async (rate, count, parallelism) => {
    const source = generate(count, (index) => index, { rowsPerSecond: rate });
    const { emitted, ms } = await read(source, Infinity, parallelism);
    expect(emitted.length).toBe(count);
    const expectedMs = (count / rate) * 1_000;
    expect(ms).toBeGreaterThan(expectedMs * 0.9 - parallelism * (1_000 / rate));
    expect(ms).toBeLessThan(expectedMs * 1.1 + 50);
  });

  test('sleeps between elements instead of asking again and again', async () => {
    const simulation = new Simulation({ seed: 5 });
    const source = rateLimited(fromElements([1, 2, 3]), 1);
    let polls = 0;
    await simulation.run(
      simulation.process('job').start(async (world) => {
        const reader = source.reader({
          world,
          uid: 'u',
          subtask: 0,
          parallelism: 1,
          requestSplit: () => undefined,
        });
        reader.addSplits([{ first: 0, stride: 1, next: 0 }]);
        reader.noMoreSplits();
        await reader.start();
        const emitted: number[] = [];
        const out = {
          emit: (value: number) => emitted.push(value) < 3,
          splitFinished: () => undefined,
        };
        while (emitted.length < 3) {
          polls++;
          if (reader.poll(out, 100) === 'later') await reader.available();
        }
        await reader.close();
      }),
    );
    expect(polls).toBeLessThan(10);
    expect(simulation.nowMs).toBeGreaterThan(1_990);
  });

  test.each([0, -1, Number.NaN])('of %d is refused', (rowsPerSecond) => {
    expect(() => generate(1, (index) => index, { rowsPerSecond })).toThrow(code('GEN-002'));
  });
});

/**
 * Goal: a source hands out each element exactly once, whatever moment it is snapshotted, restored and
 * rescaled at.
 * Method: the source runs in a simulation under a small driver that does what a task and a
 * coordinator do. It is stopped after every number of elements, its snapshot goes through its
 * serializers as bytes, and another incarnation, with another parallelism, reads the rest.
 * Replay: the failing test's name holds position and parallelism; the seed is fixed.
 */
import { describe, expect, test } from 'vitest';
import { randomInt, type Random } from '../../src/common/random.ts';
import type { Source, SourceOutput, SourceReader, World } from '../../src/contracts/source.ts';
import { ByteReader, ByteWriter } from '../../src/serde/bytes.ts';
import type { Serializer } from '../../src/serde/serializer.ts';
import { Simulation } from '../../src/testing/simulation/simulation.ts';

export interface SourceCase<T> {
  /** Puts input on the disk. */
  prepare(world: World): Promise<void>;
  source(): Source<T>;
  /** All elements, in any order. */
  readonly expected: readonly T[];
}

export function conformsAsSource<T>(name: string, make: () => SourceCase<T>): void {
  describe(`${name} conforms as a source`, () => {
    test.each([1, 2, 3])('all elements once, parallelism %d', async (parallelism) => {
      await simulate(make(), [{ parallelism, stopAfter: Infinity }]);
    });

    const total = make().expected.length;
    const positions = Array.from({ length: Math.min(total, 40) + 1 }, (_, step) =>
      Math.round((step * total) / Math.min(total, 40)),
    );
    test.each(positions)('restored after %d elements', async (stopAfter) => {
      for (const [before, after] of [
        [1, 1],
        [1, 3],
        [3, 1],
        [2, 3],
      ] as const) {
        await simulate(make(), [
          { parallelism: before, stopAfter },
          { parallelism: after, stopAfter: Infinity },
        ]);
      }
    });

    test.each([1, 2, 3, 4, 5])('restored again and again, seed %d', async (seed) => {
      await simulate(make(), 'at random', seed);
    });
  });
}

interface Phase {
  readonly parallelism: number;
  /** Stops when at least so many elements of this phase are out. */
  readonly stopAfter: number;
}

/** What a snapshot of the whole source is. */
export interface SourceSnapshot {
  readonly enumerator: Uint8Array | undefined;
  readonly splits: readonly Uint8Array[];
}

async function simulate<T>(
  sample: SourceCase<T>,
  phases: readonly Phase[] | 'at random',
  seed = 1,
): Promise<void> {
  const simulation = new Simulation({ seed });
  const elements: T[] = [];
  await simulation.run(simulation.process('setup').start((world) => sample.prepare(world)));
  let snapshot: SourceSnapshot = { enumerator: undefined, splits: [] };
  for (const phase of phases === 'at random' ? randomPhases(simulation.random) : phases) {
    const process = simulation.process('job');
    const run = new SourceRun(sample.source(), process, phase.parallelism, simulation.random);
    const { emitted, taken } = await simulation.run(
      process.start(() => run.run(snapshot, phase.stopAfter)),
    );
    process.kill();
    elements.push(...emitted);
    snapshot = taken;
  }
  expect(sorted(elements)).toEqual(sorted(sample.expected));
}

function* randomPhases(random: Random): Generator<Phase> {
  for (let phase = 0; phase < 8; phase++) {
    yield { parallelism: 1 + randomInt(random, 4), stopAfter: randomInt(random, 12) };
  }
  yield { parallelism: 2, stopAfter: Infinity };
}

function sorted(values: readonly unknown[]): string[] {
  return values.map((value) => JSON.stringify(value)).sort();
}

interface Subtask<T, Split> {
  readonly reader: SourceReader<T, Split>;
  ended: boolean;
}

/** Drives a source as tasks and a coordinator do. */
export class SourceRun<T, Split, Enum> {
  readonly #source: Source<T, Split, Enum>;
  readonly #world: World;
  readonly #random: Random;
  readonly #parallelism: number;
  readonly #emitted: T[] = [];
  readonly #finished: string[] = [];
  #stopAfter = Infinity;
  #failure: { readonly error: unknown } | undefined;

  constructor(source: Source<T, Split, Enum>, world: World, parallelism: number, random: Random) {
    this.#source = source;
    this.#world = world;
    this.#parallelism = parallelism;
    this.#random = random;
  }

  get emitted(): readonly T[] {
    return this.#emitted;
  }

  /** The splits that were finished, by their ids. */
  get finished(): readonly string[] {
    return this.#finished;
  }

  async run(
    from: SourceSnapshot,
    stopAfter: number,
  ): Promise<{ emitted: readonly T[]; taken: SourceSnapshot }> {
    this.#stopAfter = stopAfter;
    const subtasks: Subtask<T, Split>[] = [];
    const state = from.enumerator && fromBytes(this.#source.enumeratorState, from.enumerator);
    const enumerator = this.#source.enumerator(
      {
        world: this.#world,
        uid: 'source',
        parallelism: this.#parallelism,
        assign: (split, subtask) => subtasks[subtask]?.reader.addSplits([split]),
        noMoreSplits: (subtask) => subtasks[subtask]?.reader.noMoreSplits(),
        fail: (error) => {
          this.#failure = { error };
        },
      },
      state,
    );
    for (let subtask = 0; subtask < this.#parallelism; subtask++) {
      const reader = this.#source.reader({
        world: this.#world,
        uid: 'source',
        subtask,
        parallelism: this.#parallelism,
        // As over a channel: the request does not come back within the call.
        requestSplit: () => void this.#world.clock.turn(() => enumerator.splitRequested(subtask)),
      });
      subtasks.push({ reader, ended: false });
    }
    for (const [index, bytes] of from.splits.entries()) {
      const split = fromBytes(this.#source.splits, bytes);
      subtasks[index % this.#parallelism]?.reader.addSplits([split]);
    }
    await enumerator.start();
    for (const { reader } of subtasks) await reader.start();
    await Promise.all(subtasks.map((subtask) => this.#drive(subtask)));
    const taken = {
      enumerator: toBytes(this.#source.enumeratorState, enumerator.snapshot()),
      splits: subtasks.flatMap(({ reader }) =>
        reader.snapshot(1).map((split) => toBytes(this.#source.splits, split)),
      ),
    };
    await Promise.all([enumerator.close(), ...subtasks.map(({ reader }) => reader.close())]);
    return { emitted: this.#emitted, taken };
  }

  async #drive(subtask: Subtask<T, Split>): Promise<void> {
    const { reader } = subtask;
    const output: SourceOutput<T> = {
      emit: (value) => {
        this.#emitted.push(value);
        return this.#emitted.length < this.#stopAfter;
      },
      splitFinished: (splitId) => this.#finished.push(splitId),
    };
    while (this.#emitted.length < this.#stopAfter) {
      if (this.#failure !== undefined) throw this.#failure.error;
      const left = this.#stopAfter - this.#emitted.length;
      const step = reader.poll(output, Math.min(left, 1 + randomInt(this.#random, 5)));
      if (step === 'end') return;
      const turn = new Promise<void>((resolve) => this.#world.clock.after(1, resolve));
      // Others may reach the stop while this one waits.
      if (step === 'later') await Promise.race([reader.available(), turn]);
      else await turn;
    }
  }
}

function toBytes<V>(serializer: Serializer<V>, value: V): Uint8Array {
  const writer = new ByteWriter();
  serializer.write(value, writer);
  return writer.finish().slice();
}

function fromBytes<V>(serializer: Serializer<V>, bytes: Uint8Array): V {
  return serializer.read(new ByteReader(bytes));
}

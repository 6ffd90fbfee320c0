/**
 * Goal: what a two-phase sink shows is at every moment a part of what was written, without doubles;
 * and when the job has ended, all of it, whatever it died of on the way.
 * Method: a small job writes numbered values with checkpoints and intermediate savepoints, whose store
 * outlives the process. It is killed at every write point of the disk and at every step of its own, with
 * and without a loss of power, and started again with another parallelism.
 * Replay: the failing test's name and the `at` in its message hold the point; the seed is fixed.
 */
import { describe, expect, test } from 'vitest';
import { nextTurn } from '../../src/common/clock.ts';
import type { Sink, Stamped } from '../../src/contracts/sink.ts';
import type { World } from '../../src/contracts/source.ts';
import { ByteReader, ByteWriter } from '../../src/serde/bytes.ts';
import { Simulation } from '../../src/testing/simulation/simulation.ts';

export interface SinkCase {
  sink(): Sink<NumberedValue>;
  /** What a reader of the sink's output sees now. */
  visible(world: World): Promise<readonly NumberedValue[]>;
  /** Names of what must not be there when the job has ended. */
  leftovers?(world: World): Promise<readonly string[]>;
}

export interface NumberedValue {
  readonly n: number;
  readonly text: string;
}

const VALUES = Array.from({ length: 24 }, (_, n): NumberedValue => ({ n, text: `value ${n}` }));
const VALUES_PER_CHECKPOINT = 7;
const LINEAGE = 'a1b2c3';

/** @param everyPoint For sinks with very many write points: each way of dying takes every so many of them. */
export function conformsAsSink(name: string, make: () => SinkCase, everyPoint = 1): void {
  describe(`${name} conforms as a two-phase sink`, () => {
    test.each([1, 2, 3])('writes all once, parallelism %d', async (parallelism) => {
      const job = new SinkJob(make(), parallelism);
      await job.attempt();
      await job.expectAll();
    });

    const moments = ['before', 'after'] as const;
    const ways = ['process', 'power'] as const;
    const deaths = moments.flatMap((moment) => ways.map((way) => ({ moment, way })));
    test.each(deaths)('dies $moment each write point: $way', async ({ moment, way }) => {
      const points = await countOf((job) => job.simulation.disk.writePoints());
      // The four ways begin at different points, so that together they see more of them.
      const first = 1 + ((2 * moments.indexOf(moment) + ways.indexOf(way)) % everyPoint);
      for (let point = first; point <= points; point += everyPoint) {
        const job = new SinkJob(make(), 2);
        const reached = job.simulation.disk.crashAt(point, moment);
        await job.attempt(reached.then((at) => `${at.operation} ${at.path} (${point})`));
        await recover(job, way);
      }
    });

    test.each(ways)('dies at each step of the job: %s', async (way) => {
      const steps = await countOf((job) => job.steps);
      for (let step = 1; step <= steps; step++) {
        const job = new SinkJob(make(), 2);
        await job.attempt(job.killAtStep(step));
        await recover(job, way);
      }
    });

    async function countOf(what: (job: SinkJob) => number): Promise<number> {
      const job = new SinkJob(make(), 2);
      await job.attempt();
      return what(job);
    }
  });
}

async function recover(job: SinkJob, way: 'process' | 'power'): Promise<void> {
  if (way === 'power') job.simulation.disk.crash();
  await job.expectPart();
  job.parallelism = 3;
  await job.attempt();
  await job.expectAll();
}

interface Pending {
  readonly checkpointId: number;
  readonly subtask: number;
  readonly bytes: Uint8Array;
}

/** A job whose checkpoints are kept in the test: they survive everything. */
class SinkJob {
  readonly simulation = new Simulation({ seed: 1 });
  parallelism: number;
  steps = 0;
  readonly #case: SinkCase;
  #checkpoint: { id: number; next: number; pending: readonly Pending[] } = {
    id: 0,
    next: 0,
    pending: [],
  };
  #attempts = 0;
  #killAt: { readonly step: number; readonly dead: (at: string) => void } | undefined;
  #diedAt = 'never';

  constructor(sample: SinkCase, parallelism: number) {
    this.#case = sample;
    this.parallelism = parallelism;
  }

  killAtStep(step: number): Promise<string> {
    return new Promise((dead) => {
      this.#killAt = { step, dead };
    });
  }

  /** Runs to the end, or until it dies. */
  async attempt(dead?: Promise<string>): Promise<void> {
    const process = this.simulation.process('job');
    const attempt = ++this.#attempts;
    const step = async (): Promise<void> => {
      this.steps++;
      if (this.#killAt?.step === this.steps) {
        process.kill();
        this.#killAt.dead(`step ${this.steps}`);
      }
      await nextTurn(process.clock);
    };
    const ended = process.start((world) => this.#run(world, attempt, step)).then(() => 'end');
    this.#diedAt = await this.simulation.run(dead ? Promise.race([ended, dead]) : ended);
    process.kill();
  }

  async expectPart(): Promise<void> {
    const numbers = await this.#numbers();
    expect(new Set(numbers).size, `doubles, died at ${this.#diedAt}`).toBe(numbers.length);
    // Nothing of an incomplete checkpoint: its values will be written again.
    for (const n of numbers)
      expect(n, `died at ${this.#diedAt}`).toBeLessThan(this.#checkpoint.next);
  }

  async expectAll(): Promise<void> {
    const values = await this.#read((world) => this.#case.visible(world));
    const order = values.toSorted((a, b) => a.n - b.n);
    expect(order, `died at ${this.#diedAt}`).toEqual(VALUES);
    const leftovers = await this.#read(async (world) => this.#case.leftovers?.(world) ?? []);
    expect(leftovers, `died at ${this.#diedAt}`).toEqual([]);
  }

  async #numbers(): Promise<number[]> {
    const values = await this.#read((world) => this.#case.visible(world));
    return values.map(({ n }) => n);
  }

  async #read<R>(read: (world: World) => Promise<R>): Promise<R> {
    const process = this.simulation.process('reader');
    const result = await this.simulation.run(process.start(read));
    process.kill();
    return result;
  }

  async #run(world: World, attempt: number, step: () => Promise<void>): Promise<void> {
    const { parallelism } = this;
    const sink = this.#case.sink();
    const committer = sink.committer?.({
      world,
      uid: 'sink',
      lineage: LINEAGE,
      isLeftover: (writerId) => writerId.startsWith(`${LINEAGE}-`),
    });
    const commit = async (pending: readonly Pending[]): Promise<void> => {
      const stamped = pending.map((each) => stampedOf(sink, each));
      const results = (await committer?.commit(stamped)) ?? [];
      expect(results.length).toBe(pending.length);
      for (const result of results) expect(['done', 'already']).toContain(result);
    };
    await commit(this.#checkpoint.pending);
    await committer?.abortLeftovers?.();
    const writers = Array.from({ length: parallelism }, (_, subtask) =>
      sink.writer({
        world,
        uid: 'sink',
        subtask,
        parallelism,
        writerId: `${LINEAGE}-${attempt}-${subtask}`,
      }),
    );
    for (const writer of writers) await writer.open?.();
    let uncommitted: Pending[] = [];
    let { id, next } = this.#checkpoint;
    while (next < VALUES.length) {
      for (const value of VALUES.slice(next, next + VALUES_PER_CHECKPOINT)) {
        await writers[value.n % parallelism]?.write(value, undefined);
        await step();
      }
      id++;
      next += VALUES_PER_CHECKPOINT;
      const why = next >= VALUES.length ? 'end' : id % 2 === 0 ? 'savepoint' : 'checkpoint';
      for (const [subtask, writer] of writers.entries()) {
        const committables = await writer.prepareCommit(id, why);
        uncommitted.push(
          ...committables.map((each) => ({
            checkpointId: id,
            subtask,
            bytes: bytesOf(sink, each),
          })),
        );
      }
      await step();
      this.#checkpoint = { id, next, pending: [...uncommitted] };
      await step();
      if (why === 'savepoint') continue;
      await commit(uncommitted);
      uncommitted = [];
      await step();
    }
    for (const writer of writers) await writer.close();
    await committer?.close?.();
  }
}

function bytesOf(sink: Sink<NumberedValue>, committable: unknown): Uint8Array {
  const writer = new ByteWriter();
  sink.committables?.write(committable, writer);
  return writer.finish().slice();
}

function stampedOf(sink: Sink<NumberedValue>, pending: Pending): Stamped<unknown> {
  const { checkpointId, subtask, bytes } = pending;
  return { checkpointId, subtask, committable: sink.committables?.read(new ByteReader(bytes)) };
}

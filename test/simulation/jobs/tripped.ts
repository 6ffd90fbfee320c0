import type { JobDefinition } from '../../../src/index.ts';

/** Counts calls of a job's functions down, and makes one of them throw. */
export class Trip {
  #left = Infinity;

  /** The nth call from now throws, once. */
  arm(calls: number): void {
    this.#left = calls;
  }

  pass(): void {
    this.#left -= 1;
    if (this.#left >= 0) return;
    this.#left = Infinity;
    throw new TripError();
  }
}

export class TripError extends Error {
  override readonly name = 'TripError';
  override readonly message = 'planned by the test';
}

/** Methods by which the engine calls the user's code with an element. */
const CALLS = ['map', 'filter', 'flatMap', 'asyncMap', 'processElement', 'processElement1'];

/** The job with `trip` passed in each call of its functions. */
export function tripped(job: JobDefinition<undefined>, trip: Trip): JobDefinition<undefined> {
  return {
    ...job,
    build: (settings, flink) => {
      const { graph, config } = job.build(settings, flink);
      // What a guarded function throws is no failure but a dead letter.
      const nodes = graph.nodes.map((node) =>
        node.onError === undefined ? { ...node, spec: withTrip(node.spec, trip) } : node,
      );
      return { graph: { ...graph, nodes }, config };
    },
  };
}

function withTrip<T extends object>(spec: T, trip: Trip): T {
  const changed: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(spec)) {
    if (name === 'process') changed[name] = withTrip(value as object, trip);
    else if (typeof value === 'function' && CALLS.includes(name)) {
      const call = value as (...given: unknown[]) => unknown;
      changed[name] = (...given: unknown[]) => {
        trip.pass();
        return call(...given);
      };
    }
  }
  return { ...spec, ...changed };
}

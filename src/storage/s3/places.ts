import { deferred, type Deferred } from '../../common/deferred.ts';

/** So many may be under way at a time; the others wait, first come first served. */
export class Places {
  #free: number;
  readonly #waiting: Deferred<undefined>[] = [];

  constructor(count: number) {
    this.#free = count;
  }

  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free -= 1;
    else {
      const turn = deferred<undefined>();
      this.#waiting.push(turn);
      await turn.promise;
    }
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#free += 1;
      else next.resolve(undefined);
    }
  }
}

/**
 * Works on all, so many at a time, and gives the results in order. Behind a failure nothing new is begun, and
 * what is under way is waited for.
 */
export async function mapBounded<T, R>(
  items: readonly T[],
  atOnceMax: number,
  work: (item: T, index: number) => Promise<R>,
): Promise<R[]> {
  const results = new Array<R>(items.length);
  const failures: unknown[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < items.length && failures.length === 0) {
      const index = next;
      next += 1;
      try {
        results[index] = await work(items[index] as T, index);
      } catch (error) {
        failures.push(error);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnceMax, items.length) }, worker));
  if (failures.length > 0) throw failures[0];
  return results;
}

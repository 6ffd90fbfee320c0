/**
 * What takes longer than an answer: savepoints, stops, disposals, checkpoints. Whoever asks for one
 * gets its id at once and asks for the result later. An id that the client chose itself names the
 * same operation when it is sent again: a request that was sent twice, because the first answer
 * was lost, does its work once.
 *
 * Bounded: so many may be under way, and so many results are kept, the newest.
 */
import { randomHex, type Random } from '../common/random.ts';
import { tooManyError } from './rest-error.ts';

export type OperationResult =
  | { readonly kind: 'running' }
  | { readonly kind: 'done'; readonly operation: object }
  | { readonly kind: 'failed'; readonly error: unknown };

const RUNNING_MAX = 100;
const DONE_MAX = 1000;

export class AsyncOperations {
  readonly #random: Random;
  /** By scope and id, in the order of their ends, those under way among them. */
  readonly #results = new Map<string, OperationResult>();
  readonly #work = new Set<Promise<void>>();

  constructor(random: Random) {
    this.#random = random;
  }

  /**
   * Starts the work, unless one of this id is known in the scope.
   *
   * @returns Its id.
   * @throws {RestError} `RST-007` (`unavailable`) if too many are under way.
   */
  start(scope: string, asked: string | undefined, work: () => Promise<object>): string {
    const id = asked?.toLowerCase() ?? randomHex(this.#random, 32);
    const key = `${scope}/${id}`;
    if (this.#results.has(key)) return id;
    if (this.#work.size >= RUNNING_MAX) throw tooManyError('operations', RUNNING_MAX);
    this.#results.set(key, { kind: 'running' });
    const done: Promise<void> = settle(work).then((result) => {
      this.#work.delete(done);
      // Behind those that ended before.
      this.#results.delete(key);
      this.#results.set(key, result);
      this.#forgetOldest();
    });
    this.#work.add(done);
    return id;
  }

  /** Undefined: there is none, or it is long over. */
  find(scope: string, id: string): OperationResult | undefined {
    return this.#results.get(`${scope}/${id.toLowerCase()}`);
  }

  #forgetOldest(): void {
    let excess = this.#results.size - this.#work.size - DONE_MAX;
    for (const [key, { kind }] of this.#results) {
      if (excess <= 0) return;
      if (kind === 'running') continue;
      this.#results.delete(key);
      excess -= 1;
    }
  }
}

async function settle(work: () => Promise<object>): Promise<OperationResult> {
  try {
    return { kind: 'done', operation: await work() };
  } catch (error) {
    return { kind: 'failed', error };
  }
}

import { EngineError } from '../../../src/common/errors.ts';
import type { Random } from '../../../src/common/random.ts';
import type {
  BlobEntry,
  BlobStore,
  ByteRange,
  Bytes,
  Etag,
} from '../../../src/storage/blob-store.ts';
import type { SimulatedProcess, Simulation } from '../../../src/testing/index.ts';

/** How a store is to be reached, from one process; changes while a run goes on. */
export interface Line {
  /** Requests do not arrive, nor do answers. */
  isCut: boolean;
  /** Of each way, at most. */
  latencyMs: number;
  /** Of requests: share that is lost, and whose answer is lost, 0 to 1. */
  loss: number;
}

/** After so long a client gives up; the request may have been done, or may be done yet. */
const GIVE_UP_MS = 400;

/**
 * An object store that processes reach over a network: a request is done whole at some moment between its
 * call and its answer, also when its caller stands still, has died, or has given up.
 */
export class DistantBlobStore implements BlobStore {
  readonly url: string;
  readonly #inner: BlobStore;
  readonly #simulation: Simulation;
  readonly #process: SimulatedProcess;
  readonly #line: Line;
  readonly #random: Random;
  readonly #onDone: (path: string, bytes: Bytes) => void;

  /** @param onDone Told, at the server, of each blob that was replaced. */
  constructor(
    inner: BlobStore,
    simulation: Simulation,
    { process, line }: { readonly process: SimulatedProcess; readonly line: Line },
    onDone: (path: string, bytes: Bytes) => void,
  ) {
    this.url = inner.url;
    this.#inner = inner;
    this.#simulation = simulation;
    this.#process = process;
    this.#line = line;
    this.#random = process.random.fork('line');
    this.#onDone = onDone;
  }

  create(path: string, bytes: Bytes): Promise<Etag | 'taken'> {
    return this.#ask(() => this.#inner.create(path, bytes));
  }

  replaceIf(path: string, bytes: Bytes, expected: Etag | undefined): Promise<Etag | 'changed'> {
    return this.#ask(async () => {
      const answer = await this.#inner.replaceIf(path, bytes, expected);
      if (answer !== 'changed') this.#onDone(path, bytes);
      return answer;
    });
  }

  read(path: string, range?: ByteRange): ReturnType<BlobStore['read']> {
    return this.#ask(() => this.#inner.read(path, range));
  }

  async *list(prefix: string): AsyncIterable<BlobEntry> {
    const all: BlobEntry[] = [];
    await this.#ask(async () => {
      for await (const entry of this.#inner.list(prefix)) all.push(entry);
    });
    yield* all;
  }

  delete(paths: readonly string[]): Promise<void> {
    return this.#ask(() => this.#inner.delete(paths));
  }

  #ask<T>(act: () => Promise<T>): Promise<T> {
    const { clock } = this.#process;
    return new Promise<T>((resolve, reject) => {
      let isOver = false;
      const giveUp = clock.after(GIVE_UP_MS, () => {
        isOver = true;
        reject(new EngineError('STO-001', 'unavailable', 'the blob store does not answer'));
      });
      if (!this.#arrives()) return;
      // The server's time goes on whatever becomes of the client.
      this.#simulation.clock.after(this.#latencyMs(), () => {
        void act().then(
          (answer) => {
            if (!this.#arrives()) return;
            clock.after(this.#latencyMs(), () => {
              if (isOver) return;
              giveUp();
              resolve(answer);
            });
          },
          (error: unknown) => {
            giveUp();
            reject(error instanceof Error ? error : new TypeError(String(error)));
          },
        );
      });
    });
  }

  #arrives(): boolean {
    return !this.#line.isCut && this.#random.next() >= this.#line.loss;
  }

  /** Now and then much longer than usual: later than when the client has given up. */
  #latencyMs(): number {
    const often = this.#random.next() * this.#line.latencyMs;
    return this.#random.next() < 0.02 ? often * 20 : often;
  }
}

import { EngineError } from '../../common/errors.ts';
import type {
  Committer,
  CommitResult,
  Sink,
  SinkWriter,
  Stamped,
  WriterContext,
} from '../../contracts/sink.ts';
import type { Serializer } from '../../serde/serializer.ts';
import { serializerOf } from '../../serde/structural-serializer.ts';

/** Names what one subtask wrote between two checkpoints; the values stay in memory. */
export interface CollectedPart {
  id: string;
  count: number;
}

const collectedParts: Serializer<CollectedPart> = serializerOf({
  kind: 'object',
  fields: [
    { name: 'id', type: { kind: 'string' } },
    { name: 'count', type: { kind: 'float64' } },
  ],
});

export interface Collected<T> extends Sink<T, CollectedPart> {
  /** The values whose checkpoint is complete, each once, in the order of commits. */
  values(): readonly T[];
  /** All that was written, at once, and again by each replay. */
  now(): readonly T[];
}

/** What is shared by all attempts of a job: it lives outside of what may fail. */
interface Store<T> {
  readonly written: T[];
  readonly committed: T[];
  readonly committedParts: Set<string>;
  /** Parts whose checkpoint is not complete yet. */
  readonly pending: Map<string, readonly T[]>;
}

/**
 * Collects values in memory, exactly once, for tests and notebooks. It holds all of them.
 *
 * Make it outside of the job's definition and keep it: it goes on over failures and restarts of the
 * job, as long as everything runs in one thread, as under `tidemark/testing`. Parts of another
 * process's collection, in a snapshot that is resumed, are not in it.
 *
 * ```ts
 * const results = collect<Reading>();
 * readings.sinkTo('results', results);
 * // … run …
 * results.values();
 * ```
 *
 * @throws {EngineError} `COL-001` when it runs in several threads or processes.
 */
export function collect<T>(): Collected<T> {
  const store: Store<T> = {
    written: [],
    committed: [],
    committedParts: new Set(),
    pending: new Map(),
  };
  return {
    kind: 'collect',
    committables: collectedParts,
    writer: (context) => new CollectWriter(store, context),
    committer: () => new CollectCommitter(store),
    values: () => store.committed,
    now: () => store.written,
  };
}

class CollectWriter<T> implements SinkWriter<T, CollectedPart> {
  readonly #store: Store<T>;
  readonly #writerId: string;
  #values: T[] = [];
  #sequence = 0;

  constructor(store: Store<T>, context: WriterContext) {
    this.#store = store;
    this.#writerId = `${context.uid}/${context.writerId}`;
  }

  write(value: T): void {
    this.#values.push(value);
    this.#store.written.push(value);
  }

  async prepareCommit(): Promise<CollectedPart[]> {
    if (this.#values.length === 0) return [];
    const part = { id: `${this.#writerId}/${this.#sequence++}`, count: this.#values.length };
    this.#store.pending.set(part.id, this.#values);
    this.#values = [];
    return [part];
  }

  async close(): Promise<void> {
    this.#values = [];
  }
}

class CollectCommitter<T> implements Committer<CollectedPart> {
  readonly #store: Store<T>;
  #restoring = true;

  constructor(store: Store<T>) {
    this.#store = store;
  }

  async commit(stamped: readonly Stamped<CollectedPart>[]): Promise<CommitResult[]> {
    return stamped.map(({ committable }) => this.#commit(committable));
  }

  async abortLeftovers(): Promise<void> {
    this.#restoring = false;
    this.#store.pending.clear();
  }

  #commit({ id, count }: CollectedPart): CommitResult {
    const { committed, committedParts, pending } = this.#store;
    if (committedParts.has(id)) return 'already';
    const values = pending.get(id);
    if (values === undefined) {
      // A restored part that this collection never had belongs to the one of an earlier process.
      if (this.#restoring) return 'already';
      throw new EngineError('COL-001', 'invalid', 'collected values are in another thread', {
        details: { part: id, count },
        hint: 'Use collect() where the job runs in one thread, as in tests, and fileSink() elsewhere.',
      });
    }
    for (const value of values) committed.push(value);
    pending.delete(id);
    committedParts.add(id);
    return 'done';
  }
}

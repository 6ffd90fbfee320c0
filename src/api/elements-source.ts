import type {
  EnumeratorContext,
  ReaderContext,
  Source,
  SourceOutput,
  SourceReader,
  SplitEnumerator,
} from '../contracts/source.ts';
import { serializerOf } from '../serde/structural-serializer.ts';

const SPLIT_ID = 'elements';
const INDEX = serializerOf({ kind: 'float64' });
const IS_PENDING = serializerOf({ kind: 'boolean' });

/**
 * Elements by their index, in order: one split, which is the next index.
 *
 * @param count A restored job goes by the count it has now.
 */
export function elementsSource<T>(
  count: number,
  make: (index: number) => T,
): Source<T, number, boolean> {
  return {
    kind: 'elements',
    boundedness: 'bounded',
    splits: INDEX,
    enumeratorState: IS_PENDING,
    splitId: () => SPLIT_ID,
    enumerator: (context, from) => new ElementsEnumerator(context, from ?? true),
    reader: (context) => new ElementsReader(context, count, make),
  };
}

/** Gives the one split to whoever asks first. */
class ElementsEnumerator implements SplitEnumerator<boolean> {
  readonly #context: EnumeratorContext<number>;
  #pending: boolean;

  constructor(context: EnumeratorContext<number>, pending: boolean) {
    this.#context = context;
    this.#pending = pending;
  }

  async start(): Promise<void> {
    // Nothing has to be found.
  }

  splitRequested(subtask: number): void {
    if (this.#pending) this.#context.assign(0, subtask);
    else this.#context.noMoreSplits(subtask);
    this.#pending = false;
  }

  snapshot(): boolean {
    return this.#pending;
  }

  async close(): Promise<void> {
    // Nothing is open.
  }
}

class ElementsReader<T> implements SourceReader<T, number> {
  readonly #context: ReaderContext;
  readonly #count: number;
  readonly #make: (index: number) => T;
  /** The next index; undefined while there is no split. */
  #next: number | undefined;
  #ended = false;
  #wake: (() => void) | undefined;

  constructor(context: ReaderContext, count: number, make: (index: number) => T) {
    this.#context = context;
    this.#count = count;
    this.#make = make;
  }

  start(): void {
    if (this.#next === undefined) this.#context.requestSplit();
  }

  poll(out: SourceOutput<T>, limit: number): 'more' | 'later' | 'end' {
    if (this.#next === undefined) return this.#ended ? 'end' : 'later';
    for (let emitted = 0; emitted < limit && this.#next < this.#count; emitted += 1) {
      const value = this.#make(this.#next);
      this.#next += 1;
      if (!out.emit(value, SPLIT_ID)) break;
    }
    if (this.#next < this.#count) return 'more';
    this.#next = undefined;
    out.splitFinished(SPLIT_ID);
    this.#context.requestSplit();
    return this.#ended ? 'end' : 'later';
  }

  available(): Promise<void> {
    if (this.#next !== undefined || this.#ended) return Promise.resolve();
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  addSplits(splits: readonly number[]): void {
    this.#next = splits.at(-1);
    this.#wakeUp();
  }

  noMoreSplits(): void {
    this.#ended = true;
    this.#wakeUp();
  }

  snapshot(): number[] {
    return this.#next === undefined ? [] : [this.#next];
  }

  async close(): Promise<void> {
    this.#wakeUp();
  }

  #wakeUp(): void {
    this.#wake?.();
    this.#wake = undefined;
  }
}

/**
 * Elements made from their index, as Flink's `DataGeneratorSource`: subtask s of p makes the indexes
 * s, s + p, s + 2p … A split is such a row of indexes with the next one, so that a restored or
 * rescaled job makes each element exactly once.
 */
import { Wakeup } from '../../common/wakeup.ts';
import type {
  EnumeratorContext,
  ReaderContext,
  Source,
  SourceOutput,
  SourceReader,
  SplitEnumerator,
} from '../../contracts/source.ts';
import type { Serializer } from '../../serde/serializer.ts';
import { serializerOf } from '../../serde/structural-serializer.ts';
import { badCount } from './errors.ts';
import { rateLimited } from './rate-limited.ts';

/** The indexes `first`, `first + stride` …, of which `next` is made next. */
export interface GeneratorSplit {
  first: number;
  stride: number;
  next: number;
}

export interface GeneratorState {
  started: boolean;
  /** Splits that are not assigned yet. */
  pending: GeneratorSplit[];
}

const SPLIT = {
  kind: 'object',
  fields: [
    { name: 'first', type: { kind: 'float64' } },
    { name: 'stride', type: { kind: 'float64' } },
    { name: 'next', type: { kind: 'float64' } },
  ],
} as const;

const generatorSplits: Serializer<GeneratorSplit> = serializerOf(SPLIT);
const generatorStates: Serializer<GeneratorState> = serializerOf({
  kind: 'object',
  fields: [
    { name: 'started', type: { kind: 'boolean' } },
    { name: 'pending', type: { kind: 'array', of: SPLIT } },
  ],
});

export interface GenerateOptions {
  /** Elements per second of all subtasks together. Default: as fast as they are taken. */
  readonly rowsPerSecond?: number;
}

/**
 * Makes `count` elements, or goes on for ever with `Infinity`.
 *
 * ```ts
 * env.fromSource('orders', generate(1_000_000, (index) => ({ id: index, amount: index % 97 })));
 * ```
 *
 * @param count A restored job goes by the count that it has now.
 * @param make Must depend on the index alone, or a replay gives other elements.
 * @throws {EngineError} `GEN-001` for a count, `GEN-002` for a rate that cannot be used.
 */
export function generate<T>(
  count: number,
  make: (index: number) => T,
  options: GenerateOptions = {},
): Source<T, GeneratorSplit, GeneratorState> {
  if (count !== Infinity && !(Number.isSafeInteger(count) && count >= 0)) throw badCount(count);
  const source = indexSource('generator', count, make, Infinity);
  const { rowsPerSecond } = options;
  return rowsPerSecond === undefined ? source : rateLimited(source, rowsPerSecond);
}

/** The elements of a small collection, in order, by one subtask. */
export function fromElements<T>(elements: readonly T[]): Source<T, GeneratorSplit, GeneratorState> {
  const make = (index: number) => elements[index] as T;
  return indexSource('elements', elements.length, make, 1);
}

function indexSource<T>(
  kind: string,
  count: number,
  make: (index: number) => T,
  splitsMax: number,
): Source<T, GeneratorSplit, GeneratorState> {
  return {
    kind,
    boundedness: count === Infinity ? 'unbounded' : 'bounded',
    splits: generatorSplits,
    enumeratorState: generatorStates,
    splitId,
    enumerator: (context, from) => new IndexEnumerator(context, { count, splitsMax, from }),
    reader: (context) => new IndexReader(context, count, make),
  };
}

function splitId(split: GeneratorSplit): string {
  return `${split.first}/${split.stride}`;
}

interface IndexEnumeratorOptions {
  readonly count: number;
  readonly splitsMax: number;
  readonly from: GeneratorState | undefined;
}

class IndexEnumerator implements SplitEnumerator<GeneratorState> {
  readonly #context: EnumeratorContext<GeneratorSplit>;
  readonly #pending: GeneratorSplit[];

  constructor(context: EnumeratorContext<GeneratorSplit>, options: IndexEnumeratorOptions) {
    const { count, splitsMax, from } = options;
    this.#context = context;
    this.#pending = [...(from?.pending ?? [])];
    if (from?.started === true) return;
    const stride = Math.min(context.parallelism, splitsMax);
    for (let first = 0; first < stride && first < count; first++) {
      this.#pending.push({ first, stride, next: first });
    }
  }

  async start(): Promise<void> {
    // The splits are known from the beginning.
  }

  splitRequested(subtask: number): void {
    const split = this.#pending.shift();
    if (split === undefined) this.#context.noMoreSplits(subtask);
    else this.#context.assign(split, subtask);
  }

  snapshot(): GeneratorState {
    return { started: true, pending: [...this.#pending] };
  }

  async close(): Promise<void> {
    // Nothing is open.
  }
}

class IndexReader<T> implements SourceReader<T, GeneratorSplit> {
  readonly #context: ReaderContext;
  readonly #count: number;
  readonly #make: (index: number) => T;
  readonly #wakeup = new Wakeup();
  readonly #queue: GeneratorSplit[] = [];
  #asked = false;
  #noMore = false;
  /** The split that is read now; its progress is in `#next`. */
  #split: GeneratorSplit | undefined;
  #splitId = '';
  #next = 0;

  constructor(context: ReaderContext, count: number, make: (index: number) => T) {
    this.#context = context;
    this.#count = count;
    this.#make = make;
  }

  start(): void {
    if (this.#queue.length === 0) this.#ask();
  }

  poll(out: SourceOutput<T>, limit: number): 'more' | 'later' | 'end' {
    if (this.#split === undefined && !this.#openNext()) return this.#noMore ? 'end' : 'later';
    const id = this.#splitId;
    const make = this.#make;
    const stride = this.#split?.stride ?? 1;
    const end = Math.min(this.#count, this.#next + stride * limit);
    let index = this.#next;
    while (index < end) {
      const value = make(index);
      index += stride;
      if (!out.emit(value, id)) break;
    }
    this.#next = index;
    if (index < this.#count) return 'more';
    this.#split = undefined;
    out.splitFinished(id);
    return 'more';
  }

  available(): Promise<void> {
    return this.#wakeup.wait();
  }

  addSplits(splits: readonly GeneratorSplit[]): void {
    this.#asked = false;
    this.#queue.push(...splits);
    this.#wakeup.wake();
  }

  noMoreSplits(): void {
    this.#noMore = true;
    this.#wakeup.wake();
  }

  snapshot(): GeneratorSplit[] {
    const current = this.#split === undefined ? [] : [{ ...this.#split, next: this.#next }];
    return [...current, ...this.#queue];
  }

  async close(): Promise<void> {
    // Nothing is open.
  }

  #ask(): void {
    if (this.#asked || this.#noMore) return;
    this.#asked = true;
    this.#context.requestSplit();
  }

  #openNext(): boolean {
    const split = this.#queue.shift();
    if (split === undefined) {
      this.#ask();
      return false;
    }
    this.#split = split;
    this.#splitId = splitId(split);
    this.#next = split.next;
    return true;
  }
}

import { Wakeup } from '../../../common/wakeup.ts';
import type { DeadLetter, RecordPosition } from '../../../contracts/dead-letter.ts';
import type { ReaderContext, SourceOutput, SourceReader } from '../../../contracts/source.ts';
import type { Catalog, TableName } from '../catalog.ts';
import { tableText } from '../catalog.ts';
import { noSuchTable } from '../errors.ts';
import { lettersIn, type LetterRow } from './letter-rows.ts';
import type { LetterSplit } from './letter-split.ts';

export interface LetterReaderOptions<T> {
  readonly context: ReaderContext;
  readonly catalog: Catalog;
  readonly table: TableName;
  /** Undefined leaves the letter out. */
  readonly valueOf: (letter: DeadLetter, file: string, row: number) => T | undefined;
}

/** Letters that are read ahead. */
const AHEAD_MAX = 256;

/** Reads its data files one after the other. */
export class LetterReader<T> implements SourceReader<T, LetterSplit> {
  readonly #options: LetterReaderOptions<T>;
  readonly #wakeup = new Wakeup();
  readonly #queue: LetterSplit[] = [];
  readonly #ready: LetterRow[] = [];
  #current: LetterSplit | undefined;
  #rows: AsyncIterator<LetterRow> | undefined;
  #isAtEnd = false;
  #isLoading = false;
  #asked = false;
  #noMore = false;
  #closed = false;
  #failure: unknown;

  constructor(options: LetterReaderOptions<T>) {
    this.#options = options;
  }

  start(): void {
    if (this.#queue.length === 0) this.#ask();
  }

  poll(out: SourceOutput<T>, limit: number): 'more' | 'later' | 'end' {
    if (this.#failure !== undefined) throw this.#failure as Error;
    for (let left = limit; left > 0; left -= 1) {
      const split = this.#current ?? this.#openNext();
      if (split === undefined) return this.#noMore ? 'end' : 'later';
      const next = this.#ready.shift();
      if (next === undefined) {
        if (!this.#isAtEnd) {
          this.#load(split);
          return 'later';
        }
        this.#current = undefined;
        out.splitFinished(split.location);
        continue;
      }
      split.row = next.row + 1;
      const value = this.#options.valueOf(next.letter, split.location, next.row);
      if (value === undefined) continue;
      const { eventTime } = next.letter;
      const timestampMs = eventTime === null ? undefined : Date.parse(eventTime);
      if (!out.emit(value, split.location, timestampMs)) return 'more';
    }
    return 'more';
  }

  available(): Promise<void> {
    return this.#wakeup.wait();
  }

  addSplits(splits: readonly LetterSplit[]): void {
    this.#asked = false;
    this.#queue.push(...splits.map((split) => ({ ...split })));
    this.#wakeup.wake();
  }

  noMoreSplits(): void {
    this.#noMore = true;
    this.#wakeup.wake();
  }

  snapshot(): LetterSplit[] {
    const current = this.#current === undefined ? [] : [{ ...this.#current }];
    return [...current, ...this.#queue];
  }

  position(): RecordPosition | undefined {
    const current = this.#current;
    return current && { file: current.location, row: current.row };
  }

  async close(): Promise<void> {
    this.#closed = true;
    if (!this.#isLoading) await this.#rows?.return?.();
  }

  #ask(): void {
    if (this.#asked || this.#noMore) return;
    this.#asked = true;
    this.#options.context.requestSplit();
  }

  #openNext(): LetterSplit | undefined {
    const split = this.#queue.shift();
    if (split === undefined) {
      this.#ask();
      return undefined;
    }
    this.#current = split;
    this.#rows = undefined;
    this.#isAtEnd = false;
    return split;
  }

  #load(split: LetterSplit): void {
    if (this.#isLoading) return;
    this.#isLoading = true;
    this.#readAhead(split)
      .catch((error: unknown) => {
        this.#failure = error;
      })
      .finally(() => {
        this.#isLoading = false;
        this.#wakeup.wake();
      });
  }

  async #readAhead(split: LetterSplit): Promise<void> {
    this.#rows ??= (await this.#open(split))[Symbol.asyncIterator]();
    while (this.#ready.length < AHEAD_MAX && !this.#closed) {
      const next = await this.#rows.next();
      if (next.done === true) {
        this.#isAtEnd = true;
        return;
      }
      this.#ready.push(next.value);
    }
  }

  async #open(split: LetterSplit): Promise<AsyncIterable<LetterRow>> {
    const { catalog, table, context } = this.#options;
    const loaded = await catalog.load(table);
    if (loaded === undefined) throw noSuchTable(tableText(table), catalog.url);
    return lettersIn(loaded.io, split, context.world, split.row);
  }
}

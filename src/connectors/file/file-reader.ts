import type { Cancel } from '../../common/clock.ts';
import { Wakeup } from '../../common/wakeup.ts';
import type { RecordPosition } from '../../contracts/dead-letter.ts';
import type { ReaderContext, SourceOutput, SourceReader } from '../../contracts/source.ts';
import { fileError } from './errors.ts';
import type { FileSplit } from './file-split.ts';
import type { OpenRecords, SplitRecords } from './split-records.ts';
import type { RowHandler } from './row-handler.ts';

export interface FileReaderOptions<T> {
  readonly context: ReaderContext;
  readonly open: OpenRecords;
  readonly rows: RowHandler<T>;
  /** For a watched folder. */
  readonly watch: { readonly everyMs: number; readonly lastLineAfterMs: number } | undefined;
}

/**
 * A watched file that ends in the middle of a line. It is put aside, so that other files can be
 * read, and taken up again when it has grown, or has been quiet for so long that its end is the line's.
 */
interface ParkedFile {
  readonly split: FileSplit;
  /** How long it was when it was put aside. */
  readonly readBytes: number;
  readonly sinceMs: number;
}

/** Reads its files one after the other. */
export class FileSourceReader<T> implements SourceReader<T, FileSplit> {
  readonly #options: FileReaderOptions<T>;
  readonly #wakeup = new Wakeup();
  readonly #queue: FileSplit[] = [];
  readonly #parked = new Map<string, ParkedFile>();
  /** Parked files whose last line is taken as it is now. */
  readonly #quiet = new Set<string>();
  #current: SplitRecords | undefined;
  #asked = false;
  #noMore = false;
  #failure: Error | undefined;
  #cancelCheck: Cancel | undefined;
  #closed = false;

  constructor(options: FileReaderOptions<T>) {
    this.#options = options;
  }

  start(): void {
    if (this.#queue.length === 0) this.#ask();
  }

  poll(out: SourceOutput<T>, limit: number): 'more' | 'later' | 'end' {
    if (this.#failure !== undefined) throw this.#failure;
    for (let left = limit; left > 0;) {
      const records = this.#current ?? this.#openNext();
      if (records === undefined) {
        return this.#noMore && this.#parked.size === 0 ? 'end' : 'later';
      }
      const step = records.next();
      if (step === 'later') return 'later';
      if (step === 'end') {
        this.#finish(records);
        out.splitFinished(records.split.file);
      } else if (step === 'incomplete') {
        this.#finish(records);
        this.#park(records);
      } else {
        left--;
        if (!this.#options.rows(records.split.file, step, records.parser, out)) return 'more';
      }
    }
    return 'more';
  }

  available(): Promise<void> {
    return this.#wakeup.wait();
  }

  addSplits(splits: readonly FileSplit[]): void {
    this.#asked = false;
    this.#queue.push(...splits);
    this.#wakeup.wake();
  }

  noMoreSplits(): void {
    this.#noMore = true;
    this.#wakeup.wake();
  }

  snapshot(): FileSplit[] {
    const current = this.#current === undefined ? [] : [this.#current.progress()];
    const parked = [...this.#parked.values()].map(({ split }) => split);
    return [...current, ...this.#queue, ...parked];
  }

  position(): RecordPosition | undefined {
    const current = this.#current;
    return current && { file: current.split.file, row: current.parser.row };
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#cancelCheck?.();
    const current = this.#current;
    this.#current = undefined;
    await current?.close();
  }

  #ask(): void {
    if (this.#asked || this.#noMore) return;
    this.#asked = true;
    this.#options.context.requestSplit();
  }

  #openNext(): SplitRecords | undefined {
    const split = this.#queue.shift();
    if (split === undefined) {
      this.#ask();
      return undefined;
    }
    const { context, open, watch } = this.#options;
    this.#current = open({
      world: context.world,
      split,
      takeLastLine: watch === undefined || this.#quiet.delete(split.file),
      ready: () => this.#wakeup.wake(),
    });
    return this.#current;
  }

  #finish(records: SplitRecords): void {
    this.#current = undefined;
    // It was read to its end: nothing depends on whether closing it works.
    records.close().catch(() => undefined);
  }

  #park(records: SplitRecords): void {
    const sinceMs = this.#options.context.world.clock.monotonicMs();
    const split = records.progress();
    this.#parked.set(split.file, { split, readBytes: records.readBytes, sinceMs });
    this.#checkLater();
  }

  #checkLater(): void {
    const { watch, context } = this.#options;
    if (watch === undefined || this.#closed || this.#parked.size === 0) return;
    this.#cancelCheck?.();
    this.#cancelCheck = context.world.clock.after(watch.everyMs, () => {
      this.#checkParked(watch.lastLineAfterMs).then(
        () => this.#checkLater(),
        (cause: unknown) => {
          this.#failure = fileError('look at', 'parked files', cause);
          this.#wakeup.wake();
        },
      );
    });
  }

  async #checkParked(lastLineAfterMs: number): Promise<void> {
    const { fs, clock } = this.#options.context.world;
    for (const [file, parked] of [...this.#parked]) {
      const stat = await fs.stat(file).catch((cause: unknown) => {
        throw fileError('look at', file, cause);
      });
      const grown = stat?.sizeBytes !== parked.readBytes;
      const quiet = clock.monotonicMs() - parked.sinceMs >= lastLineAfterMs;
      // Two checks may overlap when a file is put aside during one.
      if ((!grown && !quiet) || this.#parked.get(file) !== parked) continue;
      this.#parked.delete(file);
      if (!grown) this.#quiet.add(file);
      this.#queue.push(parked.split);
      this.#wakeup.wake();
    }
  }
}

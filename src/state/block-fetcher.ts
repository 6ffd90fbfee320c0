/**
 * Fetches blocks of run files by ranges, a few at a time. What has arrived is not checked yet; that
 * is for whoever reads it first.
 */
import type { RestoreOptions } from './keyed-state-backend.ts';
import type { RunFile } from './run-file.ts';

/** Ranges on their way. More: faster over a network; each has a buffer. */
const FETCHES_MAX = 8;
/** Bytes that may wait in memory to be loaded. More: fewer pauses; less: a lower peak. */
const AHEAD_BYTES = 32 * 1024 * 1024;
/** Bytes of one range, unless a single block is larger. */
const RANGE_BYTES = 2 * 1024 * 1024;

interface Range {
  readonly file: RunFile;
  readonly first: number;
  readonly count: number;
}

export interface BlockFetcherOptions {
  readonly readRange: RestoreOptions['readRange'];
  readonly files: number;
  /** Called after each range, and after a failure. */
  readonly onArrival: () => void;
}

export class BlockFetcher {
  readonly #options: BlockFetcherOptions;
  readonly #rangeBytes: number;
  /** What a record waits for goes before what is fetched ahead. */
  readonly #urgent: Range[] = [];
  readonly #ahead: Range[] = [];
  #running = 0;
  #heldBytes = 0;
  #failure: { readonly error: unknown } | undefined;
  #closed = false;

  constructor(options: BlockFetcherOptions) {
    this.#options = options;
    this.#rangeBytes = Math.min(RANGE_BYTES, AHEAD_BYTES / Math.max(1, options.files));
  }

  /** Throws what reading the store has thrown. */
  check(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  /** Whether more may be fetched before what is there has been loaded. */
  hasRoom(): boolean {
    return this.#heldBytes < AHEAD_BYTES;
  }

  /** Fetches a block and, unless a record waits for it, those behind it. */
  request(file: RunFile, number: number, urgent: boolean): void {
    if (!file.isAbsent(number)) return;
    let count = 0;
    let bytes = 0;
    do {
      file.request(number + count);
      bytes += file.entries[number + count]?.length ?? 0;
      count++;
    } while (
      !urgent &&
      number + count < file.entries.length &&
      file.isAbsent(number + count) &&
      bytes + (file.entries[number + count]?.length ?? 0) <= this.#rangeBytes
    );
    this.#heldBytes += bytes;
    (urgent ? this.#urgent : this.#ahead).push({ file, first: number, count });
    this.#start();
  }

  dropped(file: RunFile, number: number): void {
    if (file.comesInParts) this.#heldBytes -= file.entries[number]?.length ?? 0;
  }

  close(): void {
    this.#closed = true;
    this.#urgent.length = 0;
    this.#ahead.length = 0;
  }

  #start(): void {
    while (this.#running < FETCHES_MAX) {
      const range = this.#urgent.shift() ?? this.#ahead.shift();
      if (range === undefined) return;
      this.#running++;
      this.#fetch(range).then(
        () => {
          this.#ended();
        },
        (error: unknown) => {
          this.#failure ??= { error };
          this.#ended();
        },
      );
    }
  }

  #ended(): void {
    this.#running--;
    if (this.#closed) return;
    this.#start();
    this.#options.onArrival();
  }

  async #fetch({ file, first, count }: Range): Promise<void> {
    const { readRange } = this.#options;
    const offset = file.entries[first]?.offset ?? 0;
    const last = file.entries[first + count - 1];
    const end = (last?.offset ?? 0) + (last?.length ?? 0);
    const bytes = await readRange?.(file.run.blob, { offset, length: end - offset });
    if (bytes !== undefined && !this.#closed) file.arrived(first, count, bytes);
  }
}

import { nextTurn } from '../../common/clock.ts';
import { crc32 } from '../../common/crc32.ts';
import type { FileReader } from '../../common/file-system.ts';
import { corruptParquet } from '../../formats/errors.ts';
import {
  ParquetFile,
  readFooter,
  type ParquetFileOptions,
  type RowSlice,
} from '../../formats/parquet/parquet-file.ts';
import { UnfitValue } from '../../formats/parquet/parquet-values.ts';
import type { RecordProblem } from '../../formats/record-parser.ts';
import { changedFile, fileError, missingFile, notAFile } from './errors.ts';
import type { FileIdentity, FileSplit } from './file-split.ts';
import type { OpenOptions, RecordsStep, SplitRecords } from './split-records.ts';

export type ParquetRecordsOptions = OpenOptions & Pick<ParquetFileOptions, 'columns' | 'wanted'>;

const NO_ROWS: RowSlice = { length: 0, row: () => undefined };
const NO_PROBLEM: RecordProblem = { reason: '', text: '' };

/**
 * The rows of one Parquet file from a split's row on. One slice of rows is in memory; the next is
 * fetched when it is used up.
 */
export class ParquetRecords implements SplitRecords {
  readonly split: FileSplit;
  readonly parser: { record: unknown; problem: RecordProblem; row: number };
  readonly #options: ParquetRecordsOptions;
  #identity: FileIdentity | undefined;
  #file: FileReader | undefined;
  #sizeBytes = 0;
  #parquet: ParquetFile | undefined;
  #slice = NO_ROWS;
  /** Of the next row in the slice. */
  #index = 0;
  #state: 'idle' | 'loading' | 'at end' | 'incomplete' = 'idle';
  #failure: Error | undefined;
  #closed = false;

  constructor(options: ParquetRecordsOptions) {
    this.#options = options;
    this.split = options.split;
    this.#identity = options.split.identity;
    this.parser = { record: undefined, problem: NO_PROBLEM, row: options.split.row };
    void this.#load();
  }

  get readBytes(): number {
    return this.#sizeBytes;
  }

  next(): RecordsStep {
    if (this.#index < this.#slice.length) return this.#take();
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#state === 'at end') return 'end';
    if (this.#state === 'incomplete') return 'incomplete';
    void this.#load();
    return 'later';
  }

  progress(): FileSplit {
    return {
      file: this.split.file,
      row: this.parser.row,
      offset: 0,
      ...(this.#identity === undefined ? {} : { identity: this.#identity }),
    };
  }

  async close(): Promise<void> {
    this.#closed = true;
    if (this.#state !== 'loading') await this.#closeFile();
  }

  #take(): 'record' | 'problem' {
    this.parser.row++;
    try {
      this.parser.record = this.#slice.row(this.#index++);
      return 'record';
    } catch (error) {
      if (!(error instanceof UnfitValue)) throw error;
      this.parser.problem = { reason: error.message, text: '' };
      return 'problem';
    }
  }

  async #load(): Promise<void> {
    if (this.#state === 'loading') return;
    this.#state = 'loading';
    let isOpen = true;
    try {
      isOpen = await this.#loadSlice();
    } catch (cause) {
      this.#failure = fileError('read', this.split.file, cause);
    }
    const isOver = this.#failure !== undefined || this.#slice.length === 0;
    this.#state = !isOpen ? 'incomplete' : isOver ? 'at end' : 'idle';
    if (this.#closed || this.#state !== 'idle') await this.#closeFile().catch(() => undefined);
    this.#options.ready();
  }

  /** False if the file is not complete yet. */
  async #loadSlice(): Promise<boolean> {
    this.#slice = NO_ROWS;
    this.#index = 0;
    this.#parquet ??= await this.#open();
    if (this.#parquet === undefined) return false;
    const { clock } = this.#options.world;
    this.#slice = await this.#parquet.slice(this.parser.row, () => nextTurn(clock));
    return true;
  }

  async #open(): Promise<ParquetFile | undefined> {
    const { world, split, takeLastLine, columns, wanted } = this.#options;
    const { file: source, row } = split;
    const known = this.#identity;
    const stat = await world.fs.stat(source);
    if (stat === undefined) {
      throw known === undefined ? missingFile(source) : changedFile(source, 'is gone', row);
    }
    if (stat.kind === 'folder') throw notAFile(source);
    this.#file = await world.fs.openRead(source);
    const { sizeBytes } = this.#file;
    this.#sizeBytes = sizeBytes;
    const buffer = { byteLength: sizeBytes, slice: this.#sliceOf(this.#file) };
    const footer = await readFooter(buffer, source);
    if (footer === undefined) {
      if (known !== undefined) throw changedFile(source, 'has another content', row);
      if (!takeLastLine) return undefined;
      throw corruptParquet({ source, row: 0 }, 'it does not end as a Parquet file does');
    }
    const found = { sizeBytes, headBytes: footer.length, headCrc: crc32(footer) };
    if (known !== undefined && !isSame(known, found)) {
      throw changedFile(source, 'has another content', row);
    }
    const parquet = new ParquetFile(buffer, footer, { source, columns, wanted });
    this.#identity = found;
    return parquet;
  }

  /** As the library asks for bytes. */
  #sliceOf(file: FileReader): (start: number, end?: number) => Promise<ArrayBuffer> {
    return async (start, end = file.sizeBytes) => {
      if (!(start >= 0 && start <= end && end <= file.sizeBytes)) {
        const place = { source: this.split.file, row: this.parser.row };
        throw corruptParquet(place, `bytes ${start} to ${end} are not in the file`);
      }
      let bytes: Uint8Array;
      try {
        bytes = await file.read(start, end - start);
      } catch (cause) {
        throw fileError('read', this.split.file, cause);
      }
      if (bytes.length < end - start) {
        throw changedFile(this.split.file, 'has shrunk', this.parser.row);
      }
      const copy = new Uint8Array(bytes.length);
      copy.set(bytes);
      return copy.buffer;
    };
  }

  async #closeFile(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await file?.close();
  }
}

function isSame(known: FileIdentity, found: FileIdentity): boolean {
  return (
    known.sizeBytes === found.sizeBytes &&
    known.headBytes === found.headBytes &&
    known.headCrc === found.headCrc
  );
}

import { crc32 } from '../../common/crc32.ts';
import type { FileReader } from '../../common/file-system.ts';
import { Gunzip } from '../../formats/gzip.ts';
import type { RecordParser } from '../../formats/record-parser.ts';
import { changedFile, fileError, missingFile, notAFile } from './errors.ts';
import { type FileFormat, type FileParser, parserOf } from './file-format.ts';
import type { FileIdentity, FileSplit } from './file-split.ts';
import type { OpenOptions, RecordsStep, SplitRecords } from './split-records.ts';

const CHUNK_BYTES = 128 * 1024;
/** Chunks that wait for the parser. More would cost memory and gain nothing on one disk. */
const CHUNKS_AHEAD_MAX = 2;
const HEAD_BYTES = 4 * 1024;

export interface FileRecordsOptions extends OpenOptions {
  readonly format: FileFormat;
}

/**
 * The records of one file from a split's position on. Reading ahead is asynchronous and bounded;
 * inflating and parsing happen in `next`. A plain file is read from the position, a compressed one
 * from its start, with what is before the position thrown away.
 */
export class FileRecords implements SplitRecords {
  readonly split: FileSplit;
  readonly parser: RecordParser<unknown>;
  readonly #options: FileRecordsOptions;
  readonly #parsing: FileParser;
  readonly #gunzip: Gunzip | undefined;
  readonly #chunks: Uint8Array[] = [];
  #identity: FileIdentity | undefined;
  #file: FileReader | undefined;
  #failure: Error | undefined;
  /** The offset in the file of the next read. */
  #readAt = 0;
  /** Decompressed bytes that are still to be thrown away. */
  #skipBytes = 0;
  /** The end of what the parser got, in decompressed bytes. */
  #pushedTo: number;
  #atEnd = false;
  #parserEnded = false;
  #reading = false;
  #closed = false;

  constructor(options: FileRecordsOptions) {
    const { split, format } = options;
    this.#options = options;
    this.split = split;
    this.#identity = split.identity;
    this.#parsing = parserOf(split, format);
    this.parser = this.#parsing.parser;
    this.#pushedTo = split.offset;
    if (this.#parsing.gzip) {
      this.#gunzip = new Gunzip(split.file);
      this.#skipBytes = split.offset;
    } else {
      this.#readAt = split.offset;
    }
    void this.#readAhead();
  }

  next(): RecordsStep {
    for (;;) {
      const step = this.parser.next();
      if (step !== 'more') return step;
      const chunk = this.#chunks.shift();
      if (chunk !== undefined) {
        void this.#readAhead();
        this.#push(this.#gunzip?.push(chunk) ?? [chunk]);
      } else if (this.#failure !== undefined) {
        throw this.#failure;
      } else if (!this.#atEnd) {
        return 'later';
      } else if (!this.#end()) {
        return 'incomplete';
      }
    }
  }

  get readBytes(): number {
    return this.#readAt;
  }

  progress(): FileSplit {
    const { row, offset } = this.parser;
    const columns = this.#parsing.columns();
    return {
      file: this.split.file,
      row,
      offset,
      ...(columns === undefined ? {} : { columns: [...columns] }),
      ...(this.#identity === undefined ? {} : { identity: this.#identity }),
    };
  }

  async close(): Promise<void> {
    this.#closed = true;
    if (!this.#reading) await this.#closeFile();
  }

  async #closeFile(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await file?.close();
  }

  /** False if the file ends within a line that may still grow. */
  #end(): boolean {
    if (!this.#parserEnded) this.#push(this.#gunzip?.end() ?? []);
    const mayGrow = this.#gunzip === undefined && !this.#options.takeLastLine;
    if (mayGrow && this.#pushedTo > this.parser.offset) return false;
    this.#parserEnded = true;
    this.parser.end();
    return true;
  }

  #push(parts: readonly Uint8Array[]): void {
    for (const part of parts) {
      const skipped = Math.min(this.#skipBytes, part.length);
      this.#skipBytes -= skipped;
      if (skipped === part.length) continue;
      this.#pushedTo += part.length - skipped;
      this.parser.push(skipped === 0 ? part : part.subarray(skipped));
    }
  }

  async #readAhead(): Promise<void> {
    if (this.#reading) return;
    this.#reading = true;
    try {
      this.#file ??= await this.#open();
      while (!this.#closed && !this.#atEnd && this.#chunks.length < CHUNKS_AHEAD_MAX) {
        await this.#readChunk(this.#file);
        this.#options.ready();
      }
    } catch (cause) {
      this.#failure = fileError('read', this.split.file, cause);
      this.#options.ready();
    } finally {
      this.#reading = false;
    }
    if (this.#closed || this.#atEnd) await this.#closeFile().catch(() => undefined);
  }

  async #readChunk(file: FileReader): Promise<void> {
    const bytes = await file.read(this.#readAt, CHUNK_BYTES);
    this.#readAt += bytes.length;
    if (bytes.length > 0) this.#chunks.push(bytes);
    if (bytes.length === CHUNK_BYTES) return;
    this.#atEnd = true;
    if (this.#readAt < file.sizeBytes) {
      throw changedFile(this.split.file, 'has shrunk', this.#readAt);
    }
  }

  async #open(): Promise<FileReader> {
    const { fs } = this.#options.world;
    const { file: path, offset } = this.split;
    const known = this.#identity;
    const stat = await fs.stat(path);
    if (stat === undefined) {
      throw known === undefined ? missingFile(path) : changedFile(path, 'is gone', offset);
    }
    if (stat.kind === 'folder') throw notAFile(path);
    const file = await fs.openRead(path);
    try {
      const head = await file.read(0, known?.headBytes ?? HEAD_BYTES);
      const found = { sizeBytes: file.sizeBytes, headBytes: head.length, headCrc: crc32(head) };
      if (known !== undefined) this.#checkSame(known, found);
      this.#identity = found;
      return file;
    } catch (error) {
      await file.close().catch(() => undefined);
      throw error;
    }
  }

  #checkSame(known: FileIdentity, found: FileIdentity): void {
    const { file, offset } = this.split;
    if (found.sizeBytes < known.sizeBytes) throw changedFile(file, 'has shrunk', offset);
    const changed =
      found.headCrc !== known.headCrc ||
      (this.#gunzip !== undefined && found.sizeBytes !== known.sizeBytes);
    if (changed) throw changedFile(file, 'has another content', offset);
  }
}

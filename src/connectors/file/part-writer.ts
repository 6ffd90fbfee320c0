import { crc32 } from '../../common/crc32.ts';
import type { FileSystem, FileWriter } from '../../common/file-system.ts';
import { Gzip } from '../../formats/gzip.ts';
import { fileError } from './errors.ts';
import type { FinishedPart, Part } from './part-format.ts';

/** So much is collected before it goes to the disk in one call. */
const FLUSH_BYTES = 256 * 1024;
/** So much may wait for the disk before the writer has to wait. */
const WAITING_BYTES_MAX = 1024 * 1024;

export interface PartOptions {
  readonly fs: FileSystem;
  /** Where it is written; the folder is there. */
  readonly path: string;
  readonly gzip: boolean;
  /** Written first, for example a CSV header. */
  readonly header: string | undefined;
}

/** One file while it is written: collects, compresses, and writes in the background in order. */
export class PartWriter implements Part<string | Uint8Array> {
  readonly path: string;
  readonly #fs: FileSystem;
  readonly #gzip: Gzip | undefined;
  #file: FileWriter | undefined;
  #texts: string[] = [];
  #parts: Uint8Array[] = [];
  #collectedBytes = 0;
  #waitingBytes = 0;
  #sizeBytes = 0;
  #crc = 0;
  /** All that was handed to the disk so far. */
  #disk = Promise.resolve();
  #failure: Error | undefined;

  constructor(options: PartOptions) {
    this.path = options.path;
    this.#fs = options.fs;
    this.#gzip = options.gzip ? new Gzip() : undefined;
    this.#disk = this.#onDisk('create', async () => {
      this.#file = await this.#fs.openWrite(this.path, 'create');
    });
    if (options.header !== undefined) void this.write(options.header);
  }

  get sizeBytes(): number {
    return this.#sizeBytes + this.#collectedBytes;
  }

  write(record: string | Uint8Array): void | Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    if (typeof record === 'string') {
      this.#texts.push(record);
    } else {
      this.#closeTexts();
      this.#parts.push(record);
    }
    this.#collectedBytes += record.length;
    if (this.#collectedBytes < FLUSH_BYTES) return;
    this.#flush();
    if (this.#waitingBytes > WAITING_BYTES_MAX) return this.#drained();
  }

  async finish(): Promise<FinishedPart> {
    this.#flush();
    if (this.#gzip !== undefined) this.#send(this.#gzip.end());
    this.#disk = this.#onDisk('sync', async () => {
      await this.#file?.sync();
      await this.#file?.close();
      this.#file = undefined;
    });
    await this.#drained();
    return { sizeBytes: this.#sizeBytes, crc: this.#crc };
  }

  async abandon(): Promise<void> {
    await this.#disk;
    await this.#file?.close().catch(() => undefined);
    this.#file = undefined;
  }

  #closeTexts(): void {
    if (this.#texts.length === 0) return;
    this.#parts.push(Buffer.from(this.#texts.join('')));
    this.#texts = [];
  }

  #flush(): void {
    this.#closeTexts();
    const parts = this.#parts;
    this.#parts = [];
    this.#collectedBytes = 0;
    const gzip = this.#gzip;
    this.#send(gzip === undefined ? parts : parts.flatMap((part) => gzip.push(part)));
  }

  #send(parts: readonly Uint8Array[]): void {
    if (parts.length === 0) return;
    const [only] = parts;
    const bytes = parts.length === 1 && only !== undefined ? only : Buffer.concat(parts);
    this.#sizeBytes += bytes.length;
    this.#waitingBytes += bytes.length;
    this.#crc = crc32(bytes, this.#crc);
    this.#disk = this.#onDisk('write', async () => {
      await this.#file?.write(bytes);
      this.#waitingBytes -= bytes.length;
    });
  }

  /** Does it after all before it; never rejects, and does nothing after a failure. */
  #onDisk(doing: string, task: () => Promise<void>): Promise<void> {
    return this.#disk.then(async () => {
      if (this.#failure !== undefined) return;
      try {
        await task();
      } catch (cause) {
        this.#failure = fileError(doing, this.path, cause);
      }
    });
  }

  async #drained(): Promise<void> {
    await this.#disk;
    if (this.#failure !== undefined) throw this.#failure;
  }
}

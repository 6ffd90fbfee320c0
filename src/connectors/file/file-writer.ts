import type { SinkWriter, WriterContext } from '../../contracts/sink.ts';
import { DurableFolders } from './durable-folders.ts';
import { fileError } from './errors.ts';
import type { Part, PartFormat } from './part-format.ts';
import type { PendingFile } from './pending-file.ts';
import { checkBucket, finishedName, unfinishedFolder, unfinishedName } from './sink-layout.ts';

export interface FileWriterOptions<T, R> {
  /** Absolute. */
  readonly path: string;
  readonly format: PartFormat<T, R>;
  readonly rollBytes: number;
  readonly openFilesMax: number;
  readonly bucket: ((value: T) => string) | undefined;
}

interface OpenPart<R> {
  readonly writer: Part<R>;
  readonly finalPath: string;
}

/**
 * Writes one subtask's part files, one per bucket at a time. A file that is full, or one too many, is
 * finished early and waits with the others for the next checkpoint.
 */
export class FileSinkWriter<T, R> implements SinkWriter<T, PendingFile> {
  readonly #context: WriterContext;
  readonly #options: FileWriterOptions<T, R>;
  readonly #folder: string;
  /** In the order of their first write: the first one is finished early if there are too many. */
  readonly #open = new Map<string, OpenPart<R>>();
  #finished: Promise<PendingFile>[] = [];
  #sequence = 0;

  constructor(context: WriterContext, options: FileWriterOptions<T, R>) {
    this.#context = context;
    this.#options = options;
    this.#folder = unfinishedFolder(options.path, context.uid);
  }

  async open(): Promise<void> {
    const folders = new DurableFolders(this.#context.world.fs, this.#options.path);
    try {
      await folders.make(this.#folder);
    } catch (cause) {
      throw fileError('make a folder', this.#folder, cause);
    }
  }

  write(value: T): void | Promise<void> {
    const { bucket: bucketOf, format, rollBytes } = this.#options;
    const bucket = bucketOf === undefined ? '' : bucketOf(value);
    // First, so that a value that cannot be encoded leaves no empty file.
    const record = format.encode(value);
    const part = this.#open.get(bucket) ?? this.#begin(bucket);
    const waiting = part.writer.write(record);
    if (part.writer.sizeBytes < rollBytes) return waiting;
    const finished = this.#finish(bucket, part);
    return finished.then(() => undefined);
  }

  async prepareCommit(): Promise<PendingFile[]> {
    for (const [bucket, part] of [...this.#open]) void this.#finish(bucket, part);
    const finishing = this.#finished;
    this.#finished = [];
    const files = await Promise.all(finishing);
    if (files.length > 0) await this.#syncFolder();
    return files;
  }

  async close(): Promise<void> {
    const open = [...this.#open.values()];
    this.#open.clear();
    for (const { writer } of open) await writer.abandon();
    await Promise.allSettled(this.#finished);
  }

  async #syncFolder(): Promise<void> {
    try {
      await this.#context.world.fs.syncFolder(this.#folder);
    } catch (cause) {
      throw fileError('sync a folder', this.#folder, cause);
    }
  }

  #begin(bucket: string): OpenPart<R> {
    checkBucket(bucket);
    const { path, format, openFilesMax } = this.#options;
    const { world, uid, writerId } = this.#context;
    const [oldest] = this.#open;
    if (oldest !== undefined && this.#open.size >= openFilesMax) void this.#finish(...oldest);
    const name = { uid, writerId, sequence: this.#sequence++ };
    const folder = bucket === '' ? path : `${path}/${bucket}`;
    const part = {
      writer: format.begin(world.fs, `${this.#folder}/${unfinishedName(name)}`),
      finalPath: `${folder}/${finishedName(name, format.extension)}`,
    };
    this.#open.set(bucket, part);
    return part;
  }

  /** The result waits in `#finished`; a failure is reported by `prepareCommit`, or by `write` if it rolls. */
  #finish(bucket: string, part: OpenPart<R>): Promise<PendingFile> {
    this.#open.delete(bucket);
    const file = part.writer.finish().then(({ sizeBytes, crc }) => ({
      pendingPath: part.writer.path,
      finalPath: part.finalPath,
      sizeBytes,
      crc,
    }));
    file.catch(() => undefined);
    this.#finished.push(file);
    return file;
  }
}

import type { Clock } from '../common/clock.ts';
import type { FileReader, FileSystem, FileWriter } from '../common/file-system.ts';
import { giveUpCall } from '../common/unanswered-calls.ts';

/** A disk that carries less carries no checkpoints. */
const LEAST_BYTES_PER_MS = 256;

/** The operating system has not answered. Its code is the one that it would give itself. */
class FileTimeout extends Error {
  override readonly name = 'FileTimeout';
  readonly code = 'ETIMEDOUT';
}

export interface FileBound {
  readonly clock: Clock;
  /** How long one call of the operating system may take; what it reads or writes adds to it. */
  readonly timeoutMs: number;
}

/**
 * A file system of which no call waits for ever, as it does on a network file system whose server is gone. What was given
 * up fails with `ETIMEDOUT`. It may be done all the same, later; a file that it was about is not touched any more.
 *
 * A call that was given up keeps its thread of this process, of which there are few. Nothing can be done about that.
 */
export function boundedFileSystem(fs: FileSystem, bound: FileBound): FileSystem {
  const bounded = <T>(call: () => Promise<T>): Promise<T> => within(bound, 0, call);
  return {
    openWrite: async (path, mode) =>
      new BoundedWriter(await bounded(() => fs.openWrite(path, mode)), bound),
    openRead: async (path) => new BoundedReader(await bounded(() => fs.openRead(path)), bound),
    readFile: async (path) => {
      const { sizeBytes = 0 } = (await bounded(() => fs.stat(path))) ?? {};
      return within(bound, sizeBytes, () => fs.readFile(path));
    },
    stat: (path) => bounded(() => fs.stat(path)),
    link: (existing, fresh) => bounded(() => fs.link(existing, fresh)),
    rename: (from, to) => bounded(() => fs.rename(from, to)),
    remove: (path) => bounded(() => fs.remove(path)),
    removeFolder: (path) => bounded(() => fs.removeFolder(path)),
    list: (folder) => bounded(() => fs.list(folder)),
    makeFolder: (path) => bounded(() => fs.makeFolder(path)),
    syncFolder: (folder) => bounded(() => fs.syncFolder(folder)),
  };
}

class BoundedWriter implements FileWriter {
  readonly #writer: FileWriter;
  readonly #calls: Calls;
  /** Since they were last on the disk for certain. */
  #dirtyBytes = 0;

  constructor(writer: FileWriter, bound: FileBound) {
    this.#writer = writer;
    this.#calls = new Calls(bound);
  }

  write(bytes: Uint8Array): Promise<void> {
    this.#dirtyBytes += bytes.length;
    return this.#calls.run(bytes.length, () => this.#writer.write(bytes));
  }

  truncate(sizeBytes: number): Promise<void> {
    return this.#calls.run(0, () => this.#writer.truncate(sizeBytes));
  }

  async sync(): Promise<void> {
    await this.#calls.run(this.#dirtyBytes, () => this.#writer.sync());
    this.#dirtyBytes = 0;
  }

  close(): Promise<void> {
    return this.#calls.run(0, () => this.#writer.close());
  }
}

class BoundedReader implements FileReader {
  readonly #reader: FileReader;
  readonly #calls: Calls;

  constructor(reader: FileReader, bound: FileBound) {
    this.#reader = reader;
    this.#calls = new Calls(bound);
  }

  get sizeBytes(): number {
    return this.#reader.sizeBytes;
  }

  get fileId(): string {
    return this.#reader.fileId;
  }

  read(offset: number, length: number): Promise<Uint8Array> {
    const bytes = Math.min(length, Math.max(0, this.sizeBytes - offset));
    return this.#calls.run(bytes, () => this.#reader.read(offset, length));
  }

  close(): Promise<void> {
    return this.#calls.run(0, () => this.#reader.close());
  }
}

/** Calls for one open file: after one that had no answer no other is begun. */
class Calls {
  readonly #bound: FileBound;
  #timeout: FileTimeout | undefined;

  constructor(bound: FileBound) {
    this.#bound = bound;
  }

  async run<T>(bytes: number, call: () => Promise<T>): Promise<T> {
    if (this.#timeout !== undefined) throw this.#timeout;
    try {
      return await within(this.#bound, bytes, call);
    } catch (error) {
      if (error instanceof FileTimeout) this.#timeout = error;
      throw error;
    }
  }
}

function within<T>(
  { clock, timeoutMs }: FileBound,
  bytes: number,
  call: () => Promise<T>,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const allowedMs = timeoutMs + bytes / LEAST_BYTES_PER_MS;
    let cameBack: (() => void) | undefined;
    const cancel = clock.after(allowedMs, () => {
      cameBack = giveUpCall();
      reject(new FileTimeout(`no answer within ${Math.round(allowedMs)} ms`));
    });
    const settle = (): void => {
      cancel();
      cameBack?.();
    };
    void call().then(resolve, reject).finally(settle);
  });
}

import type { BigIntStats } from 'node:fs';
import * as fs from 'node:fs/promises';
import path from 'node:path';
import type { FileReader, FileStat, FileSystem, FileWriter, FolderEntry } from './file-system.ts';
import { compareUtf8 } from './utf8-order.ts';

/** One read call of the operating system takes at most 2 GiB less a page. */
const READ_BYTES_MAX = 2 ** 30;

/** The machine's own disk. */
export const nodeFileSystem: FileSystem = {
  async openWrite(file, mode) {
    // Not Node's 'a': with O_APPEND the position after a truncate would not be ours to say.
    const handle = await fs.open(file, mode === 'create' ? 'wx' : 'r+');
    const start = mode === 'create' ? 0 : (await handle.stat()).size;
    return new NodeFileWriter(handle, start);
  },

  async openRead(file) {
    const handle = await fs.open(file, 'r');
    const stat = await handle.stat({ bigint: true });
    if (stat.isDirectory()) {
      await handle.close();
      throw systemError('EISDIR', 'open', file);
    }
    return new NodeFileReader(handle, Number(stat.size), fileIdOf(stat));
  },

  async readFile(file) {
    return fs.readFile(file);
  },

  async stat(file) {
    const stat = await ignoring(['ENOENT', 'ENOTDIR'], fs.stat(file, { bigint: true }));
    return stat && fileStatOf(stat);
  },

  link: (existing, fresh) => fs.link(existing, fresh),

  rename: (from, to) => fs.rename(from, to),

  async remove(file) {
    await ignoring(['ENOENT', 'ENOTDIR'], fs.unlink(file));
  },

  async removeFolder(folder) {
    await ignoring(['ENOENT', 'ENOTDIR', 'ENOTEMPTY', 'EEXIST'], fs.rmdir(folder));
  },

  async list(folder) {
    const entries = await ignoring(['ENOENT'], fs.readdir(folder, { withFileTypes: true }));
    return (entries ?? [])
      .map((entry): FolderEntry => {
        return { name: entry.name, kind: entry.isDirectory() ? 'folder' : 'file' };
      })
      .sort((left, right) => compareUtf8(left.name, right.name));
  },

  async makeFolder(folder) {
    await fs.mkdir(folder, { recursive: true });
  },

  async syncFolder(folder) {
    const handle = await fs.open(folder, 'r');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  },
};

class NodeFileWriter implements FileWriter {
  readonly #handle: fs.FileHandle;
  #position: number;

  constructor(handle: fs.FileHandle, position: number) {
    this.#handle = handle;
    this.#position = position;
  }

  async write(bytes: Uint8Array): Promise<void> {
    let done = 0;
    while (done < bytes.length) {
      const length = Math.min(bytes.length - done, READ_BYTES_MAX);
      const { bytesWritten } = await this.#handle.write(bytes, done, length, this.#position);
      done += bytesWritten;
      this.#position += bytesWritten;
    }
  }

  async truncate(sizeBytes: number): Promise<void> {
    await this.#handle.truncate(sizeBytes);
    this.#position = sizeBytes;
  }

  sync(): Promise<void> {
    return this.#handle.sync();
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}

class NodeFileReader implements FileReader {
  readonly #handle: fs.FileHandle;
  readonly sizeBytes: number;
  readonly fileId: string;

  constructor(handle: fs.FileHandle, sizeBytes: number, fileId: string) {
    this.#handle = handle;
    this.sizeBytes = sizeBytes;
    this.fileId = fileId;
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    const wanted = Math.max(0, Math.min(length, this.sizeBytes - offset));
    const bytes = new Uint8Array(wanted);
    let done = 0;
    while (done < wanted) {
      const part = Math.min(wanted - done, READ_BYTES_MAX);
      const { bytesRead } = await this.#handle.read(bytes, done, part, offset + done);
      if (bytesRead === 0) return bytes.subarray(0, done);
      done += bytesRead;
    }
    return bytes;
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}

function fileStatOf(stat: BigIntStats): FileStat {
  return {
    kind: stat.isDirectory() ? 'folder' : 'file',
    sizeBytes: Number(stat.size),
    modifiedMs: Number(stat.mtimeMs),
    fileId: fileIdOf(stat),
  };
}

/** Inode numbers are used again, so the moment of birth goes with them. */
function fileIdOf(stat: BigIntStats): string {
  return `${stat.dev.toString(36)}.${stat.ino.toString(36)}.${stat.birthtimeNs.toString(36)}`;
}

async function ignoring<T>(codes: readonly string[], work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (typeof code === 'string' && codes.includes(code)) return undefined;
    throw error;
  }
}

/** An error as Node's own. */
function systemError(code: string, operation: string, file: string): NodeJS.ErrnoException {
  const error: NodeJS.ErrnoException = new Error(`${code}: ${operation} '${path.normalize(file)}'`);
  return Object.assign(error, { code, syscall: operation, path: file });
}

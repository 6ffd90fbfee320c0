/**
 * The local disk, as an argument. `nodeFileSystem` is the machine's; the simulator has one that
 * loses what was not synced, tears writes, and fails on demand.
 *
 * Paths are absolute, with `/`. Failures are Node's own errors with their `code` (`ENOENT`,
 * `ENOSPC`, `EIO` …): the room that calls turns them into an `EngineError` that says what to do.
 */
export interface FileSystem {
  /** Opens a file for writing: `create` fails with `EEXIST` if it is there; `append` wants it there. */
  openWrite(path: string, mode: 'create' | 'append'): Promise<FileWriter>;
  openRead(path: string): Promise<FileReader>;
  /** The whole file. */
  readFile(path: string): Promise<Uint8Array>;
  /** `undefined` if nothing is there. */
  stat(path: string): Promise<FileStat | undefined>;
  /** A second name for a file; fails with `EEXIST` if the name is taken. Never replaces. */
  link(existing: string, fresh: string): Promise<void>;
  /**
   * Replaces what is at `to`, atomically; fails with `ENOENT` if `from` is not there, so that of
   * two renames of one name one succeeds. A folder replaces only an empty folder: over a file it
   * fails with `ENOTDIR`, over a folder that holds something with `ENOTEMPTY` or `EEXIST`.
   */
  rename(from: string, to: string): Promise<void>;
  /** Removes a name of a file; no error if it is not there. A folder is refused with `EISDIR`. */
  remove(path: string): Promise<void>;
  /** Removes an empty folder; no error if it is not there, not empty, or a file. */
  removeFolder(path: string): Promise<void>;
  /** Names in a folder, sorted by their bytes; empty if there is no such folder. */
  list(folder: string): Promise<readonly FolderEntry[]>;
  /** Makes a folder and its parents. Not durable before the parents are synced. */
  makeFolder(path: string): Promise<void>;
  /** Makes names that were created, linked, renamed or removed in `folder` durable. */
  syncFolder(folder: string): Promise<void>;
}

export interface FolderEntry {
  readonly name: string;
  readonly kind: 'file' | 'folder';
}

export interface FileStat {
  readonly kind: 'file' | 'folder';
  readonly sizeBytes: number;
  readonly modifiedMs: number;
  /** Tells this file or folder, under whatever name, from every other that is or was there. */
  readonly fileId: string;
}

/** One call at a time: await each before the next. */
export interface FileWriter {
  /** Appends all of `bytes`. */
  write(bytes: Uint8Array): Promise<void>;
  /** Cuts the file to `sizeBytes`; later writes go there. */
  truncate(sizeBytes: number): Promise<void>;
  /** Makes the file's bytes durable. After a failure the file must be given up, never synced again. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

export interface FileReader {
  readonly sizeBytes: number;
  /** As in `FileStat`. */
  readonly fileId: string;
  /** Up to `length` bytes from `offset`; fewer only at the end of the file. */
  read(offset: number, length: number): Promise<Uint8Array>;
  close(): Promise<void>;
}

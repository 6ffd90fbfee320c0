import type { FileSystem } from '../../common/file-system.ts';

/** How the files of a sink look. One per writer: it may share memory among its open files. */
export interface PartFormat<T, R> {
  /** Of the file names, without the dot. */
  readonly extension: string;
  /** What a part takes for a value. Throws for one that cannot be written, before a file is begun for it. */
  encode(value: T): R;
  /** Begins a file; its folder is there. */
  begin(fs: FileSystem, path: string): Part<R>;
}

/** One file while it is written. */
export interface Part<R> {
  readonly path: string;
  /** Bytes on or on their way to the disk, and what is collected, before compression. */
  readonly sizeBytes: number;
  /** @returns a promise if the disk is too far behind. */
  write(record: R): void | Promise<void>;
  /** Makes all of it durable and closes it. */
  finish(): Promise<FinishedPart>;
  /** Gives the file up; it stays where it is. */
  abandon(): Promise<void>;
}

export interface FinishedPart {
  readonly sizeBytes: number;
  /** CRC-32 of the bytes as they are on the disk. */
  readonly crc: number;
}

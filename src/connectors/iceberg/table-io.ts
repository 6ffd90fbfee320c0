/** The files of a table: whole, durable, and known by locations such as `file:///lake/db/t/data/….parquet`. */
import type { BlobStore, Bytes } from '../../storage/blob-store.ts';

/**
 * One text for each file, to compare locations by: other engines may write `s3a://` or `file:/` where a table
 * says `s3://` or `file:///`.
 */
export function placeOf(location: string): string {
  return location.replace(/^s3[an]:(?=\/\/)/i, 's3:').replace(/^file:(\/\/)?(?=\/)/, '');
}

export interface TableFile {
  readonly location: string;
  readonly sizeBytes: number;
  readonly modifiedMs: number;
}

export interface TableIo {
  /** The location that all others begin with. */
  readonly root: string;
  /** Undefined if it is not there. */
  read(location: string): Promise<Uint8Array | undefined>;
  /** Some bytes of it. Undefined if it is not there. */
  readPart(location: string, offset: number, length: number): Promise<Uint8Array | undefined>;
  exists(location: string): Promise<boolean>;
  /**
   * Writes a file that is not there: of several writers one is told `done`. When it throws, the file may
   * be there or not.
   */
  create(location: string, bytes: Bytes): Promise<'done' | 'taken'>;
  /** Writes a file, whatever is there; the last one stays. */
  replace(location: string, bytes: Uint8Array): Promise<void>;
  /** All files below a folder. */
  list(folder: string): AsyncIterable<TableFile>;
  /** What is not there counts as deleted. */
  delete(locations: readonly string[]): Promise<void>;
}

/** What both kinds of files share: a store of blobs, and locations as paths in it. */
export abstract class BlobTableIo implements TableIo {
  readonly root: string;
  protected readonly store: BlobStore;

  /** @param root The store's own address, as the tables' locations have it. */
  constructor(store: BlobStore, root = store.url) {
    this.store = store;
    this.root = root.replace(/\/+$/, '');
  }

  async read(location: string): Promise<Uint8Array | undefined> {
    return (await this.store.read(this.pathOf(location)))?.bytes;
  }

  async readPart(
    location: string,
    offset: number,
    length: number,
  ): Promise<Uint8Array | undefined> {
    return (await this.store.read(this.pathOf(location), { offset, length }))?.bytes;
  }

  async exists(location: string): Promise<boolean> {
    return (await this.readPart(location, 0, 1)) !== undefined;
  }

  async create(location: string, bytes: Bytes): Promise<'done' | 'taken'> {
    const made = await this.store.create(this.pathOf(location), bytes);
    return made === 'taken' ? 'taken' : 'done';
  }

  abstract replace(location: string, bytes: Uint8Array): Promise<void>;

  async *list(folder: string): AsyncIterable<TableFile> {
    for await (const { path, ...facts } of this.store.list(this.pathOf(folder))) {
      yield { location: `${this.root}/${path}`, ...facts };
    }
  }

  delete(locations: readonly string[]): Promise<void> {
    return this.store.delete(locations.map((location) => this.pathOf(location)));
  }

  /** @throws {EngineError} `ICE-011` (`invalid`) for one that is not below the root. */
  protected abstract pathOf(location: string): string;
}

/** Opaque version of one blob's content, for compare-and-swap. */
export type Etag = string;

/** Bytes to store: parts are written one after the other and never joined in memory. */
export type Bytes = Uint8Array | readonly Uint8Array[];

export interface BlobEntry {
  readonly path: string;
  readonly sizeBytes: number;
  /** When it was last written, by the store's clock. */
  readonly modifiedMs: number;
}

/**
 * Named blobs on a file system, S3, HDFS or in memory. All checkpoints and savepoints go through it.
 *
 * Paths are relative to the store's root, with `/`, without `.` or `..`, of any UTF-8 text. A blob
 * is there whole or not at all, and what a resolved promise reported survives a crash.
 *
 * @throws {EngineError} `STO-001` (`unavailable`) when the store does not answer, is full or refuses.
 */
export interface BlobStore {
  /** For people: `file:///var/lib/…`, `s3://bucket/…`. Joined with a path it is a URL users can pass back. */
  readonly url: string;
  /** Stores only if the path is free. */
  create(path: string, bytes: Bytes): Promise<Etag | 'taken'>;
  /** Replaces a blob if its content is still `expected`; `undefined` expects that nothing is there. */
  replaceIf(path: string, bytes: Bytes, expected: Etag | undefined): Promise<Etag | 'changed'>;
  /** The bytes (of a range) and the version; `undefined` if there is no such blob. */
  read(path: string, range?: ByteRange): Promise<{ bytes: Uint8Array; etag: Etag } | undefined>;
  /** All blobs under a folder, in byte order of their paths. */
  list(prefix: string): AsyncIterable<BlobEntry>;
  /** Removes blobs; those that are not there count as removed. Empty folders go too. */
  delete(paths: readonly string[]): Promise<void>;
}

export interface ByteRange {
  readonly offset: number;
  readonly length: number;
}

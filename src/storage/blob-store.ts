declare const isEtag: unique symbol;

/** Opaque version of one blob, never used twice for one path; for compare-and-swap. */
export type Etag = string & { readonly [isEtag]: true };

/** For stores, and for who kept an etag as text. */
export function toEtag(text: string): Etag {
  return text as Etag;
}

/**
 * Bytes to store: parts are written one after the other and never joined in memory. They may change once the
 * store has said that it has them.
 */
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
 * is there whole or not at all, and what a resolved promise reported survives a crash. After a
 * rejected write the blob may be there or not: look, by a nonce in the content. Only `STO-006` says
 * that the write took no effect and never will; a store gives it where it is certain, and nowhere else.
 *
 * A blob is born in one of two ways and stays so: `create` makes one that never changes, which is
 * only deleted; `replaceIf(…, undefined)` makes one that can be replaced.
 *
 * @throws {EngineError} `STO-001` (`unavailable`) when the store does not answer, is full or refuses;
 * `STO-006` (`unavailable`) when it could not take a write, and nothing was changed;
 * `STO-002` (`invalid`) for a bad path; `STO-003` (`invalid`) where a blob would be a folder too;
 * `STO-005` (`corrupt`) where a blob's content is gone.
 */
export interface BlobStore {
  /** For people: `file:///var/lib/…`, `s3://bucket/…`. Joined with a path it is a URL users can pass back. */
  readonly url: string;
  /** Stores only if the path is free. */
  create(path: string, bytes: Bytes): Promise<Etag | 'taken'>;
  /**
   * Replaces a blob if it is still the version `expected`; `undefined` expects that nothing is there.
   *
   * @throws {EngineError} `STO-004` (`invalid`) if the blob was made by `create`. Not every store can tell.
   */
  replaceIf(path: string, bytes: Bytes, expected: Etag | undefined): Promise<Etag | 'changed'>;
  /** The bytes (of a range, cut at the end) and the version; `undefined` if there is no such blob. */
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

import type { Clock } from '../common/clock.ts';
import { compareUtf8 } from '../common/utf8-order.ts';
import { checkBlobPath, checkBlobPrefix } from './blob-path.ts';
import {
  toEtag,
  type BlobEntry,
  type BlobStore,
  type ByteRange,
  type Bytes,
  type Etag,
} from './blob-store.ts';
import { joinBytes, sliceBytes } from './bytes.ts';
import { cannotReplaceError } from './storage-errors.ts';

interface MemoryBlob {
  readonly bytes: Uint8Array;
  readonly etag: Etag;
  readonly modifiedMs: number;
  readonly replaceable: boolean;
}

/** Blobs in this process; gone with it. For tests and for jobs that need not survive. */
export class MemoryBlobStore implements BlobStore {
  readonly url: string;
  readonly #clock: Pick<Clock, 'wallMs'>;
  readonly #blobs = new Map<string, MemoryBlob>();
  #versions = 0;

  constructor(clock: Pick<Clock, 'wallMs'>, name = 'blobs') {
    this.#clock = clock;
    this.url = `memory://${name}`;
  }

  async create(path: string, bytes: Bytes): Promise<Etag | 'taken'> {
    checkBlobPath(path);
    if (this.#blobs.has(path)) return 'taken';
    return this.#put(path, bytes, false);
  }

  async replaceIf(
    path: string,
    bytes: Bytes,
    expected: Etag | undefined,
  ): Promise<Etag | 'changed'> {
    checkBlobPath(path);
    const blob = this.#blobs.get(path);
    if (blob?.etag !== expected) return 'changed';
    if (blob?.replaceable === false) throw cannotReplaceError(`${this.url}/${path}`);
    return this.#put(path, bytes, true);
  }

  async read(
    path: string,
    range?: ByteRange,
  ): Promise<{ bytes: Uint8Array; etag: Etag } | undefined> {
    checkBlobPath(path);
    const blob = this.#blobs.get(path);
    // A copy, so that a caller's change does not reach the store.
    return blob && { bytes: sliceBytes(blob.bytes, range).slice(), etag: blob.etag };
  }

  async *list(prefix: string): AsyncIterable<BlobEntry> {
    const folder = checkBlobPrefix(prefix);
    const paths = [...this.#blobs.keys()].filter((path) => path.startsWith(folder));
    for (const path of paths.sort(compareUtf8)) {
      const blob = this.#blobs.get(path);
      if (blob === undefined) continue;
      yield { path, sizeBytes: blob.bytes.length, modifiedMs: blob.modifiedMs };
    }
  }

  async delete(paths: readonly string[]): Promise<void> {
    paths.forEach(checkBlobPath);
    for (const path of paths) this.#blobs.delete(path);
  }

  #put(path: string, bytes: Bytes, replaceable: boolean): Etag {
    this.#versions += 1;
    const etag = toEtag(`m${this.#versions}`);
    const modifiedMs = this.#clock.wallMs();
    this.#blobs.set(path, { bytes: joinBytes(bytes), etag, modifiedMs, replaceable });
    return etag;
  }
}

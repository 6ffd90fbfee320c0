import { crc32 } from '../common/crc32.ts';
import type { BlobHandle } from '../contracts/snapshots.ts';
import type { SnapshotTarget } from '../state/keyed-state-backend.ts';
import type { BlobStore } from '../storage/blob-store.ts';
import { dataFileName, jobPaths, type FileStamp } from './checkpoint-layout.ts';
import { takenFileError } from './errors.ts';

/** Where the files of one subtask's snapshot go. Plain data: it travels with the barrier. */
export interface SnapshotPlace extends FileStamp {
  readonly jobId: string;
  /** The checkpoint's or savepoint's own folder, in the writer's store. */
  readonly folder: string;
  /** A savepoint holds all its files itself. */
  readonly selfContained: boolean;
}

export interface SnapshotWriterOptions {
  readonly store: BlobStore;
  readonly place: SnapshotPlace;
  readonly uid: string;
  readonly subtask: number;
  /**
   * Bytes up to which a file becomes a part of the metadata. Default: 20 KiB, Flink's. Small means
   * many small files; large means metadata that is slow to write and to read.
   */
  readonly inlineBytesMax?: number;
}

const INLINE_BYTES_MAX = 20 * 1024;

/**
 * Stores the files of one operator subtask for one snapshot. A file's name tells whom it was
 * written for, so that the sweep can judge what a dead attempt left.
 */
export class SnapshotWriter implements SnapshotTarget {
  readonly #options: SnapshotWriterOptions;
  readonly #stored: string[] = [];
  #sequence = 0;
  #writtenBytes = 0;

  constructor(options: SnapshotWriterOptions) {
    this.#options = options;
  }

  /** Of all that was stored, inline or not. */
  get writtenBytes(): number {
    return this.#writtenBytes;
  }

  /**
   * @throws {EngineError} `STO-…` when the store fails: the snapshot must be declined.
   * @throws {EngineError} `CHK-008` (`invalid`) if another file has the name.
   */
  async store(
    scope: 'shared' | 'exclusive',
    name: string,
    parts: readonly Uint8Array[],
    knownCrc32?: number,
  ): Promise<BlobHandle> {
    const { inlineBytesMax = INLINE_BYTES_MAX } = this.#options;
    const sizeBytes = parts.reduce((sum, part) => sum + part.length, 0);
    const checksum = knownCrc32 ?? parts.reduce((sum, part) => crc32(part, sum), 0);
    const handle = { sizeBytes, crc32: checksum };
    if (sizeBytes <= inlineBytesMax) {
      this.#writtenBytes += sizeBytes;
      return { kind: 'inline', base64: base64Of(parts), ...handle };
    }
    const path = this.#pathOf(scope, name);
    this.#stored.push(path);
    await this.#create(path, parts, handle);
    this.#writtenBytes += sizeBytes;
    return { kind: 'blob', path, ...handle };
  }

  /** Removes what was stored: the snapshot was aborted before anybody heard of its files. */
  async discard(): Promise<void> {
    await this.#options.store.delete(this.#stored);
  }

  #pathOf(scope: 'shared' | 'exclusive', name: string): string {
    const { place, uid, subtask } = this.#options;
    const folder =
      scope === 'shared' && !place.selfContained ? jobPaths(place.jobId).shared : place.folder;
    this.#sequence += 1;
    const { checkpointId, epoch, attempt } = place;
    const sequence = this.#sequence;
    const file = dataFileName({ checkpointId, epoch, attempt, uid, subtask, name, sequence });
    return folder === '' ? file : `${folder}/${file}`;
  }

  async #create(
    path: string,
    parts: readonly Uint8Array[],
    expected: { readonly sizeBytes: number; readonly crc32: number },
  ): Promise<void> {
    const { store } = this.#options;
    if ((await store.create(path, parts)) !== 'taken') return;
    // Perhaps our own write, which the store retried after its answer was lost.
    const found = await store.read(path);
    const isOurs =
      found?.bytes.length === expected.sizeBytes && crc32(found.bytes) === expected.crc32;
    if (!isOurs) throw takenFileError(`${store.url}/${path}`);
  }
}

const CHUNK_BYTES = 0x2000;

function base64Of(parts: readonly Uint8Array[]): string {
  let text = '';
  for (const part of parts) {
    for (let offset = 0; offset < part.length; offset += CHUNK_BYTES) {
      text += String.fromCharCode(...part.subarray(offset, offset + CHUNK_BYTES));
    }
  }
  return btoa(text);
}

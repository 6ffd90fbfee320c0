import { randomHex } from '../../common/random.ts';
import { checkBlobPath, checkBlobPrefix, isBlobPath } from '../blob-path.ts';
import {
  toEtag,
  type BlobEntry,
  type BlobStore,
  type ByteRange,
  type Bytes,
  type Etag,
} from '../blob-store.ts';
import { joinBytes } from '../bytes.ts';
import { cannotReplaceError } from '../storage-errors.ts';
import { encodeReplaceable, mayBeReplaceable, NONCE_DIGITS } from './replaceable-object.ts';
import type { S3Connection, S3Effect } from './s3-client.ts';
import {
  overtakenError,
  s3Error,
  unconditionalError,
  type FailedS3Operation,
} from './s3-errors.ts';
import { s3LocationOf, s3Url, type S3Location } from './s3-location.ts';
import {
  isFailure,
  S3Objects,
  type Condition,
  type ListedObject,
  type NewObject,
  type ObjectFacts,
  type ObjectKind,
} from './s3-objects.ts';
import { readBlob } from './s3-reader.ts';
import { abortDeadUploads, sizeOf, uploadInParts } from './s3-upload.ts';

/**
 * Blobs as objects under a folder of an S3 bucket, for many processes at a time. It needs a store that is
 * consistent after each write and knows `If-None-Match: *` and `If-Match`.
 *
 * - `create` is a PUT that a taken key refuses. Large blobs go up in parts; the last request is the one that
 *   a taken key refuses, and nothing can be seen before it. The object's bytes are the blob's.
 * - `replaceIf` is a PUT that another ETag refuses. As ETags are hashes, each version has a number of its own
 *   in its content: see replaceable-object.ts.
 * - Each write has a nonce, in the object's metadata. A refusal may be due to the very same write, whose
 *   answer was lost: the nonce tells. If the object is another's by then, and an earlier try may have been
 *   there before it, nobody can tell what was first: then the write fails as one that may be there or not.
 * - A try that had no answer may still arrive. It finds a taken key, or another ETag, and does nothing. Only
 *   if its blob has been deleted by then, `create` makes it again, as a file that nobody refers to.
 *
 * The format: docs/formats/s3-blob-store.md.
 */
export class S3BlobStore implements BlobStore {
  readonly url: string;
  readonly #location: S3Location;
  readonly #objects: S3Objects;
  readonly #connection: S3Connection;
  /** Under way in parts; two may have one key. */
  readonly #uploads = new Set<{ readonly key: string }>();
  #sweptMs = -Infinity;

  /**
   * @param url `s3://bucket/folder`. The bucket must be there.
   * @throws {EngineError} `STO-026` (`invalid`)
   */
  constructor(connection: S3Connection, url: string) {
    this.#location = s3LocationOf(url);
    this.url = s3Url(this.#location);
    this.#connection = connection;
    this.#objects = new S3Objects(connection, this.#location.bucket);
  }

  async create(path: string, bytes: Bytes): Promise<Etag | 'taken'> {
    const key = this.#key(path);
    const object: NewObject = { kind: 'created', nonce: this.#nonce() };
    const write = this.#write('create', path);
    const outcome = await this.#conditionally(write, {
      key,
      nonce: object.nonce,
      condition: { kind: 'absent' },
      put: (effect) => this.#putNew(key, bytes, { object, effect }),
    });
    return outcome === undefined ? 'taken' : etagOf('created', { ...object, etag: outcome });
  }

  async replaceIf(
    path: string,
    bytes: Bytes,
    expected: Etag | undefined,
  ): Promise<Etag | 'changed'> {
    const key = this.#key(path);
    const write = this.#write('replaceIf', path);
    const condition = conditionOf(expected);
    if (condition === 'created') return this.#refuseCreated(write, key, expected);
    if (condition === undefined) return 'changed';
    const object: NewObject = { kind: 'replaceable', nonce: this.#nonce() };
    const body = encodeReplaceable(bytes, object.nonce);
    const outcome = await this.#conditionally(write, {
      ...{ key, nonce: object.nonce, condition },
      put: (effect) => this.#objects.put(key, body, { object, condition, effect }),
    });
    if (outcome === undefined) return 'changed';
    await this.#proveConditions(write, { key, body, object });
    return etagOf('replaceable', { ...object, etag: outcome });
  }

  async read(
    path: string,
    range?: ByteRange,
  ): Promise<{ bytes: Uint8Array; etag: Etag } | undefined> {
    const key = this.#key(path);
    const url = this.#urlOf(path);
    return guarded({ operation: 'read', url }, async () => {
      const blob = await readBlob(this.#objects, { key, url }, range);
      return blob && { bytes: blob.bytes, etag: etagOf(blob.kind, blob) };
    });
  }

  async *list(prefix: string): AsyncIterable<BlobEntry> {
    const folder = checkBlobPrefix(prefix);
    const { prefix: root } = this.#location;
    const listing = this.#objects.list(`${root}${folder}`)[Symbol.asyncIterator]();
    const operation = { operation: 'list', url: this.#urlOf(folder) };
    for (;;) {
      const next = await guarded(operation, () => listing.next());
      if (next.done === true) return;
      const path = next.value.key.slice(root.length);
      // Consoles mark folders by empty objects, and other programs have names of their own.
      if (!isBlobPath(path)) continue;
      const entry = await guarded(operation, () => this.#entry(path, next.value));
      if (entry !== undefined) yield entry;
    }
  }

  async delete(paths: readonly string[]): Promise<void> {
    const keys = paths.map((path) => this.#key(path));
    const [first = ''] = paths;
    const url = paths.length === 1 ? this.#urlOf(first) : this.url;
    await guarded({ operation: 'delete', url }, () => this.#objects.delete(keys));
  }

  #putNew(
    key: string,
    bytes: Bytes,
    { object, effect }: { readonly object: NewObject; readonly effect: S3Effect },
  ): Promise<string> {
    if (sizeOf(bytes) > this.#connection.settings.s3PartSizeBytes) {
      const upload = { key };
      this.#uploads.add(upload);
      this.#sweep();
      return uploadInParts(this.#objects, key, bytes, { object, effect }).finally(() => {
        this.#uploads.delete(upload);
      });
    }
    const condition: Condition = { kind: 'absent' };
    const body = bytes instanceof Uint8Array ? bytes : joinBytes(bytes);
    return this.#objects.put(key, body, { object, condition, effect });
  }

  /**
   * Writes under a condition; when that was refused, finds out whether by another or by ourselves.
   *
   * @returns the ETag, or undefined if the condition does not hold
   */
  #conditionally(
    write: Write,
    { key, nonce, condition, put }: Conditional,
  ): Promise<string | undefined> {
    const { effect } = write;
    return guarded(write, async () => {
      for (let tries = 1; ; tries += 1) {
        try {
          return await put(effect);
        } catch (error) {
          if (!isFailure(error, ...ANOTHER_WAS_THERE)) throw error;
          // A server that keeps objects as files may say so while another client empties the folder.
          if (error.kind === 'folder' && tries === FOLDER_TRIES_MAX) throw error;
          const wasPossible = effect.isPossible;
          // Until it is known whose the object is. Also what stands before a store tries again.
          effect.isPossible = true;
          const found = await this.#objects.look(key);
          if (found?.nonce === nonce) return found.etag;
          if (!holds(condition, found)) {
            if (wasPossible) throw overtakenError(write);
            return undefined;
          }
          effect.isPossible = wasPossible;
          if (tries === TRIES_MAX) throw error;
        }
        await this.#connection.pause(tries);
      }
    });
  }

  async #refuseCreated(write: Write, key: string, expected: Etag | undefined): Promise<'changed'> {
    const found = await guarded({ ...write, effect: undefined }, () => this.#objects.look(key));
    if (found === undefined || etagOf('created', found) !== expected) return 'changed';
    throw cannotReplaceError(write.url);
  }

  /**
   * Once for each bucket: that the store does refuse. One that knows no conditions would answer all writes
   * with success, and let two processes lead one job. With the same content, so that such a store is not harmed.
   *
   * @throws {EngineError} `STO-024` (`invalid`)
   */
  async #proveConditions(
    { url }: Write,
    {
      key,
      body,
      object,
    }: { readonly key: string; readonly body: Uint8Array; readonly object: NewObject },
  ): Promise<void> {
    const proven = provenBuckets.get(this.#connection) ?? new Set();
    provenBuckets.set(this.#connection, proven);
    if (proven.has(this.#location.bucket)) return;
    const conditions: Condition[] = [{ kind: 'absent' }, { kind: 'is', etag: NO_ETAG }];
    for (const condition of conditions) {
      const header = condition.kind === 'absent' ? 'If-None-Match' : 'If-Match';
      try {
        await this.#objects.put(key, body, { object, condition, effect: { isPossible: false } });
      } catch (error) {
        // Whatever keeps it from an answer now: the next write asks again.
        if (!isFailure(error, 'condition', 'conflict', 'no-object')) return;
        continue;
      }
      throw unconditionalError(url, header);
    }
    proven.add(this.#location.bucket);
  }

  async #entry(
    path: string,
    { key, sizeBytes, modifiedMs }: ListedObject,
  ): Promise<BlobEntry | undefined> {
    if (!mayBeReplaceable(sizeBytes)) return { path, sizeBytes, modifiedMs };
    const facts = await this.#objects.look(key);
    if (facts === undefined) return undefined;
    if (facts.kind === 'created') return { path, sizeBytes, modifiedMs };
    const blob = await readBlob(this.#objects, { key, url: this.#urlOf(path) }, undefined);
    return blob && { path, sizeBytes: blob.bytes.length, modifiedMs };
  }

  /**
   * Beside the first upload in parts, and again each half day: of a process that runs for weeks, others beside it
   * may die. Whoever may not list them has a rule of the bucket for it.
   */
  #sweep(): void {
    const nowMs = this.#connection.monotonicMs();
    if (nowMs < this.#sweptMs + SWEEP_EACH_MS) return;
    this.#sweptMs = nowMs;
    const isAlive = (key: string) => [...this.#uploads].some((upload) => upload.key === key);
    abortDeadUploads(this.#objects, this.#location.prefix, isAlive).catch(() => undefined);
  }

  #write(operation: string, path: string): Write {
    return { operation, url: this.#urlOf(path), effect: { isPossible: false } };
  }

  #nonce(): string {
    return randomHex(this.#connection.random, NONCE_DIGITS);
  }

  #key(path: string): string {
    checkBlobPath(path);
    return `${this.#location.prefix}${path}`;
  }

  #urlOf(path: string): string {
    return `${this.url}/${path}`;
  }
}

interface Write extends FailedS3Operation {
  readonly effect: S3Effect;
}

interface Conditional {
  readonly key: string;
  readonly nonce: string;
  readonly condition: Condition;
  readonly put: (effect: S3Effect) => Promise<string>;
}

const SWEEP_EACH_MS = 12 * 60 * 60 * 1000;
/** How often another write may get in the way of one before that gives up. */
const TRIES_MAX = 10;
const FOLDER_TRIES_MAX = 4;
/** So it may be: who it was is to be looked up. */
const ANOTHER_WAS_THERE = ['condition', 'conflict', 'folder', 'no-object', 'no-upload'] as const;
/** Of no object. */
const NO_ETAG = `"${'0'.repeat(32)}"`;

const provenBuckets = new WeakMap<S3Connection, Set<string>>();

async function guarded<T>(operation: FailedS3Operation, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw s3Error(error, operation);
  }
}

function holds(condition: Condition, found: ObjectFacts | undefined): boolean {
  return condition.kind === 'absent' ? found === undefined : found?.etag === condition.etag;
}

/*
 * `c-<nonce>-<S3's ETag>` of a created blob, `r-<S3's ETag>` of a version. Two created blobs of one content
 * have one ETag in S3, but not one nonce; a version's nonce is in its content.
 */

function etagOf(
  kind: ObjectKind,
  { etag, nonce = '' }: { readonly etag: string; readonly nonce: string | undefined },
): Etag {
  return toEtag(kind === 'created' ? `c-${nonce}-${etag}` : `r-${etag}`);
}

/** Undefined for an etag that this store has never given. */
function conditionOf(expected: Etag | undefined): Condition | 'created' | undefined {
  if (expected === undefined) return { kind: 'absent' };
  if (expected.startsWith('c-')) return 'created';
  return expected.startsWith('r-') ? { kind: 'is', etag: expected.slice(2) } : undefined;
}

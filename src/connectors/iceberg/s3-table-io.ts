import { randomHex } from '../../common/random.ts';
import type { World } from '../../contracts/source.ts';
import type { Bytes } from '../../storage/blob-store.ts';
import { joinBytes } from '../../storage/bytes.ts';
import { NONCE_DIGITS } from '../../storage/s3/replaceable-object.ts';
import { S3BlobStore } from '../../storage/s3/s3-blob-store.ts';
import { connectionOf, type S3Connection } from '../../storage/s3/s3-client.ts';
import { s3Error, unconditionalError } from '../../storage/s3/s3-errors.ts';
import { s3LocationOf, s3Url, type S3Location } from '../../storage/s3/s3-location.ts';
import { isFailure, S3Objects, type NewObject } from '../../storage/s3/s3-objects.ts';
import type { S3Settings } from '../../storage/s3/s3-settings.ts';
import { sizeOf } from '../../storage/s3/s3-upload.ts';
import { outsideTable } from './errors.ts';
import { BlobTableIo, type TableFile } from './table-io.ts';

/** Whether the right version of a table hangs on that only one creates a file, or a catalog says it. */
export type Creation = 'exclusive' | 'by catalog';

/**
 * Tables in a bucket. All objects are plain ones. Nothing is asked before something is read or written.
 *
 * A file is created by a PUT that a taken key refuses; whether the taken key is due to this very PUT, whose
 * answer was lost, its nonce tells: see S3BlobStore.
 */
export class S3TableIo extends BlobTableIo {
  readonly #connection: S3Connection;
  readonly #objects: S3Objects;
  readonly #place: S3Location;
  readonly #creation: Creation;

  /**
   * @param folder `s3://bucket/folder`, also with Hadoop's schemes, which new locations have then, too.
   * @throws {EngineError} `STO-026` (`invalid`)
   */
  constructor(settings: S3Settings, world: World, folder: string, creation: Creation) {
    const { place, root } = S3TableIo.addressOf(folder);
    const connection = connectionOf(settings, world);
    super(new S3BlobStore(connection, folder), root);
    this.#connection = connection;
    this.#objects = new S3Objects(connection, place.bucket);
    this.#place = place;
    this.#creation = creation;
  }

  /** @throws {EngineError} `STO-026` (`invalid`) */
  static addressOf(folder: string): {
    readonly place: S3Location;
    /** One for each place, whatever the scheme is. */
    readonly url: string;
    /** With the scheme as it was written. */
    readonly root: string;
  } {
    const place = s3LocationOf(folder);
    const url = s3Url(place);
    const scheme = folder.slice(0, folder.indexOf(':')).toLowerCase();
    return { place, url, root: url.replace(/^s3/, scheme) };
  }

  override async create(location: string, bytes: Bytes): Promise<'done' | 'taken'> {
    const made = await super.create(location, bytes);
    if (made === 'done' && this.#creation === 'exclusive') await this.#prove(location, bytes);
    return made;
  }

  async replace(location: string, bytes: Uint8Array): Promise<void> {
    const key = this.#keyOf(location);
    // A late try may put an old content in the place of a newer one.
    const effect = { isPossible: true };
    try {
      await this.#objects.put(key, bytes, { object: this.#newObject(), effect });
    } catch (error) {
      throw s3Error(error, { operation: 'replace', url: location, effect });
    }
  }

  /** Not the store's listing, which looks into each small object whether it is one of its own kind. */
  override async *list(folder: string): AsyncIterable<TableFile> {
    const prefix = `${this.#keyOf(folder)}/`;
    const listing = this.#objects.list(prefix)[Symbol.asyncIterator]();
    for (;;) {
      const next = await listing.next().catch((error: unknown) => {
        throw s3Error(error, { operation: 'list', url: folder });
      });
      if (next.done === true) return;
      const { key, sizeBytes, modifiedMs } = next.value;
      // Consoles mark folders by empty objects.
      if (key.endsWith('/')) continue;
      const path = key.slice(this.#place.prefix.length);
      yield { location: `${this.root}/${path}`, sizeBytes, modifiedMs };
    }
  }

  protected pathOf(location: string): string {
    const [, bucket, key = ''] = /^s3[an]?:\/\/([^/]+)\/(.*)$/is.exec(location) ?? [];
    const { prefix } = this.#place;
    if (bucket !== this.#place.bucket || !key.startsWith(prefix) || key === prefix) {
      throw outsideTable(location, this.root);
    }
    return key.slice(prefix.length);
  }

  #keyOf(location: string): string {
    return `${this.#place.prefix}${this.pathOf(location)}`;
  }

  #newObject(): NewObject {
    return { kind: 'created', nonce: randomHex(this.#connection.random, NONCE_DIGITS) };
  }

  /**
   * Once for each bucket: that the store does refuse to create what is there. One that knows no conditions would
   * let two writers make the same version of a table. With the same content and a small file, of which the
   * first is written before any version: so no harm is done.
   */
  async #prove(location: string, bytes: Bytes): Promise<void> {
    const proven = provenBuckets.get(this.#connection) ?? new Set();
    provenBuckets.set(this.#connection, proven);
    if (proven.has(this.#place.bucket) || sizeOf(bytes) > PROOF_BYTES_MAX) return;
    const body = joinBytes(bytes);
    const how = { object: this.#newObject(), effect: { isPossible: false } };
    try {
      const condition = { kind: 'absent' } as const;
      await this.#objects.put(this.#keyOf(location), body, { ...how, condition });
    } catch (error) {
      // Whatever keeps it from an answer now: the next file asks again.
      if (isFailure(error, 'condition')) proven.add(this.#place.bucket);
      return;
    }
    throw unconditionalError(location, 'If-None-Match');
  }
}

const PROOF_BYTES_MAX = 1024 * 1024;

const provenBuckets = new WeakMap<S3Connection, Set<string>>();

import type { GetObjectCommandOutput, ListObjectsV2CommandOutput } from '@aws-sdk/client-s3';
import type { S3Connection, S3Effect, S3Try } from './s3-client.ts';
import { S3Failure } from './s3-failure.ts';

/** What an object says about itself. */
export interface ObjectFacts {
  /** S3's own. */
  readonly etag: string;
  /** Drawn for the write that made it. Undefined for an object that another program made. */
  readonly nonce: string | undefined;
  readonly kind: ObjectKind | undefined;
  readonly sizeBytes: number;
}

/** How a blob was born. */
export type ObjectKind = 'created' | 'replaceable';

export type Condition =
  { readonly kind: 'absent' } | { readonly kind: 'is'; readonly etag: string };

export interface NewObject {
  readonly kind: ObjectKind;
  readonly nonce: string;
}

export interface ListedObject {
  readonly key: string;
  readonly sizeBytes: number;
  readonly modifiedMs: number;
}

const NONCE_FIELD = 'tidemark-nonce';
const KIND_FIELD = 'tidemark-kind';
/** As many as one request takes. */
const DELETES_MAX = 1000;
const PASSES_MAX = 5;

/** The objects of one bucket, as S3 has them. What is thrown is an {@link S3Failure}. */
export class S3Objects {
  readonly connection: S3Connection;
  readonly bucket: string;

  constructor(connection: S3Connection, bucket: string) {
    this.connection = connection;
    this.bucket = bucket;
  }

  /**
   * Without a condition, whatever is there: the write that arrives last stays.
   *
   * @returns its ETag
   */
  put(
    key: string,
    body: Uint8Array,
    how: {
      readonly object: NewObject;
      readonly condition?: Condition;
      readonly effect: S3Effect;
    },
  ): Promise<string> {
    const { object, condition, effect } = how;
    return this.connection.request({
      sizeBytes: body.length,
      effect,
      run: async ({ sdk, client }, { signal }) => {
        const command = new sdk.PutObjectCommand({
          Bucket: this.bucket,
          Key: key,
          Body: body,
          Metadata: metadataOf(object),
          ...(condition === undefined ? {} : headersOf(condition)),
        });
        const { ETag } = await client.send(command, { abortSignal: signal });
        return etagIn(ETag);
      },
    });
  }

  /** Undefined if there is none. Not by `HEAD`, whose refusals have no words: 404 may be a bad key. */
  async look(key: string): Promise<ObjectFacts | undefined> {
    try {
      return await this.connection.request({
        run: async ({ sdk, client }, attempt) => {
          const command = new sdk.GetObjectCommand({
            Bucket: this.bucket,
            Key: key,
            Range: 'bytes=0-0',
          });
          const output = await client.send(command, { abortSignal: attempt.signal });
          // What is not read costs the connection; what a server sends that knows no ranges may cost more.
          if (output.ContentRange === undefined) discard(output);
          else await bytesOf(output, attempt);
          return factsOf(output);
        },
      });
    } catch (error) {
      if (isFailure(error, 'no-object')) return undefined;
      if (isFailure(error, 'bad-range')) return this.#lookAtEmpty(key);
      throw error;
    }
  }

  /** Of an empty object nothing can be read; but the server has just known the bucket and the keys. */
  async #lookAtEmpty(key: string): Promise<ObjectFacts | undefined> {
    try {
      return await this.connection.request({
        run: async ({ sdk, client }, { signal }) => {
          const command = new sdk.HeadObjectCommand({ Bucket: this.bucket, Key: key });
          const output = await client.send(command, { abortSignal: signal });
          return factsOf({ ...output, ContentRange: undefined });
        },
      });
    } catch (error) {
      if (isFailure(error, 'no-object')) return undefined;
      throw error;
    }
  }

  /**
   * A range of an object, and what it says about itself.
   *
   * @param etag Fails with `condition` if it is another version.
   */
  read(
    key: string,
    { offset, length }: { readonly offset: number; readonly length: number },
    etag?: string,
  ): Promise<{ readonly bytes: Uint8Array; readonly facts: ObjectFacts }> {
    return this.connection.request({
      run: async ({ sdk, client }, attempt) => {
        const command = new sdk.GetObjectCommand({
          Bucket: this.bucket,
          Key: key,
          Range: `bytes=${offset}-${offset + length - 1}`,
          ...(etag === undefined ? {} : { IfMatch: etag }),
        });
        const output = await client.send(command, { abortSignal: attempt.signal });
        const bytes = await bytesOf(output, attempt);
        const facts = factsOf(output);
        // A server that knows no ranges sends all of it.
        if (output.ContentRange !== undefined) return { bytes, facts };
        return { bytes: bytes.subarray(offset, offset + length), facts };
      },
    });
  }

  /** In byte order of the keys, as S3 lists. */
  async *list(prefix: string): AsyncIterable<ListedObject> {
    let from: string | undefined;
    do {
      const page = await this.#page(prefix, from);
      const isEncoded = page.EncodingType === 'url';
      for (const { Key = '', Size = 0, LastModified } of page.Contents ?? []) {
        const key = isEncoded ? decodeURIComponent(Key.replaceAll('+', ' ')) : Key;
        yield { key, sizeBytes: Size, modifiedMs: LastModified?.getTime() ?? 0 };
      }
      from = page.IsTruncated === true ? page.NextContinuationToken : undefined;
    } while (from !== undefined);
  }

  #page(prefix: string, from: string | undefined): Promise<ListObjectsV2CommandOutput> {
    return this.connection.request({
      run: ({ sdk, client }, { signal }) => {
        const command = new sdk.ListObjectsV2Command({
          Bucket: this.bucket,
          Prefix: prefix,
          // Not every name can be written in XML.
          EncodingType: 'url',
          ...(from === undefined ? {} : { ContinuationToken: from }),
        });
        return client.send(command, { abortSignal: signal });
      },
    });
  }

  /** Those that are not there count as deleted. */
  async delete(keys: readonly string[]): Promise<void> {
    const plain = keys.filter((key) => !UNWRITABLE.test(key));
    for (let at = 0; at < plain.length; at += DELETES_MAX) {
      await this.#deleteBatch(plain.slice(at, at + DELETES_MAX));
    }
    for (const key of keys) if (UNWRITABLE.test(key)) await this.#deleteOne(key);
  }

  async #deleteBatch(keys: readonly string[]): Promise<void> {
    let left = keys;
    for (let pass = 1; left.length > 0; pass += 1) {
      const failed = await this.#tryToDelete(left);
      const lasting = failed.find(({ failure }) => failure.kind !== 'passing');
      const first = lasting ?? failed[0];
      if (first !== undefined && (lasting !== undefined || pass === PASSES_MAX))
        throw first.failure;
      if (first !== undefined) await this.connection.pause(pass);
      left = failed.map(({ key }) => key);
    }
  }

  /** The answer is 200 whatever became of each. */
  async #tryToDelete(
    keys: readonly string[],
  ): Promise<{ readonly key: string; readonly failure: S3Failure }[]> {
    const { Errors = [] } = await this.connection.request({
      run: ({ sdk, client }, { signal }) => {
        const command = new sdk.DeleteObjectsCommand({
          Bucket: this.bucket,
          Delete: { Quiet: true, Objects: keys.map((Key) => ({ Key })) },
        });
        return client.send(command, { abortSignal: signal });
      },
    });
    return Errors.map(({ Key = '', Code = 'InternalError', Message = '' }) => ({
      key: Key,
      failure: new S3Failure({ code: Code, message: Message, $response: {} }),
    })).filter(({ failure }) => failure.kind !== 'no-object');
  }

  async #deleteOne(key: string): Promise<void> {
    try {
      await this.connection.request({
        run: ({ sdk, client }, { signal }) => {
          const command = new sdk.DeleteObjectCommand({ Bucket: this.bucket, Key: key });
          return client.send(command, { abortSignal: signal });
        },
      });
    } catch (error) {
      if (!isFailure(error, 'no-object')) throw error;
    }
  }
}

export function isFailure(
  error: unknown,
  ...kinds: readonly S3Failure['kind'][]
): error is S3Failure {
  return error instanceof S3Failure && kinds.includes(error.kind);
}

export function metadataOf({ kind, nonce }: NewObject): Record<string, string> {
  return { [KIND_FIELD]: kind, [NONCE_FIELD]: nonce };
}

export function headersOf(condition: Condition): { IfNoneMatch: '*' } | { IfMatch: string } {
  return condition.kind === 'absent' ? { IfNoneMatch: '*' } : { IfMatch: condition.etag };
}

export function etagIn(etag: string | undefined): string {
  // Without it nothing could be compared: as if the answer had been garbled on its way.
  if (etag === undefined || etag === '')
    throw new S3Failure({ code: 'IncompleteBody', message: 'the answer has no ETag' });
  return etag;
}

/** What XML 1.0 cannot say, or changes. */
const UNWRITABLE = /[\u0000-\u001f\ufffe\uffff]/;

function factsOf(
  output: Pick<GetObjectCommandOutput, 'ETag' | 'Metadata' | 'ContentRange' | 'ContentLength'>,
): ObjectFacts {
  const { Metadata = {}, ContentRange, ContentLength = 0 } = output;
  const total = /\/(\d+)$/.exec(ContentRange ?? '')?.[1];
  const kind = Metadata[KIND_FIELD];
  return {
    etag: etagIn(output.ETag),
    nonce: Metadata[NONCE_FIELD],
    kind: kind === 'created' || kind === 'replaceable' ? kind : undefined,
    sizeBytes: total === undefined ? ContentLength : Number(total),
  };
}

interface Stream extends AsyncIterable<Uint8Array> {
  destroy(): void;
}

function discard({ Body }: GetObjectCommandOutput): void {
  (Body as unknown as Stream | undefined)?.destroy();
}

async function bytesOf(output: GetObjectCommandOutput, attempt: S3Try): Promise<Uint8Array> {
  const { ContentLength = 0 } = output;
  const stream = output.Body as unknown as Stream | undefined;
  const bytes = new Uint8Array(ContentLength);
  let at = 0;
  attempt.signal.addEventListener('abort', () => stream?.destroy(), { once: true });
  for await (const part of stream ?? []) {
    if (at + part.length > bytes.length) break;
    bytes.set(part, at);
    at += part.length;
    attempt.progressed();
  }
  if (at === bytes.length) return bytes;
  throw new S3Failure({ code: 'IncompleteBody', message: `${at} bytes of ${bytes.length} came` });
}

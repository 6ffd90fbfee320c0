import { createHash } from 'node:crypto';
import { EngineError } from '../../common/errors.ts';
import { readNameRecord } from '../../checkpoint/name-record.ts';
import type { FlinkSettings } from '../../settings/flink-settings.ts';
import type { BlobStore, Etag } from '../../storage/blob-store.ts';
import type { StoreSettings } from '../open-store.ts';
import { lostBundleError } from './dispatcher-errors.ts';
import { decodeJobRecord, encodeJobRecord, type JobRecord } from './job-record.ts';
import { writeRecord } from './write-record.ts';

/** A record, and its version for the next change. */
export interface StoredJob {
  readonly record: JobRecord;
  readonly etag: Etag;
}

const RECORDS = 'job-store/jobs';
const BUNDLES = 'job-store/bundles';

/**
 * The jobs that are to run, with their code, where they outlive every process. A job's code is there
 * before its record is, and goes after it.
 */
export class DurableJobs {
  readonly #store: BlobStore;
  readonly #own: FlinkSettings;

  /** @param own Settings of this process. */
  constructor(store: BlobStore, own: FlinkSettings) {
    this.#store = store;
    this.#own = own;
  }

  /** Keeps code under its hash. @throws {EngineError} `STO-…` */
  async keepBundle(code: Uint8Array): Promise<string> {
    const hash = createHash('sha256').update(code).digest('hex');
    const path = `${BUNDLES}/${hash}`;
    if ((await this.#store.create(path, code)) === 'taken') await this.bundle(hash);
    return hash;
  }

  /** @throws {EngineError} `JOB-036` (`corrupt`) if it is not there, or another one. */
  async bundle(hash: string): Promise<Uint8Array> {
    const path = `${BUNDLES}/${hash}`;
    const found = await this.#store.read(path);
    if (found !== undefined && createHash('sha256').update(found.bytes).digest('hex') === hash) {
      return found.bytes;
    }
    throw lostBundleError(`${this.#store.url}/${path}`);
  }

  /** Writes a new record. @throws {EngineError} `STO-…`; then it may be there or not. */
  add(record: JobRecord): Promise<StoredJob> {
    return this.#write(record, undefined);
  }

  /** Writes what has changed. @throws {EngineError} `STO-…`, `JOB-035` (`fenced`). */
  replace({ etag }: StoredJob, record: JobRecord): Promise<StoredJob> {
    return this.#write(record, etag);
  }

  /** Does nothing if it is gone. */
  async remove(submissionId: string): Promise<void> {
    await this.#store.delete([pathOf(submissionId)]);
  }

  /** @throws {EngineError} `STO-…`, `CHK-001` (`corrupt`), `CHK-002` (`invalid`). */
  async find(submissionId: string): Promise<StoredJob | undefined> {
    const path = pathOf(submissionId);
    const found = await this.#store.read(path);
    if (found === undefined) return undefined;
    const record = decodeJobRecord(found.bytes, `${this.#store.url}/${path}`, this.#own);
    return { record, etag: found.etag };
  }

  /** All records, the oldest first, and what is wrong with those that cannot be read. */
  async list(): Promise<{
    readonly jobs: readonly StoredJob[];
    readonly problems: readonly unknown[];
  }> {
    const jobs: StoredJob[] = [];
    const problems: unknown[] = [];
    for await (const { path } of this.#store.list(RECORDS)) {
      try {
        const found = await this.#store.read(path);
        if (found === undefined) continue;
        const record = decodeJobRecord(found.bytes, `${this.#store.url}/${path}`, this.#own);
        jobs.push({ record, etag: found.etag });
      } catch (error) {
        if (error instanceof EngineError && error.kind === 'unavailable') throw error;
        problems.push(error);
      }
    }
    jobs.sort((a, b) => a.record.atMs - b.record.atMs);
    return { jobs, problems };
  }

  /** Removes all code but this: what crashes left. Not beside a submission. */
  async sweepBundles(used: ReadonlySet<string>): Promise<void> {
    const unused: string[] = [];
    for await (const { path } of this.#store.list(BUNDLES)) {
      if (!used.has(path.slice(BUNDLES.length + 1))) unused.push(path);
    }
    await this.#store.delete(unused);
  }

  /** To be called when no record names it. */
  async removeBundle(hash: string): Promise<void> {
    await this.#store.delete([`${BUNDLES}/${hash}`]);
  }

  async #write(record: JobRecord, expected: Etag | undefined): Promise<StoredJob> {
    const path = pathOf(record.submissionId);
    const etag = await writeRecord(this.#store, path, encodeJobRecord(record), expected);
    return { record, etag };
  }
}

/**
 * Whether a job that has started is over, by what its checkpoint storage says: it ended just before its
 * record was to go, or another job has its name by now.
 */
export async function hasEnded(
  { started, submission }: JobRecord,
  openStore: (url: string, settings: StoreSettings) => BlobStore,
): Promise<boolean> {
  if (started === undefined) return false;
  const found = await readNameRecord(
    openStore(started.storageUrl, submission.flink),
    started.jobName,
  );
  return found?.record.jobId !== started.jobId || found.record.state !== 'running';
}

function pathOf(submissionId: string): string {
  return `${RECORDS}/${submissionId}`;
}

import { createHash } from 'node:crypto';
import { assert } from '../../common/assert.ts';
import { EngineError } from '../../common/errors.ts';
import { randomHex, type Random } from '../../common/random.ts';
import type { ClusterLeader } from '../../checkpoint/head.ts';
import { readNameRecord } from '../../checkpoint/name-record.ts';
import type { FlinkSettings } from '../../settings/flink-settings.ts';
import type { BlobStore } from '../../storage/blob-store.ts';
import { jobStoreBusyError, lostBundleError, storeTakenError } from './dispatcher-errors.ts';
import {
  encodeJobIndex,
  INDEX_PATH,
  readJobIndex,
  type FoundIndex,
  type IndexedJob,
  type JobIndex,
} from './job-index.ts';
import {
  decodeSubmittedJob,
  encodeSubmittedJob,
  type JobRecord,
  type JobStarted,
  type SubmittedJob,
} from './job-record.ts';

const RECORDS = 'job-store/jobs';
const BUNDLES = 'job-store/bundles';
const TRIES_MAX = 3;
/** The leader before may still be changing it; each time is a race lost. */
const TAKE_OVER_TRIES_MAX = 50;
const NONCE_LENGTH = 16;
/** The epoch of the leader that accepted it, and the submission. */
const MADE_BY = /^(\d+)-[0-9a-f]+$/;

export interface DurableJobsOptions {
  /** The cluster's folder. */
  readonly store: BlobStore;
  readonly random: Random;
  /** Settings of this process. */
  readonly own: FlinkSettings;
  /** For whom this process leads. */
  readonly leader: ClusterLeader;
}

/**
 * The jobs that are to run, with their code, where they outlive every process. A job is accepted when the
 * index names it; its code and record are there before that, and go after it.
 *
 * Always holds: once a later leader has taken the store over, every call of an earlier one that would change
 * which jobs run fails with `fenced` and changes nothing, and nothing that a later leader needs is removed.
 */
export class DurableJobs {
  readonly #options: DurableJobsOptions;
  readonly #store: BlobStore;
  #found: FoundIndex | undefined;
  /** The index is changed by one call at a time. */
  #last: Promise<unknown> = Promise.resolve();
  constructor(options: DurableJobsOptions) {
    this.#options = options;
    this.#store = options.store;
  }

  /**
   * Makes the store this leader's, and every earlier leader a fenced one. Before anything else.
   *
   * @throws {EngineError} `JOB-035` (`fenced`) if a later leader has it; `JOB-054`, `STO-…` (`unavailable`).
   */
  async takeOver(): Promise<void> {
    const { leader, random } = this.#options;
    const nonce = randomHex(random, NONCE_LENGTH);
    let cause: unknown;
    for (let tries = 0; tries < TAKE_OVER_TRIES_MAX; tries += 1) {
      try {
        const found = await readJobIndex(this.#store);
        if (found?.index.nonce === nonce) {
          this.#hold(found);
          return;
        }
        this.#requireNoLater(found?.index);
        const index = { leader, nonce, jobs: found?.index.jobs ?? [] };
        const etag = await this.#store.replaceIf(INDEX_PATH, encodeJobIndex(index), found?.etag);
        if (etag !== 'changed') {
          this.#hold({ index, etag });
          return;
        }
      } catch (error) {
        if (!isUnavailable(error)) throw error;
        cause = error;
        if (tries + 1 >= TRIES_MAX) break;
      }
    }
    // The last try may have succeeded with its answer lost.
    const found = await readJobIndex(this.#store);
    if (found?.index.nonce !== nonce) throw jobStoreBusyError(this.#urlOf(INDEX_PATH), cause);
    this.#hold(found);
  }

  /**
   * Accepts a job: it comes back until it is removed.
   *
   * @throws {EngineError} `STO-…`, `JOB-054` (`unavailable`): it may be accepted or not, so remove it.
   * @throws {EngineError} `JOB-035` (`fenced`)
   */
  async add(job: Omit<SubmittedJob, 'bundle'>, code: Uint8Array): Promise<JobRecord> {
    const { submissionId } = job;
    const bundle = hashOf(code);
    const name = this.#nameOf(submissionId);
    await this.#createOnce(`${BUNDLES}/${name}`, code);
    await this.#createOnce(`${RECORDS}/${name}`, encodeSubmittedJob({ ...job, bundle }));
    await this.#change((jobs) => [
      ...jobs.filter((one) => one.submissionId !== submissionId),
      { submissionId, files: name },
    ]);
    return { ...job, bundle, started: undefined };
  }

  /** Its tasks may run from now on. @throws {EngineError} as `add`. */
  async start({ submissionId }: SubmittedJob, started: JobStarted): Promise<void> {
    await this.#change((jobs) =>
      jobs.map((job) => (job.submissionId === submissionId ? { ...job, started } : job)),
    );
  }

  /** Does nothing if it is gone. @throws {EngineError} as `add`. */
  async remove(submissionId: string): Promise<void> {
    const name = this.#nameOf(submissionId);
    await this.#change((jobs) => jobs.filter((job) => job.submissionId !== submissionId));
    await this.#store.delete([`${RECORDS}/${name}`, `${BUNDLES}/${name}`]);
  }

  /** All jobs, the oldest first, and what is wrong with those that cannot be read. @throws {EngineError} as `add`. */
  async list(): Promise<{
    readonly jobs: readonly JobRecord[];
    readonly problems: readonly unknown[];
  }> {
    const jobs: JobRecord[] = [];
    const problems: unknown[] = [];
    for (const { files, started } of this.#held().index.jobs) {
      try {
        const job = await readSubmitted(this.#store, files, this.#options.own);
        if (job === undefined) throw await this.#lostError(`${RECORDS}/${files}`);
        jobs.push({ ...job, started });
      } catch (error) {
        if (error instanceof EngineError && error.kind !== 'corrupt' && error.kind !== 'invalid') {
          throw error;
        }
        problems.push(error);
      }
    }
    return { jobs, problems };
  }

  /** The job's code. @throws {EngineError} `JOB-036` (`corrupt`) if it is not there, or another one. */
  async bundle({ submissionId, bundle }: SubmittedJob): Promise<Uint8Array> {
    const name = this.#nameOf(submissionId);
    const code = await readCode(this.#store, name, bundle);
    if (code !== undefined) return code;
    throw await this.#lostError(`${BUNDLES}/${name}`);
  }

  /** Removes what crashes left. Not beside a submission. */
  async sweep(): Promise<void> {
    const { jobs } = this.#held().index;
    const used = new Set(jobs.map(({ files }) => files));
    const unused: string[] = [];
    for (const folder of [RECORDS, BUNDLES]) {
      for await (const { path } of this.#store.list(folder)) {
        // What a later leader makes is not ours to judge, though we may not know of it yet.
        const name = path.slice(folder.length + 1);
        const [, madeBy] = MADE_BY.exec(name) ?? [];
        if (Number(madeBy) <= this.#options.leader.epoch && !used.has(name)) unused.push(path);
      }
    }
    await this.#store.delete(unused);
  }

  /** A name is given once: a removal that takes effect late, or is another's, must not hit anything new. */
  #nameOf(submissionId: string): string {
    const { index } = this.#held();
    const indexed = index.jobs.find((job) => job.submissionId === submissionId);
    return indexed?.files ?? `${this.#options.leader.epoch}-${submissionId}`;
  }

  /** It may be gone because a later leader has removed it. @throws {EngineError} `JOB-035` (`fenced`) */
  async #lostError(path: string): Promise<EngineError> {
    await this.#reread();
    return lostBundleError(this.#urlOf(path));
  }

  async #createOnce(path: string, bytes: Uint8Array): Promise<void> {
    const stored = await this.#store.create(path, bytes).catch((error: unknown) => {
      if (isUnavailable(error)) return this.#store.create(path, bytes);
      throw error;
    });
    if (stored !== 'taken') return;
    const found = await this.#store.read(path);
    if (found === undefined || Buffer.compare(found.bytes, bytes) !== 0) {
      throw lostBundleError(this.#urlOf(path));
    }
  }

  #change(next: (jobs: readonly IndexedJob[]) => readonly IndexedJob[]): Promise<void> {
    const changed = this.#last.then(
      () => this.#swap(next),
      () => this.#swap(next),
    );
    this.#last = changed.catch(() => undefined);
    return changed;
  }

  /** `next` must lead to the same when it is applied to its own result: after a lost answer it is. */
  async #swap(next: (jobs: readonly IndexedJob[]) => readonly IndexedJob[]): Promise<void> {
    const nonce = randomHex(this.#options.random, NONCE_LENGTH);
    let cause: unknown;
    for (let tries = 0; tries < TRIES_MAX; tries += 1) {
      const { index: before, etag: expected } = this.#held();
      const index: JobIndex = { ...before, nonce, jobs: next(before.jobs) };
      try {
        const etag = await this.#store.replaceIf(INDEX_PATH, encodeJobIndex(index), expected);
        if (etag !== 'changed') {
          this.#hold({ index, etag });
          return;
        }
        const found = await this.#reread();
        if (found.index.nonce === nonce) return;
      } catch (error) {
        if (!isUnavailable(error)) throw error;
        cause = error;
      }
    }
    if ((await this.#reread()).index.nonce === nonce) return;
    throw jobStoreBusyError(this.#urlOf(INDEX_PATH), cause);
  }

  async #reread(): Promise<FoundIndex> {
    const found = await readJobIndex(this.#store);
    const { leader } = this.#options;
    const now = found?.index.leader;
    if (found === undefined || now?.leaseId !== leader.leaseId || now.epoch !== leader.epoch) {
      throw storeTakenError(this.#urlOf(INDEX_PATH), leader.epoch, now?.epoch);
    }
    this.#hold(found);
    return found;
  }

  #requireNoLater(index: JobIndex | undefined): void {
    const { leaseId, epoch } = this.#options.leader;
    if (index?.leader.leaseId !== leaseId || index.leader.epoch <= epoch) return;
    throw storeTakenError(this.#urlOf(INDEX_PATH), epoch, index.leader.epoch);
  }

  #held(): FoundIndex {
    assert(this.#found !== undefined, 'the store of jobs is taken over before it is used');
    return this.#found;
  }

  #hold(found: FoundIndex): void {
    this.#found = found;
  }

  #urlOf(path: string): string {
    return `${this.#store.url}/${path}`;
  }
}

async function readSubmitted(
  store: BlobStore,
  name: string,
  own: FlinkSettings,
): Promise<SubmittedJob | undefined> {
  const path = `${RECORDS}/${name}`;
  const found = await store.read(path);
  return found && decodeSubmittedJob(found.bytes, `${store.url}/${path}`, own);
}

/** Undefined if it is not there, or another one. */
async function readCode(
  store: BlobStore,
  name: string,
  hash: string,
): Promise<Uint8Array | undefined> {
  const found = await store.read(`${BUNDLES}/${name}`);
  return found !== undefined && hashOf(found.bytes) === hash ? found.bytes : undefined;
}

/** A job that runs under another leader. */
export interface LedElsewhere extends SubmittedJob {
  readonly code: Uint8Array;
}

/**
 * Jobs that run now, for who does not lead: the oldest first, at most so many. What has just gone is left out.
 *
 * @throws {EngineError} `STO-…` (`unavailable`), `CHK-001` (`corrupt`) …
 */
export async function jobsLedElsewhere(
  store: BlobStore,
  own: FlinkSettings,
  most: number,
): Promise<readonly LedElsewhere[]> {
  const indexed = (await readJobIndex(store))?.index.jobs ?? [];
  const jobs: LedElsewhere[] = [];
  for (const { files } of indexed.filter(({ started }) => started !== undefined).slice(0, most)) {
    const job = await readSubmitted(store, files, own);
    if (job === undefined) continue;
    const code = await readCode(store, files, job.bundle);
    if (code !== undefined) jobs.push({ ...job, code });
  }
  return jobs;
}

/**
 * Whether a job that has started is over, by what its checkpoint storage says: it ended just before its
 * record was to go, or another job has its name by now.
 */
export async function hasEnded(
  { started }: JobRecord,
  openStore: (url: string) => BlobStore,
): Promise<boolean> {
  if (started === undefined) return false;
  const found = await readNameRecord(openStore(started.storageUrl), started.jobName);
  return found?.record.jobId !== started.jobId || found.record.state !== 'running';
}

function hashOf(code: Uint8Array): string {
  return createHash('sha256').update(code).digest('hex');
}

function isUnavailable(error: unknown): boolean {
  return error instanceof EngineError && error.kind === 'unavailable';
}

import { createHash } from 'node:crypto';
import { EngineError } from '../../common/errors.ts';
import { readNameRecord } from '../../checkpoint/name-record.ts';
import type { FlinkSettings } from '../../settings/flink-settings.ts';
import type { BlobStore } from '../../storage/blob-store.ts';
import type { StoreSettings } from '../open-store.ts';
import { readJobIndex } from './job-index.ts';
import {
  decodeSubmittedJob,
  encodeSubmittedJob,
  type JobRecord,
  type JobStarted,
  type SubmittedJob,
} from './job-record.ts';
import { LedIndex, type LedIndexOptions } from './led-index.ts';
import { UpgradeRecords } from './upgrade-records.ts';

const RECORDS = 'job-store/jobs';
const BUNDLES = 'job-store/bundles';

export interface DurableJobsOptions extends LedIndexOptions {
  /** Settings of this process. */
  readonly own: FlinkSettings;
}

/**
 * The jobs that are to run, with their code, where they outlive every process, and the upgrades of them. A job is
 * accepted when the index names it; its code and record are there before that, and go after it.
 *
 * Always holds: once a later leader has taken the store over, every call of an earlier one that would change
 * which jobs run fails with `fenced` and changes nothing, and nothing that a later leader needs is removed.
 */
export class DurableJobs {
  readonly upgrades: UpgradeRecords;
  readonly #store: BlobStore;
  readonly #own: FlinkSettings;
  readonly #index: LedIndex;

  constructor(options: DurableJobsOptions) {
    const { store, own } = options;
    this.#store = store;
    this.#own = own;
    this.#index = new LedIndex(options);
    this.upgrades = new UpgradeRecords({ store, own, index: this.#index, random: options.random });
  }

  /**
   * Makes the store this leader's, and every earlier leader a fenced one. Before anything else.
   *
   * @throws {EngineError} `JOB-035` (`fenced`) if a later leader has it; `JOB-054`, `STO-…` (`unavailable`).
   */
  takeOver(): Promise<void> {
    return this.#index.takeOver();
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
    await this.#index.createOnce(`${BUNDLES}/${name}`, code);
    await this.#index.createOnce(`${RECORDS}/${name}`, encodeSubmittedJob({ ...job, bundle }));
    await this.#index.change(({ jobs }) => ({
      jobs: [
        ...jobs.filter((one) => one.submissionId !== submissionId),
        { submissionId, files: name },
      ],
    }));
    return { ...job, bundle, started: undefined };
  }

  /** Its tasks may run from now on. @throws {EngineError} as `add`. */
  async start({ submissionId }: SubmittedJob, started: JobStarted): Promise<void> {
    await this.#index.change(({ jobs }) => ({
      jobs: jobs.map((job) => (job.submissionId === submissionId ? { ...job, started } : job)),
    }));
  }

  /** Does nothing if it is gone. @throws {EngineError} as `add`. */
  async remove(submissionId: string): Promise<void> {
    const name = this.#nameOf(submissionId);
    await this.#index.change(({ jobs }) => ({
      jobs: jobs.filter((job) => job.submissionId !== submissionId),
    }));
    await this.#store.delete([`${RECORDS}/${name}`, `${BUNDLES}/${name}`]);
  }

  /** All jobs, the oldest first, and what is wrong with those that cannot be read. @throws {EngineError} as `add`. */
  async list(): Promise<{
    readonly jobs: readonly JobRecord[];
    readonly problems: readonly unknown[];
  }> {
    const jobs: JobRecord[] = [];
    const problems: unknown[] = [];
    for (const { submissionId } of this.#index.content.jobs) {
      try {
        const job = await this.find(submissionId);
        if (job !== undefined) jobs.push(job);
      } catch (error) {
        if (error instanceof EngineError && error.kind !== 'corrupt' && error.kind !== 'invalid') {
          throw error;
        }
        problems.push(error);
      }
    }
    return { jobs, problems };
  }

  /**
   * @returns Undefined if no such job is accepted.
   * @throws {EngineError} `STO-…`, `CHK-001`, `JOB-036` (`corrupt`), `CHK-002` (`invalid`), `JOB-035` (`fenced`).
   */
  async find(submissionId: string): Promise<JobRecord | undefined> {
    const indexed = this.#index.content.jobs.find((job) => job.submissionId === submissionId);
    if (indexed === undefined) return undefined;
    const job = await readSubmitted(this.#store, indexed.files, this.#own);
    if (job === undefined) throw await this.#index.lostError(`${RECORDS}/${indexed.files}`);
    return { ...job, started: indexed.started };
  }

  /** The job's code. @throws {EngineError} `JOB-036` (`corrupt`) if it is not there, or another one. */
  async bundle({
    submissionId,
    bundle,
  }: Pick<SubmittedJob, 'submissionId' | 'bundle'>): Promise<Uint8Array> {
    const name = this.#nameOf(submissionId);
    const code = await readCode(this.#store, name, bundle);
    if (code !== undefined) return code;
    throw await this.#index.lostError(`${BUNDLES}/${name}`);
  }

  /** Removes what crashes left. Not beside a submission. */
  async sweep(): Promise<void> {
    const used = new Set(this.#index.content.jobs.map(({ files }) => files));
    for (const folder of [RECORDS, BUNDLES]) {
      await this.#store.delete(await this.#index.unused(folder, used));
    }
    await this.upgrades.sweep();
  }

  #nameOf(submissionId: string): string {
    const { jobs } = this.#index.content;
    const indexed = jobs.find((job) => job.submissionId === submissionId);
    return indexed?.files ?? this.#index.nameOf(submissionId);
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
  { started, submission }: JobRecord,
  openStore: (url: string, settings: StoreSettings) => BlobStore,
): Promise<boolean> {
  if (started === undefined) return false;
  const store = openStore(started.storageUrl, submission.flink);
  const found = await readNameRecord(store, started.jobName);
  return found?.record.jobId !== started.jobId || found.record.state !== 'running';
}

function hashOf(code: Uint8Array): string {
  return createHash('sha256').update(code).digest('hex');
}

/**
 * What became of the last job of a name: what decides whether a new submission resumes.
 * docs/formats/layout.md, section "by-name".
 *
 * Always holds: it changes only by compare-and-swap, and an end is written only by the epoch that
 * the record names: a fenced JobManager cannot end the job of the one that took over.
 */
import { EngineError } from '../common/errors.ts';
import { randomHex, type Random } from '../common/random.ts';
import type { BlobStore, Etag } from '../storage/blob-store.ts';
import { nameRecordPath, NAMES } from './checkpoint-layout.ts';
import { headBusyError, submittedTwiceError } from './errors.ts';
import { decodeFramed, encodeFramed, type Versioned } from './framed-json.ts';
import type { JobEnd } from './retention.ts';

export interface NameRecord {
  readonly jobName: string;
  readonly jobId: string;
  readonly lineage: string;
  readonly epoch: number;
  /** `running` also says of a job that crashed: nobody was left to write anything else. */
  readonly state: 'running' | JobEnd;
  /** The savepoint that it was stopped with. */
  readonly savepointUrl?: string;
  /** A rollback that has begun and is not done: until then nothing may start from what is there. */
  readonly rollback?: RollbackMark;
  /** Wall time of the last change. */
  readonly atMs: number;
  readonly nonce: string;
}

/** What a rollback goes back to. */
export interface RollbackMark {
  readonly checkpointId: number;
  /** Of the checkpoint, for people. */
  readonly url: string;
}

const NAME_FORMAT = 1;
const TRIES_MAX = 3;

/** @throws {EngineError} `CHK-001` (`corrupt`), `CHK-002` (`invalid`). */
export async function readNameRecord(
  store: BlobStore,
  jobName: string,
): Promise<{ readonly record: NameRecord; readonly etag: Etag } | undefined> {
  const path = nameRecordPath(jobName);
  const found = await store.read(path);
  if (found === undefined) return undefined;
  const options = { kind: 'job-name', path: `${store.url}/${path}`, reader: NAME_FORMAT };
  const record = decodeFramed(found.bytes, options) as Versioned & NameRecord;
  return { record, etag: found.etag };
}

/** Of all names in a storage. @throws {EngineError} `CHK-001` (`corrupt`), `CHK-002` (`invalid`). */
export async function allNameRecords(store: BlobStore): Promise<readonly NameRecord[]> {
  const records: NameRecord[] = [];
  for await (const { path } of store.list(NAMES)) {
    const found = await store.read(path);
    if (found === undefined) continue;
    const options = { kind: 'job-name', path: `${store.url}/${path}`, reader: NAME_FORMAT };
    records.push(decodeFramed(found.bytes, options) as Versioned & NameRecord);
  }
  return records;
}

export interface NameRecordOptions {
  readonly store: BlobStore;
  readonly random: Random;
}

/**
 * The name is this job's from now on. To be called by its leader before any task starts. A process
 * that was frozen between its decision and this call must not begin a run that was not meant any more.
 *
 * @param decidedOn The nonce of the record that was decided on; undefined: there was none.
 * @throws {EngineError} `CHK-013` (`fenced`) if the record is another one by now.
 * @throws {EngineError} `CHK-007` (`unavailable`).
 */
export async function claimName(
  options: NameRecordOptions,
  claim: Omit<NameRecord, 'state' | 'nonce' | 'savepointUrl'>,
  decidedOn: string | undefined,
): Promise<void> {
  await moveNameRecord(options, claim.jobName, (before) => {
    requireSame(`${options.store.url}/${nameRecordPath(claim.jobName)}`, before, decidedOn);
    return { ...claim, state: 'running' };
  });
}

/** @throws {EngineError} `CHK-013` (`fenced`) if the record is not the one that was decided on. */
export async function requireUnclaimed(
  store: BlobStore,
  jobName: string,
  decidedOn: string | undefined,
): Promise<void> {
  const { record } = (await readNameRecord(store, jobName)) ?? {};
  requireSame(`${store.url}/${nameRecordPath(jobName)}`, record, decidedOn);
}

function requireSame(
  path: string,
  before: NameRecord | undefined,
  decidedOn: string | undefined,
): void {
  if (before?.nonce === decidedOn) return;
  throw submittedTwiceError(path, before === undefined ? 'none' : before.jobId);
}

/**
 * How the job ended. Does nothing if the name is another's, or a later epoch's, by now.
 *
 * @throws {EngineError} `CHK-007` (`unavailable`): whether it ended is not yet known to others.
 */
export async function endName(
  options: NameRecordOptions,
  end: Omit<NameRecord, 'nonce' | 'state'> & { readonly state: JobEnd },
): Promise<void> {
  await moveNameRecord(options, end.jobName, (before) =>
    before?.jobId === end.jobId && before.epoch === end.epoch ? end : undefined,
  );
}

/**
 * The job is being rolled back, or, without a mark, has been: then it goes on from its latest checkpoint
 * like one that failed.
 *
 * @throws {EngineError} `CHK-013` (`fenced`) if the name is another job's by now.
 * @throws {EngineError} `CHK-007` (`unavailable`).
 */
export async function markRollback(
  options: NameRecordOptions,
  job: Pick<NameRecord, 'jobName' | 'jobId' | 'epoch' | 'atMs'>,
  rollback: RollbackMark | undefined,
): Promise<void> {
  await moveNameRecord(options, job.jobName, (before) => {
    if (before?.jobId !== job.jobId) {
      const path = `${options.store.url}/${nameRecordPath(job.jobName)}`;
      throw submittedTwiceError(path, before?.jobId ?? 'none');
    }
    const { rollback: _done, savepointUrl: _left, ...kept } = before;
    const { epoch, atMs } = job;
    return { ...kept, epoch, atMs, state: 'failed', ...(rollback && { rollback }) };
  });
}

async function moveNameRecord(
  options: NameRecordOptions,
  jobName: string,
  next: (before: NameRecord | undefined) => Omit<NameRecord, 'nonce'> | undefined,
): Promise<void> {
  const { store, random } = options;
  const path = nameRecordPath(jobName);
  const nonce = randomHex(random, 16);
  let cause: unknown;
  for (let tries = 0; tries < TRIES_MAX; tries += 1) {
    try {
      const found = await readNameRecord(store, jobName);
      if (found?.record.nonce === nonce) return;
      const record = next(found?.record);
      if (record === undefined) return;
      const versions = { formatVersion: NAME_FORMAT, minReader: NAME_FORMAT };
      const bytes = encodeFramed('job-name', { ...versions, ...record, nonce } as Versioned);
      if ((await store.replaceIf(path, bytes, found?.etag)) !== 'changed') return;
    } catch (error) {
      if (!(error instanceof EngineError && error.kind === 'unavailable')) throw error;
      cause = error;
    }
  }
  const found = await readNameRecord(store, jobName);
  if (found?.record.nonce !== nonce) throw headBusyError(`${store.url}/${path}`, TRIES_MAX, cause);
}

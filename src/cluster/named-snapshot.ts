import { readHead } from '../checkpoint/head.ts';
import { findSnapshot } from '../checkpoint/metadata.ts';
import { readNameRecord, type NameRecord } from '../checkpoint/name-record.ts';
import { noSnapshotError } from '../checkpoint/snapshot-errors.ts';
import { newestSavepoint, type SnapshotSummary } from '../checkpoint/snapshot-list.ts';
import {
  locate,
  locateSnapshot,
  type LocatedSnapshot,
  type SnapshotStores,
} from '../checkpoint/snapshot-path.ts';
import type { BlobStore } from '../storage/blob-store.ts';

export interface SnapshotsOfJob extends SnapshotStores {
  readonly jobName: string;
  /** Where savepoints go that name no directory. Default: the job's storage. */
  readonly savepointDirectory: string | undefined;
}

/**
 * What `-s` names.
 *
 * @throws {EngineError} `CHK-020` (`invalid`), `CHK-006` (`corrupt`) if there is none; `CHK-001`, `CHK-002`, `STO-…`.
 */
export async function findNamed(options: SnapshotsOfJob, path: string): Promise<LocatedSnapshot> {
  if (path === 'latest') return findLatest(options);
  const folder = /^(?:(.*)\/)?savepoint-latest\/?$/.exec(path);
  if (folder === null) return locateSnapshot(options, path);
  const newest = await newestIn(options, folder[1]);
  if (newest === undefined) throw noSnapshotError(options.jobName, path);
  return locateSnapshot(options, newest.url);
}

/** Where savepoints go that name no directory. */
export function savepointStoreOf({
  store,
  openStore,
  savepointDirectory,
}: SnapshotsOfJob): BlobStore {
  return savepointDirectory === undefined ? store : openStore(savepointDirectory);
}

/**
 * The newest of the job's savepoints where those go by default, of what its last run has retained, and of what
 * that one was stopped with, wherever it is.
 */
async function findLatest(options: SnapshotsOfJob): Promise<LocatedSnapshot> {
  const { store, jobName, savepointDirectory } = options;
  const savepoint = await newestIn(options, undefined);
  const known = await readNameRecord(store, jobName);
  const head = known && (await readHead(store, known.record.jobId))?.head;
  const retained = head?.checkpoints.at(-1);
  const newest =
    retained !== undefined && retained.completedMs > (savepoint?.completedMs ?? -Infinity)
      ? retained
      : savepoint;
  const stopped = await stoppedWith(options, known?.record);
  const newestMs = newest?.completedMs ?? -Infinity;
  if (stopped !== undefined && stopped.found.metadata.completedMs > newestMs) return stopped;
  if (newest === undefined) throw noSnapshotError(jobName, savepointDirectory ?? store.url);
  return locateSnapshot(options, newest.url);
}

/** Undefined if it was not stopped with one, or that was disposed of. */
async function stoppedWith(
  stores: SnapshotStores,
  record: NameRecord | undefined,
): Promise<LocatedSnapshot | undefined> {
  if (record?.savepointUrl === undefined) return undefined;
  const { target, location } = locate(stores, record.savepointUrl);
  const found = await findSnapshot(target, location.folder);
  return found && { found, location };
}

/** @param directory As the user gave it; undefined: the one of the settings. */
async function newestIn(
  options: SnapshotsOfJob,
  directory: string | undefined,
): Promise<SnapshotSummary | undefined> {
  const { jobName } = options;
  if (directory !== undefined && directory !== '') {
    const { target, location } = locate(options, `${directory}/_`);
    const folder = location.folder.replace(/\/?_$/, '');
    return newestSavepoint(target, folder, jobName);
  }
  return newestSavepoint(savepointStoreOf(options), '', jobName);
}

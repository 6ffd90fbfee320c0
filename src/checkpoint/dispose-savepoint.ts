import { discardSnapshot } from './garbage-collection.ts';
import { readHead } from './head.ts';
import { notASavepointError, pinnedError, snapshotInUseError } from './snapshot-errors.ts';
import { jobsOf } from './snapshot-list.ts';
import { locateSnapshot, storeOf, type SnapshotStores } from './snapshot-path.ts';

/**
 * Removes a savepoint: `_metadata` first, so that it is no more, then its files.
 *
 * @param stores The storage of the jobs' checkpoints: the savepoint may be what one of them would go back to.
 * @param path As for `-s`.
 * @param options `force`: also if it is pinned.
 * @returns Its URL.
 * @throws {EngineError} `CHK-006` (`corrupt`) if there is nothing, `CHK-021` (`invalid`) if it is no savepoint.
 * @throws {EngineError} `CHK-022` (`invalid`) if it is pinned, `CHK-023` if a job would be restored from it.
 * @throws {EngineError} `STO-001` (`unavailable`); calling it again goes on.
 */
export async function disposeSavepoint(
  stores: SnapshotStores,
  path: string,
  { force = false }: { readonly force?: boolean } = {},
): Promise<string> {
  const { found, location } = await locateSnapshot(stores, path);
  const { url, metadata } = found;
  if (metadata.kind !== 'savepoint') throw notASavepointError(url, metadata.kind);
  if (metadata.pin === true && !force) throw pinnedError(url, metadata.label);
  const user = await userOf(stores, url);
  if (user !== undefined) throw snapshotInUseError(url, user);
  await discardSnapshot(storeOf(location, stores), location.folder);
  return url;
}

/** The job that a failure, or the resume rule, would bring back to this snapshot. */
async function userOf({ store }: SnapshotStores, url: string): Promise<string | undefined> {
  for (const jobId of await jobsOf(store)) {
    const { head } = (await readHead(store, jobId)) ?? {};
    if (head === undefined || (head.ended !== undefined && head.ended !== 'failed')) continue;
    if (head.checkpoints.at(-1)?.url === url) return jobId;
  }
  return undefined;
}

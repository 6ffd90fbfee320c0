import { jobPaths } from '../checkpoint/checkpoint-layout.ts';
import { readHead, readRetained, type HeadCheckpoint } from '../checkpoint/head.ts';
import { findSnapshot, type FoundSnapshot } from '../checkpoint/metadata.ts';
import { readNameRecord } from '../checkpoint/name-record.ts';
import { listSnapshots } from '../checkpoint/snapshot-list.ts';
import { cutSnapshotPath } from '../checkpoint/snapshot-path.ts';
import type { BlobStore } from '../storage/blob-store.ts';
import type { OpenStore } from './open-store.ts';

/** A snapshot, with the store that its paths are relative to. */
export interface StoredSnapshot {
  readonly store: BlobStore;
  readonly found: FoundSnapshot;
}

/**
 * The snapshot in a folder, or, for `…/latest`, the newest one in the folder around, for `…/savepoint-latest` the
 * newest savepoint. Undefined if there is none.
 *
 * @param url A URL or an absolute path.
 * @throws {EngineError} `CHK-001` (`corrupt`), `CHK-002` (`invalid`), `JOB-001` (`invalid`), `STO-…`.
 */
export async function snapshotAt(
  url: string,
  openStore: OpenStore,
): Promise<StoredSnapshot | undefined> {
  const around = /^(.*)\/(savepoint-)?latest\/*$/.exec(url);
  const at =
    around === null ? url : await newestIn(around[1] ?? '', around[2] !== undefined, openStore);
  if (at === undefined) return undefined;
  const { root, folder } = cutSnapshotPath(at);
  const store = openStore(root);
  const found = await findSnapshot(store, folder);
  return found && { store, found };
}

async function newestIn(
  folder: string,
  savepointsOnly: boolean,
  openStore: OpenStore,
): Promise<string | undefined> {
  const { snapshots } = await listSnapshots(openStore(folder));
  const fits = snapshots.filter(
    ({ kind, complete }) => complete && (!savepointsOnly || kind === 'savepoint'),
  );
  return fits[0]?.url;
}

/**
 * The latest checkpoint of a job, by its name, its id, or the beginning of its id. Undefined if there is no
 * such job in the storage, or no checkpoint of it.
 */
export async function latestOfJob(
  job: string,
  store: BlobStore,
  openStore: OpenStore,
): Promise<StoredSnapshot | undefined> {
  const named = await readNameRecord(store, job);
  const jobId = named?.record.jobId ?? (await jobIdOf(job, store));
  if (jobId === undefined) return undefined;
  for (let last = await latestIn(store, jobId); last !== undefined;) {
    const { storeUrl } = last.location;
    const own = storeUrl === undefined ? store : openStore(storeUrl);
    try {
      return { store: own, found: await readRetained(own, last) };
    } catch (error) {
      // A job that runs may have completed another one meanwhile, and removed this one.
      const next = await latestIn(store, jobId);
      if (next?.checkpointId === last.checkpointId) throw error;
      last = next;
    }
  }
  return undefined;
}

async function latestIn(store: BlobStore, jobId: string): Promise<HeadCheckpoint | undefined> {
  return (await readHead(store, jobId))?.head.checkpoints.at(-1);
}

const JOB_ID_CHARS = 32;

async function jobIdOf(given: string, store: BlobStore): Promise<string | undefined> {
  if (!/^[0-9a-f]{4,32}$/.test(given)) return undefined;
  if (given.length === JOB_ID_CHARS) return given;
  const found = new Set<string>();
  for await (const { path } of store.list('')) {
    const [folder = ''] = path.split('/');
    if (folder.startsWith(given) && path === jobPaths(folder).head) found.add(folder);
  }
  const [only] = found;
  return found.size === 1 ? only : undefined;
}

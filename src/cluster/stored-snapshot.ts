import { jobPaths, METADATA_NAME } from '../checkpoint/checkpoint-layout.ts';
import { readHead, readRetained } from '../checkpoint/head.ts';
import { findSnapshot, type FoundSnapshot } from '../checkpoint/metadata.ts';
import { readNameRecord } from '../checkpoint/name-record.ts';
import { EngineError } from '../common/errors.ts';
import type { BlobStore } from '../storage/blob-store.ts';
import type { OpenStore } from './open-store.ts';

/** A snapshot, with the store that its paths are relative to. */
export interface StoredSnapshot {
  readonly store: BlobStore;
  readonly found: FoundSnapshot;
}

/**
 * The snapshot in a folder, or, for `…/latest` and `…/savepoint-latest`, the newest one in the folder around.
 * Undefined if there is none.
 *
 * @param url A URL or an absolute path.
 * @throws {EngineError} `CHK-001` (`corrupt`), `CHK-002` (`invalid`), `JOB-001` (`invalid`), `STO-…`.
 */
export async function snapshotAt(
  url: string,
  openStore: OpenStore,
): Promise<StoredSnapshot | undefined> {
  const clean = url.replace(/\/+$/, '').replace(new RegExp(`/${METADATA_NAME}$`), '');
  const [around, name] = cut(clean);
  if (name === 'latest' || name === 'savepoint-latest') return newestIn(around, openStore);
  // A checkpoint's files are named from the folder that its job's folder is in, a savepoint's from its own.
  const [root, job] = cut(around);
  const isCheckpoint = /^chk-\d+$/.test(name);
  const store = openStore(isCheckpoint ? root : around);
  const found = await findSnapshot(store, isCheckpoint ? `${job}/${name}` : name);
  return found && { store, found };
}

function cut(path: string): readonly [string, string] {
  const at = path.lastIndexOf('/');
  return [path.slice(0, at), path.slice(at + 1)];
}

async function newestIn(folder: string, openStore: OpenStore): Promise<StoredSnapshot | undefined> {
  let newest: StoredSnapshot | undefined;
  for await (const { stored } of snapshotsIn(folder, openStore)) {
    const { completedMs } = stored?.found.metadata ?? {};
    if (completedMs === undefined) continue;
    if (completedMs > (newest?.found.metadata.completedMs ?? -Infinity)) newest = stored;
  }
  return newest;
}

export interface ListedSnapshot {
  readonly url: string;
  /** Undefined: its `_metadata` cannot be read. */
  readonly stored: StoredSnapshot | undefined;
  readonly error: EngineError | undefined;
}

/** All savepoints and checkpoints that lie directly in a folder. */
export async function* snapshotsIn(
  folder: string,
  openStore: OpenStore,
): AsyncIterable<ListedSnapshot> {
  const clean = folder.replace(/\/+$/, '');
  const store = openStore(clean);
  for await (const { path } of store.list('')) {
    if (!/^(savepoint-[^/]+|chk-\d+)\/_metadata$/.test(path)) continue;
    const url = `${clean}/${cut(path)[0]}`;
    try {
      const stored = await snapshotAt(url, openStore);
      // It may have gone since it was listed.
      if (stored !== undefined) yield { url, stored, error: undefined };
    } catch (error) {
      if (!(error instanceof EngineError) || error.kind === 'unavailable') throw error;
      yield { url, stored: undefined, error };
    }
  }
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
  const head = jobId === undefined ? undefined : await readHead(store, jobId);
  const latest = head?.head.checkpoints.at(-1);
  if (latest === undefined) return undefined;
  const { storeUrl } = latest.location;
  const own = storeUrl === undefined ? store : openStore(storeUrl);
  return { store: own, found: await readRetained(own, latest) };
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

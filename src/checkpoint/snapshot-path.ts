import type { BlobStore } from '../storage/blob-store.ts';
import type { SnapshotLocation } from './coordinator-types.ts';
import { missingFileError } from './errors.ts';
import { findSnapshot, type FoundSnapshot } from './metadata.ts';

/** Where snapshots are looked for: in the job's storage, and in those of other URLs. */
export interface SnapshotStores {
  readonly store: BlobStore;
  readonly openStore: (url: string) => BlobStore;
}

export interface LocatedSnapshot {
  readonly found: FoundSnapshot;
  readonly location: SnapshotLocation;
}

/**
 * The storage in which a snapshot's folder is, and its path there.
 *
 * @param path A URL or an absolute path, of the folder or of its `_metadata`.
 */
export function cutSnapshotPath(path: string): { readonly root: string; readonly folder: string } {
  const names = cleanPath(path).split('/');
  // A checkpoint's files are named from the folder that its job's folder is in, a savepoint's from its own.
  const depth = /^chk-\d+$/.test(names.at(-1) ?? '') ? 2 : 1;
  return { root: names.slice(0, -depth).join('/'), folder: names.slice(-depth).join('/') };
}

function cleanPath(path: string): string {
  return path.replace(/\/+$/, '').replace(/\/_metadata$/, '');
}

/** A folder as users name it: a URL, an absolute path, or a path in the job's storage. */
export function locate(
  { store, openStore }: SnapshotStores,
  path: string,
): { readonly target: BlobStore; readonly location: SnapshotLocation } {
  const clean = cleanPath(path);
  const root = store.url.replace(/\/+$/, '');
  const inside = clean.startsWith(`${root}/`)
    ? clean.slice(root.length + 1)
    : /^(\/|[a-z0-9]+:)/.test(clean)
      ? undefined
      : clean;
  if (inside !== undefined) {
    return { target: store, location: { storeUrl: undefined, folder: inside } };
  }
  const { root: around, folder } = cutSnapshotPath(clean);
  const target = openStore(around);
  // The job's own storage by another name, such as s3a:// for s3://, stays its own.
  return target.url === store.url
    ? { target: store, location: { storeUrl: undefined, folder } }
    : { target, location: { storeUrl: target.url, folder } };
}

/**
 * The snapshot at a path, whatever it is.
 *
 * @throws {EngineError} `CHK-006` (`corrupt`) if there is none, `CHK-001`, `CHK-002` if it cannot be read.
 */
export async function locateSnapshot(
  stores: SnapshotStores,
  path: string,
): Promise<LocatedSnapshot> {
  const { target, location } = locate(stores, path);
  const found = await findSnapshot(target, location.folder);
  if (found === undefined) throw missingFileError(`${target.url}/${location.folder}/_metadata`);
  return { found, location };
}

export function storeOf(
  { storeUrl }: SnapshotLocation,
  { store, openStore }: SnapshotStores,
): BlobStore {
  return storeUrl === undefined ? store : openStore(storeUrl);
}

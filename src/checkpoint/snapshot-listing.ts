/** Finding savepoints in a directory, for `-s latest`, listings and the retention rules. */
import { EngineError } from '../common/errors.ts';
import type { BlobStore } from '../storage/blob-store.ts';
import { METADATA_NAME } from './checkpoint-layout.ts';
import { findSnapshot, type FoundSnapshot } from './metadata.ts';

export interface ListedSavepoint {
  readonly folder: string;
  /** Undefined if its metadata cannot be read; `problem` says why. */
  readonly snapshot: FoundSnapshot | undefined;
  readonly problem: EngineError | undefined;
  /** Of all blobs in its folder. */
  readonly sizeBytes: number;
  readonly modifiedMs: number;
}

/**
 * All savepoints directly under a directory, newest first. One without `_metadata` does not exist.
 *
 * @throws {EngineError} `STO-001` (`unavailable`).
 */
export async function listSavepoints(
  store: BlobStore,
  directory: string,
): Promise<readonly ListedSavepoint[]> {
  const parent = directory === '' ? '' : `${directory.replace(/\/+$/, '')}/`;
  const folders = new Map<string, { sizeBytes: number; modifiedMs: number | undefined }>();
  for await (const { path, sizeBytes, modifiedMs } of store.list(parent)) {
    const [name = '', file, ...deeper] = path.slice(parent.length).split('/');
    if (!name.startsWith('savepoint-') || file === undefined) continue;
    const folder = folders.get(name) ?? { sizeBytes: 0, modifiedMs: undefined };
    folder.sizeBytes += sizeBytes;
    if (file === METADATA_NAME && deeper.length === 0) folder.modifiedMs = modifiedMs;
    folders.set(name, folder);
  }
  const listed: ListedSavepoint[] = [];
  for (const [name, { sizeBytes, modifiedMs }] of folders) {
    if (modifiedMs === undefined) continue;
    const folder = `${parent}${name}`;
    listed.push({ folder, sizeBytes, modifiedMs, ...(await inspect(store, folder)) });
  }
  return listed.sort((a, b) => newestMs(b) - newestMs(a));
}

/** The newest complete one that can be read. */
export async function findNewestSavepoint(
  store: BlobStore,
  directory: string,
): Promise<FoundSnapshot | undefined> {
  const listed = await listSavepoints(store, directory);
  return listed.find(({ snapshot }) => snapshot !== undefined)?.snapshot;
}

function newestMs({ snapshot, modifiedMs }: ListedSavepoint): number {
  return snapshot?.metadata.completedMs ?? modifiedMs;
}

async function inspect(
  store: BlobStore,
  folder: string,
): Promise<Pick<ListedSavepoint, 'snapshot' | 'problem'>> {
  try {
    return { snapshot: await findSnapshot(store, folder), problem: undefined };
  } catch (error) {
    if (error instanceof EngineError && error.kind !== 'unavailable') {
      return { snapshot: undefined, problem: error };
    }
    throw error;
  }
}

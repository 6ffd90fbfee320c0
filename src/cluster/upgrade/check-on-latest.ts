import { readHead } from '../../checkpoint/head.ts';
import { readSnapshot, type FoundSnapshot } from '../../checkpoint/metadata.ts';
import { EngineError } from '../../common/errors.ts';
import type { BlobStore } from '../../storage/blob-store.ts';

/** A job that runs may replace its checkpoint while that is read. */
const TRIES_MAX = 10;

/**
 * Does something with a snapshot, or with the latest one of a job: again with a newer one if it was removed meanwhile.
 *
 * @throws {EngineError} what `work` throws; `CHK-006` (`corrupt`) if there is no snapshot.
 */
export async function checkOnLatest<T>(
  store: BlobStore,
  snapshot: { readonly folder: string } | { readonly jobId: string },
  work: (found: FoundSnapshot) => Promise<T>,
): Promise<T> {
  if ('folder' in snapshot) return work(await readSnapshot(store, snapshot.folder));
  const { jobId } = snapshot;
  for (let tries = 1; ; tries += 1) {
    const folder = await latestFolder(store, jobId);
    try {
      return await work(await readSnapshot(store, folder));
    } catch (error) {
      const isGone = error instanceof EngineError && error.kind === 'corrupt';
      if (!isGone || tries >= TRIES_MAX) throw error;
      if ((await latestFolder(store, jobId)) === folder) throw error;
    }
  }
}

async function latestFolder(store: BlobStore, jobId: string): Promise<string> {
  const found = await readHead(store, jobId);
  return found?.head.checkpoints.at(-1)?.location.folder ?? `${jobId}/chk-0`;
}

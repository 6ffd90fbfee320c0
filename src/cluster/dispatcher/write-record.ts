import { EngineError } from '../../common/errors.ts';
import type { BlobStore, Etag } from '../../storage/blob-store.ts';

const TRIES_MAX = 3;

/**
 * Writes a record of the store of jobs. A write whose answer is lost is found by its content.
 *
 * @param expected The version that it replaces; undefined: there is none.
 * @throws {EngineError} `STO-…`; then it may be there or not. `JOB-035` (`fenced`) if another one wrote it.
 */
export async function writeRecord(
  store: BlobStore,
  path: string,
  bytes: Uint8Array,
  expected: Etag | undefined,
): Promise<Etag> {
  for (let tries = 1; ; tries += 1) {
    try {
      const etag = await store.replaceIf(path, bytes, expected);
      if (etag !== 'changed') return etag;
      const found = await store.read(path);
      if (found !== undefined && Buffer.compare(found.bytes, bytes) === 0) return found.etag;
      throw new EngineError('JOB-035', 'fenced', 'another JobManager has the job', {
        details: { record: `${store.url}/${path}` },
        hint: 'Stop this service, or the other one: two of them must not share high-availability.storageDir.',
      });
    } catch (error) {
      const mayHelp = error instanceof EngineError && error.kind === 'unavailable';
      if (!mayHelp || tries >= TRIES_MAX) throw error;
    }
  }
}

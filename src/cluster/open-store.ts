import { EngineError } from '../common/errors.ts';
import type { World } from '../contracts/source.ts';
import type { BlobStore } from '../storage/blob-store.ts';
import { FileBlobStore } from '../storage/file-blob-store.ts';

/**
 * The checkpoint storage at a URL, or in a folder.
 *
 * @throws {EngineError} `JOB-001` (`invalid`) for a scheme that this release has no store for.
 */
export function openStore(url: string, { fs, random }: Pick<World, 'fs' | 'random'>): BlobStore {
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(url)?.[1]?.toLowerCase();
  if (scheme === undefined) return new FileBlobStore(fs, url, random);
  if (scheme === 'file') {
    const path = decodeURI(url.replace(/^file:(\/\/[^/]*)?/i, ''));
    return new FileBlobStore(fs, path, random);
  }
  throw new EngineError('JOB-001', 'invalid', 'there is no storage for this kind of URL', {
    details: { url },
    hint: 'Use a file:// URL or a folder for execution.checkpointing.dir; s3:// and hdfs:// are not built yet.',
  });
}

import { EngineError } from '../common/errors.ts';
import type { FileSystem } from '../common/file-system.ts';
import { nodeFileSystem } from '../common/node-file-system.ts';
import type { World } from '../contracts/source.ts';
import type { BlobStore } from '../storage/blob-store.ts';
import { boundedFileSystem } from '../storage/bounded-file-system.ts';
import { FileBlobStore } from '../storage/file-blob-store.ts';
import { S3BlobStore } from '../storage/s3/s3-blob-store.ts';
import { connectionOf } from '../storage/s3/s3-client.ts';
import { s3SettingsOf, type S3Settings } from '../storage/s3/s3-settings.ts';

/** How stores are reached, and how long they are waited for: a part of the engine's settings. Plain data. */
export interface StoreSettings extends S3Settings {
  /** Without it a folder is waited for, however long it takes. */
  readonly fileAnswerTimeoutMs?: number;
}

/** Opens the store at a URL. */
export type OpenStore = (url: string) => BlobStore;

/** The part of the settings that stores need: no more than that goes to other threads and processes. */
export function storeSettingsOf(settings: StoreSettings): StoreSettings {
  const { fileAnswerTimeoutMs } = settings;
  return {
    ...s3SettingsOf(settings),
    ...(fileAnswerTimeoutMs !== undefined && { fileAnswerTimeoutMs }),
  };
}

/** What opens the stores of one job, or of one command. */
export function storeOpener(world: World, settings: StoreSettings): OpenStore {
  const own = storeSettingsOf(settings);
  return (url) => openStore(url, world, own);
}

/**
 * The checkpoint storage at a URL, or in a folder. Nothing is asked of it before something is read or written.
 *
 * @throws {EngineError} `JOB-001` (`invalid`) for a scheme that this release has no store for; `STO-026`.
 */
export function openStore(url: string, world: World, settings: StoreSettings): BlobStore {
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(url)?.[1]?.toLowerCase();
  switch (scheme) {
    case undefined:
      return new FileBlobStore(filesOf(world, settings), url, world.random);
    case 'file': {
      const path = decodeURI(url.replace(/^file:(\/\/[^/]*)?/i, ''));
      return new FileBlobStore(filesOf(world, settings), path, world.random);
    }
    case 's3':
    case 's3a':
    case 's3n':
      return new S3BlobStore(connectionOf(settings, world), url);
    default:
      throw new EngineError('JOB-001', 'invalid', 'there is no storage for this kind of URL', {
        details: { url },
        hint: 'Use s3://bucket/folder, a file:// URL or a folder for execution.checkpointing.dir; hdfs:// is not built yet.',
      });
  }
}

function filesOf({ fs, clock }: World, { fileAnswerTimeoutMs }: StoreSettings): FileSystem {
  // Only calls of an operating system may hang. On a simulated disk one that does not come back is a killed process's.
  if (fileAnswerTimeoutMs === undefined || fs !== nodeFileSystem) return fs;
  return boundedFileSystem(fs, { clock, timeoutMs: fileAnswerTimeoutMs });
}

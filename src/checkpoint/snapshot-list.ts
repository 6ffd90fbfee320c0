/**
 * What there is in a storage: the checkpoints of all jobs and the savepoints, as people look for them.
 *
 * Always holds: a checkpoint is listed exactly if the HEAD of its job names it; a savepoint if its
 * folder has `_metadata`, wherever that was moved to. What cannot be read is said, and hides nothing else.
 */
import { EngineError } from '../common/errors.ts';
import type { SnapshotKind, StopMode } from '../contracts/snapshots.ts';
import type { BlobStore } from '../storage/blob-store.ts';
import { IN_PROGRESS_NAME, METADATA_NAME } from './checkpoint-layout.ts';
import { readHandle } from './handle-reader.ts';
import { readHead, readRetained } from './head.ts';
import { readSnapshot, type FoundSnapshot, type SnapshotMetadata } from './metadata.ts';

/** One checkpoint or savepoint. */
export interface SnapshotSummary {
  readonly kind: SnapshotKind;
  /** What `-s` takes. */
  readonly url: string;
  /** In the storage. */
  readonly folder: string;
  readonly jobId: string;
  readonly jobName: string;
  readonly checkpointId: number;
  readonly triggerMs: number;
  readonly completedMs: number;
  /** All bytes that it refers to; of a checkpoint some belong to older ones, too. */
  readonly stateBytes: number;
  /** Files in its own folder. */
  readonly folderBytes: number;
  readonly label: string | undefined;
  readonly who: string | undefined;
  readonly why: string | undefined;
  readonly pin: boolean;
  /** The job was stopped with it. */
  readonly stop: StopMode | undefined;
  /** False: it is still being written, or its JobManager died just before the end. */
  readonly complete: boolean;
  /** All bytes are as they were written. Undefined: nobody has looked. */
  readonly verified: boolean | undefined;
}

export interface SnapshotList {
  /** Newest first. */
  readonly snapshots: readonly SnapshotSummary[];
  readonly unreadable: readonly { readonly url: string; readonly error: EngineError }[];
}

export interface ListOptions {
  /** Only what is in this folder. Default: all of the storage. */
  readonly folder?: string;
  /** Reads each file of each snapshot and checks it: takes as long as that takes. Default false. */
  readonly verify?: boolean;
}

interface Folder {
  bytes: number;
  hasMetadata: boolean;
  isInProgress: boolean;
}

/**
 * All checkpoints and savepoints in a storage. Reads the metadata of each.
 *
 * @throws {EngineError} `STO-…` (`unavailable`) when the storage fails.
 */
export async function listSnapshots(
  store: BlobStore,
  { folder = '', verify = false }: ListOptions = {},
): Promise<SnapshotList> {
  const snapshots: SnapshotSummary[] = [];
  const unreadable: { url: string; error: EngineError }[] = [];
  const { folders, jobIds } = await foldersOf(store, folder);
  const reading = async (path: string, read: () => Promise<void>): Promise<void> => {
    try {
      await read();
    } catch (error) {
      if (!(error instanceof EngineError) || error.kind === 'unavailable') throw error;
      unreadable.push({ url: `${store.url}/${path}`, error });
    }
  };
  const add = async (found: FoundSnapshot): Promise<void> => {
    const verified = verify ? await isWhole(store, found.metadata) : undefined;
    snapshots.push(summaryOf(found, folders.get(found.folder), verified));
  };
  for (const jobId of jobIds) {
    await reading(`${jobId}/HEAD`, async () => {
      const head = await readHead(store, jobId);
      for (const entry of head?.head.checkpoints ?? []) {
        const { storeUrl, folder: own } = entry.location;
        if (storeUrl !== undefined || !own.startsWith(`${jobId}/`)) continue;
        await reading(own, async () => add(await readRetained(store, entry)));
      }
    });
  }
  for (const [path, { hasMetadata }] of folders) {
    if (!hasMetadata || isOfJob(path)) continue;
    await reading(path, async () => add(await readSnapshot(store, path)));
  }
  snapshots.sort((a, b) => b.completedMs - a.completedMs || b.checkpointId - a.checkpointId);
  return { snapshots, unreadable };
}

/**
 * The newest complete savepoint of a job in a folder. A job that was given another name is another job.
 *
 * @throws {EngineError} `STO-…` (`unavailable`) when the storage fails.
 */
export async function newestSavepoint(
  store: BlobStore,
  folder: string,
  jobName: string,
): Promise<SnapshotSummary | undefined> {
  const { snapshots } = await listSnapshots(store, { folder });
  return snapshots.find(
    (one) => one.kind === 'savepoint' && one.complete && one.jobName === jobName,
  );
}

/** Ids of all jobs that have, or had, checkpoints in a storage. */
export async function jobsOf(store: BlobStore): Promise<readonly string[]> {
  return (await foldersOf(store, '')).jobIds;
}

const JOB_FOLDER = /^[0-9a-f]{32}\//;

function isOfJob(folder: string): boolean {
  return JOB_FOLDER.test(`${folder}/`);
}

async function foldersOf(store: BlobStore, prefix: string) {
  const folders = new Map<string, Folder>();
  const jobIds: string[] = [];
  for await (const { path, sizeBytes } of store.list(prefix)) {
    const slash = path.lastIndexOf('/');
    const name = path.slice(slash + 1);
    const folder = slash === -1 ? '' : path.slice(0, slash);
    if (name === 'HEAD' && JOB_FOLDER.test(path) && folder.length === 32) jobIds.push(folder);
    const before = folders.get(folder) ?? { bytes: 0, hasMetadata: false, isInProgress: false };
    folders.set(folder, {
      bytes: before.bytes + sizeBytes,
      hasMetadata: before.hasMetadata || name === METADATA_NAME,
      isInProgress: before.isInProgress || name === IN_PROGRESS_NAME,
    });
  }
  return { folders, jobIds };
}

function summaryOf(
  { url, folder, metadata }: FoundSnapshot,
  own: Folder | undefined,
  verified: boolean | undefined,
): SnapshotSummary {
  const { kind, jobId, jobName, checkpointId, triggerMs, completedMs, stateBytes } = metadata;
  const { label, who, why, pin = false, stop } = metadata;
  return {
    ...{ kind, url, folder, jobId, jobName, checkpointId, triggerMs, completedMs, stateBytes },
    ...{ label, who, why, pin, stop, verified },
    folderBytes: own?.bytes ?? 0,
    complete: own?.isInProgress !== true,
  };
}

async function isWhole(store: BlobStore, { operators }: SnapshotMetadata): Promise<boolean> {
  try {
    for (const { keyed, operator } of operators) {
      for (const { blob } of keyed) await readHandle(store, blob);
      if (operator !== undefined) await readHandle(store, operator);
    }
    return true;
  } catch (error) {
    if (error instanceof EngineError && error.kind === 'corrupt') return false;
    throw error;
  }
}

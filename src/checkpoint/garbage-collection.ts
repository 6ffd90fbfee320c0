/**
 * Removes what nothing needs: mark what the retained checkpoints name, sweep the rest.
 *
 * Always holds: what is retained stands in HEAD, never in a listing, so an incomplete listing only
 * means that less is removed. If one retained checkpoint cannot be read, nothing is removed. Only
 * names that this module's layout made are candidates, in this job's own folder, of our epoch or an
 * earlier one, for ids that are over. Metadata goes before the files that it names. Dying between
 * any two calls loses nothing: the next sweep goes on.
 */
import { EngineError } from '../common/errors.ts';
import type { CheckpointId } from '../contracts/snapshots.ts';
import type { BlobStore } from '../storage/blob-store.ts';
import {
  checkpointIdOfPath,
  IN_PROGRESS_NAME,
  jobPaths,
  METADATA_NAME,
  metadataPath,
  stampOfFile,
} from './checkpoint-layout.ts';
import { fencedError } from './errors.ts';
import { decodeFramed, type Versioned } from './framed-json.ts';
import { readHead, readRetained, type Head, type HeadCheckpoint } from './head.ts';
import { filesOfOperators } from './metadata.ts';

/** What the sweep must spare besides what HEAD retains. */
export interface SweepScope {
  /** Ids that are under way; no file written for them may go. */
  readonly pendingIds: ReadonlySet<CheckpointId>;
  /** Nor for this id and those after it: they may come while the sweep is going on. */
  readonly nextId: CheckpointId;
  /** Files that pending checkpoints, and the next one, may refer to. */
  readonly files: ReadonlySet<string>;
}

export interface SweepOptions {
  readonly store: BlobStore;
  readonly jobId: string;
  /** The caller's leadership. */
  readonly epoch: number;
  /** Taken before the sweep begins. */
  readonly scope: SweepScope;
  /** Most files that one run removes. */
  readonly deletesMax?: number;
}

export interface SweepResult {
  readonly deleted: number;
  /** There is more: call again. */
  readonly more: boolean;
  /** Why nothing was removed. */
  readonly blocked: EngineError | undefined;
}

const DELETES_MAX = 1000;

/**
 * Sweeps the job's folder. Reads the metadata of each retained checkpoint.
 *
 * @throws {EngineError} `CHK-003` (`fenced`) if another one leads the job.
 * @throws {EngineError} `STO-001` (`unavailable`) when the store fails; what was removed is right all the same.
 */
export async function sweepJob(options: SweepOptions): Promise<SweepResult> {
  const { store, jobId, epoch, deletesMax = DELETES_MAX } = options;
  const found = await readHead(store, jobId);
  if (found?.head.epoch !== epoch) {
    throw fencedError(`${store.url}/${jobPaths(jobId).head}`, epoch, found?.head.epoch);
  }
  let marked: ReadonlySet<string>;
  try {
    marked = await markedFiles(options, found.head);
  } catch (error) {
    if (error instanceof EngineError && error.kind === 'corrupt') {
      return { deleted: 0, more: false, blocked: error };
    }
    throw error;
  }
  const metadata: string[] = [];
  const files: string[] = [];
  for await (const { path } of store.list(jobId)) {
    if (marked.has(path) || !isOver(options, found.head, path)) continue;
    if (path.endsWith(`/${METADATA_NAME}`)) metadata.push(path);
    else if (files.length <= deletesMax) files.push(path);
  }
  const all = [...metadata, ...files];
  const now = all.slice(0, deletesMax);
  await store.delete(now.filter((path) => path.endsWith(`/${METADATA_NAME}`)));
  await store.delete(now.filter((path) => !path.endsWith(`/${METADATA_NAME}`)));
  return { deleted: now.length, more: all.length > now.length, blocked: undefined };
}

async function markedFiles(options: SweepOptions, head: Head): Promise<ReadonlySet<string>> {
  const marked = new Set(options.scope.files);
  for (const checkpoint of head.checkpoints) {
    if (!isInside(options.jobId, checkpoint)) continue;
    const { folder } = checkpoint.location;
    const found = await readRetained(options.store, checkpoint);
    marked.add(metadataPath(folder));
    for (const file of filesOfOperators(found.metadata.operators)) marked.add(file);
  }
  return marked;
}

/** Savepoints, and what another job left, lie elsewhere, with all their files. */
function isInside(jobId: string, { location }: HeadCheckpoint): boolean {
  return location.storeUrl === undefined && location.folder.startsWith(`${jobId}/`);
}

/** Whether nobody can write or need it any more, if nothing retained names it. */
function isOver(options: SweepOptions, head: Head, path: string): boolean {
  const { jobId, epoch, scope } = options;
  const inFolderOf = checkpointIdOfPath(jobId, path);
  if (inFolderOf !== undefined && path.endsWith(`/${METADATA_NAME}`)) {
    // Ids beyond are of a leader that came after us, though we do not know it yet.
    return inFolderOf <= head.idsThrough && isPast(scope, inFolderOf);
  }
  if (inFolderOf === undefined && !path.startsWith(`${jobPaths(jobId).shared}/`)) return false;
  const stamp = stampOfFile(path);
  if (stamp === undefined || stamp.epoch > epoch) return false;
  return isPast(scope, stamp.checkpointId);
}

function isPast(scope: SweepScope, checkpointId: CheckpointId): boolean {
  return checkpointId < scope.nextId && !scope.pendingIds.has(checkpointId);
}

/**
 * Removes what crashes left of this job's savepoints in a directory. A savepoint that has its
 * metadata is never touched, apart from the marker in it.
 */
export async function sweepSavepoints(
  options: SweepOptions & { readonly directory: string },
): Promise<SweepResult> {
  const { store, directory, jobId, deletesMax = DELETES_MAX } = options;
  const folders = new Map<string, string[]>();
  const parent = directory === '' ? '' : `${directory}/`;
  for await (const { path } of store.list(directory)) {
    const name = path.slice(parent.length).split('/')[0] ?? '';
    if (!name.startsWith(`savepoint-${jobId.slice(0, 6)}-`)) continue;
    const folder = `${parent}${name}`;
    folders.set(folder, [...(folders.get(folder) ?? []), path]);
  }
  let deleted = 0;
  for (const [folder, paths] of folders) {
    const marker = `${folder}/${IN_PROGRESS_NAME}`;
    if (!paths.includes(marker) || !(await isAbandoned(options, marker))) continue;
    const files = paths.includes(metadataPath(folder))
      ? []
      : paths.filter((path) => path !== marker && stampOfFile(path) !== undefined);
    const room = deletesMax - deleted;
    if (files.length >= room) {
      await store.delete(files.slice(0, room));
      return { deleted: deletesMax, more: true, blocked: undefined };
    }
    await store.delete(files);
    await store.delete([marker]);
    deleted += files.length + 1;
  }
  return { deleted, more: false, blocked: undefined };
}

async function isAbandoned(options: SweepOptions, marker: string): Promise<boolean> {
  const { store, jobId, epoch, scope } = options;
  const found = await store.read(marker);
  if (found === undefined) return false;
  const record = decodeFramed(found.bytes, {
    kind: 'in-progress',
    path: `${store.url}/${marker}`,
    reader: 1,
  }) as Versioned & { jobId: string; epoch: number; checkpointId: CheckpointId };
  if (record.jobId !== jobId || record.epoch > epoch) return false;
  return record.epoch < epoch || isPast(scope, record.checkpointId);
}

/**
 * Removes one snapshot and what it holds itself: `_metadata` first, so that it no longer exists,
 * then its files. Files in `shared` stay for the sweep; files that are not ours stay for their owner.
 *
 * @throws {EngineError} `STO-001` (`unavailable`); calling it again goes on.
 */
export async function discardSnapshot(store: BlobStore, folder: string): Promise<void> {
  await store.delete([metadataPath(folder)]);
  const files: string[] = [];
  for await (const { path } of store.list(folder)) {
    if (stampOfFile(path) !== undefined) files.push(path);
  }
  await store.delete(files);
  await store.delete([`${folder}/${IN_PROGRESS_NAME}`]);
}

/**
 * A snapshot with all its files in one folder, made of one whose files belong to somebody else. A fork
 * starts from such a copy: whatever becomes of the original, the fork can go back to where it began.
 *
 * Always holds: the marker is there before anything else, `_metadata` when all is there and checked; so what a
 * crash leaves is no snapshot, and can be told from one.
 */
import { assert } from '../common/assert.ts';
import type { BlobHandle } from '../contracts/snapshots.ts';
import type { BlobStore } from '../storage/blob-store.ts';
import { IN_PROGRESS_NAME, METADATA_NAME } from './checkpoint-layout.ts';
import { createOnce } from './checkpoint-store.ts';
import { encodeFramed } from './framed-json.ts';
import { readHandle } from './handle-reader.ts';
import { encodeMetadata, readSnapshot, type FoundSnapshot } from './metadata.ts';

export interface CopySnapshotOptions {
  /** The one that the snapshot's paths are relative to. */
  readonly from: BlobStore;
  readonly found: FoundSnapshot;
  readonly to: BlobStore;
  /** In `to`; nothing is there yet. */
  readonly folder: string;
  /** The job that the copy is for. */
  readonly jobId: string;
}

/**
 * Reads each file once and checks it.
 *
 * @throws {EngineError} `CHK-006` (`corrupt`) if a file is gone, `CHK-001` (`corrupt`) if one is damaged.
 * @throws {EngineError} `STO-…` (`unavailable`).
 */
export async function copySnapshot(options: CopySnapshotOptions): Promise<FoundSnapshot> {
  const { from, found, to, folder, jobId } = options;
  const { checkpointId } = found.metadata;
  const marker = { formatVersion: 1, minReader: 1, jobId, epoch: 0, checkpointId };
  await createOnce(to, `${folder}/${IN_PROGRESS_NAME}`, encodeFramed('in-progress', marker));
  const copied = new Map<string, string>();
  const copy = async (handle: BlobHandle): Promise<BlobHandle> => {
    if (handle.kind === 'inline') return handle;
    let path = copied.get(handle.path);
    if (path === undefined) {
      path = `${folder}/${handle.path.slice(handle.path.lastIndexOf('/') + 1)}`;
      await createOnce(to, path, await readHandle(from, handle));
      copied.set(handle.path, path);
    }
    return { ...handle, path };
  };
  const operators = [];
  for (const operator of found.metadata.operators) {
    const keyed = [];
    for (const run of operator.keyed) keyed.push({ ...run, blob: await copy(run.blob) });
    operators.push({
      ...operator,
      keyed,
      operator: operator.operator && (await copy(operator.operator)),
    });
  }
  // Only a savepoint names its files by its own folder. What its user had said of the original is not said of it.
  const { label: _label, who: _who, why: _why, pin: _pin, ...metadata } = found.metadata;
  const bytes = encodeMetadata({ ...metadata, kind: 'savepoint', operators }, folder);
  await createOnce(to, `${folder}/${METADATA_NAME}`, bytes);
  await to.delete([`${folder}/${IN_PROGRESS_NAME}`]);
  const made = await readSnapshot(to, folder);
  assert(made.metadata.jobId === metadata.jobId, 'a copy says whose state it holds');
  return made;
}

/**
 * What a checkpoint or savepoint is: the content of its `_metadata`. docs/formats/metadata.md.
 *
 * Always holds: the committables in it are exactly those that a restore from it must commit, and
 * the operators' own lists are empty. In memory all paths are relative to the store's root.
 */
import type { BlobHandle, OperatorSnapshot, SnapshotKind } from '../contracts/snapshots.ts';
import { missingFileError } from './errors.ts';
import { decodeFramed, encodeFramed, type Versioned } from './framed-json.ts';
import { METADATA_NAME, metadataPath } from './checkpoint-layout.ts';
import type { PendingCommittable } from './pending-commits.ts';
import type { BlobStore } from '../storage/blob-store.ts';
import { assert } from '../common/assert.ts';
import { crc32 } from '../common/crc32.ts';

export const METADATA_FORMAT = 1;

/** Which job, whose attempt. The same for all snapshots of one leadership. */
export interface SnapshotIdentity {
  readonly jobId: string;
  readonly jobName: string;
  /** Identity of the job's history; a fork gets a new one. */
  readonly lineage: string;
  readonly epoch: number;
  readonly planHash: string;
  readonly maxParallelism: number;
}

/** What users say about a savepoint; the retention rules need it. */
export interface SnapshotNotes {
  readonly label?: string;
  readonly who?: string;
  readonly why?: string;
  /** Never removed by a retention rule. */
  readonly pin?: boolean;
}

export interface SnapshotMetadata extends SnapshotIdentity, SnapshotNotes {
  readonly checkpointId: number;
  readonly kind: SnapshotKind;
  /** The job stopped with this savepoint; `drain`: after firing all timers. */
  readonly stop?: 'suspend' | 'drain';
  /** The job's restarts before it, within the epoch. */
  readonly attempt: number;
  readonly triggerMs: number;
  readonly completedMs: number;
  /** Subtasks of each operator, by uid: also of those without state. */
  readonly parallelism: Readonly<Record<string, number>>;
  readonly operators: readonly OperatorSnapshot[];
  /** What the coordinators of sources keep, by uid; base64. */
  readonly coordinators: Readonly<Record<string, string>>;
  readonly committables: readonly PendingCommittable[];
  /** Operators of which all subtasks had finished. */
  readonly finishedOperators: readonly string[];
  /** Bytes newly written for it, and all bytes that it refers to. */
  readonly writtenBytes: number;
  readonly stateBytes: number;
}

type Stored = Versioned & SnapshotMetadata & { readonly paths: 'folder' | 'store' };

/**
 * @param folder The snapshot's folder. Savepoints name their files relative to it and can be moved.
 */
export function encodeMetadata(metadata: SnapshotMetadata, folder: string): Uint8Array {
  const movable = metadata.kind === 'savepoint';
  const moved = movable ? mapPaths(metadata, (path) => withoutFolder(path, folder)) : metadata;
  const stored: Stored = {
    formatVersion: METADATA_FORMAT,
    minReader: METADATA_FORMAT,
    paths: movable ? 'folder' : 'store',
    ...mapWatermarks(moved, (watermarkMs) => (watermarkMs === Infinity ? 'end' : watermarkMs)),
  };
  return encodeFramed('metadata', stored);
}

/**
 * @throws {EngineError} `CHK-001` (`corrupt`) if the bytes are not exactly what was written.
 * @throws {EngineError} `CHK-002` (`invalid`) if a later release wrote them.
 */
export function decodeMetadata(bytes: Uint8Array, folder: string): SnapshotMetadata {
  const path = metadataPath(folder);
  const stored = decodeFramed(bytes, { kind: 'metadata', path, reader: METADATA_FORMAT }) as Stored;
  const { formatVersion: _format, minReader: _reader, paths, ...rest } = stored;
  const metadata = mapWatermarks(rest, (watermarkMs) =>
    (watermarkMs as unknown) === 'end' ? Infinity : watermarkMs,
  );
  if (paths === 'store') return metadata;
  return mapPaths(metadata, (relative) => (folder === '' ? relative : `${folder}/${relative}`));
}

/** A snapshot as it was found in a store. */
export interface FoundSnapshot {
  /** Relative to the store's root. */
  readonly folder: string;
  /** For people, and to be passed back: `s3://…/chk-7`. */
  readonly url: string;
  readonly metadata: SnapshotMetadata;
  readonly metadataBytes: number;
  readonly metadataCrc32: number;
}

/**
 * Reads the snapshot in `folder`; the folder may end in `/` or name the `_metadata` file itself.
 * Undefined if there is none.
 *
 * @throws {EngineError} `CHK-001` (`corrupt`), `CHK-002` (`invalid`) as `decodeMetadata`.
 */
export async function findSnapshot(
  store: BlobStore,
  folder: string,
): Promise<FoundSnapshot | undefined> {
  const clean = folder.replace(/\/+$/, '');
  const home = clean === METADATA_NAME ? '' : clean.replace(new RegExp(`/${METADATA_NAME}$`), '');
  const found = await store.read(metadataPath(home));
  if (found === undefined) return undefined;
  return {
    folder: home,
    url: home === '' ? store.url : `${store.url.replace(/\/$/, '')}/${home}`,
    metadata: decodeMetadata(found.bytes, home),
    metadataBytes: found.bytes.length,
    metadataCrc32: crc32(found.bytes),
  };
}

/** As `findSnapshot`, where it must be there. @throws {EngineError} `CHK-006` (`corrupt`) if not. */
export async function readSnapshot(store: BlobStore, folder: string): Promise<FoundSnapshot> {
  const found = await findSnapshot(store, folder);
  if (found === undefined) throw missingFileError(`${store.url}/${metadataPath(folder)}`);
  return found;
}

/** The blobs that one subtask's snapshot refers to. */
export function filesOfOperators(operators: readonly OperatorSnapshot[]): string[] {
  return operators
    .flatMap(({ keyed, operator }) => [
      ...keyed.map(({ blob }) => blob),
      ...(operator === undefined ? [] : [operator]),
    ])
    .flatMap((blob) => (blob.kind === 'blob' ? [blob.path] : []));
}

function mapPaths<M extends { readonly operators: readonly OperatorSnapshot[] }>(
  metadata: M,
  change: (path: string) => string,
): M {
  const mapHandle = (handle: BlobHandle): BlobHandle =>
    handle.kind === 'blob' ? { ...handle, path: change(handle.path) } : handle;
  return {
    ...metadata,
    operators: metadata.operators.map((operator) => ({
      ...operator,
      keyed: operator.keyed.map((run) => ({ ...run, blob: mapHandle(run.blob) })),
      operator: operator.operator && mapHandle(operator.operator),
    })),
  };
}

/** JSON has no infinity, which is the watermark at the end of all input. */
function mapWatermarks<M extends { readonly operators: readonly OperatorSnapshot[] }>(
  metadata: M,
  change: (watermarkMs: number | undefined) => unknown,
): M {
  return {
    ...metadata,
    operators: metadata.operators.map((operator) => ({
      ...operator,
      watermarkMs: change(operator.watermarkMs === -Infinity ? undefined : operator.watermarkMs) as
        number | undefined,
      // JSON leaves out what is undefined; a reader must find the field all the same.
      operator: operator.operator,
    })),
  };
}

function withoutFolder(path: string, folder: string): string {
  if (folder === '') return path;
  assert(path.startsWith(`${folder}/`), `a savepoint in ${folder} refers to ${path}`);
  return path.slice(folder.length + 1);
}

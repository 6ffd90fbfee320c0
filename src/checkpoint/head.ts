/**
 * The one record that says who leads a job and which of its checkpoints are complete.
 * docs/formats/head.md.
 *
 * Always holds: it changes only by compare-and-swap; its epoch never falls; a checkpoint is
 * complete, and retained, exactly while it is in the list.
 */
import type { CheckpointId, SnapshotKind } from '../contracts/snapshots.ts';
import type { BlobStore, Etag } from '../storage/blob-store.ts';
import { jobPaths } from './checkpoint-layout.ts';
import type { SnapshotLocation } from './coordinator-types.ts';
import { corruptFileError } from './errors.ts';
import { decodeFramed, encodeFramed, type Versioned } from './framed-json.ts';
import { readSnapshot, type FoundSnapshot } from './metadata.ts';
import type { JobEnd } from './retention.ts';

export const HEAD_FORMAT = 1;

export interface HeadCheckpoint {
  readonly checkpointId: CheckpointId;
  readonly kind: SnapshotKind;
  readonly location: SnapshotLocation;
  /** For people, and for `-s`. */
  readonly url: string;
  /** Of its `_metadata`, so that nothing else is taken for it. */
  readonly metadataBytes: number;
  readonly metadataCrc32: number;
  readonly completedMs: number;
}

export interface Claim {
  readonly kind: SnapshotKind;
  readonly location: SnapshotLocation;
  readonly url: string;
}

/** One leadership of a JobManager over all jobs of its cluster. docs/formats/lease.md. */
export interface ClusterLeader {
  /** Epochs are compared within one lease only. */
  readonly leaseId: string;
  readonly epoch: number;
}

export interface Head {
  readonly jobId: string;
  readonly lineage: string;
  /** One leadership; counted up by whoever takes the job over. */
  readonly epoch: number;
  /** Drawn for each write, so that a writer whose answer was lost knows its own. */
  readonly nonce: string;
  /** Who leads, for people. */
  readonly owner: string;
  /** Ids up to this one may have been used; the next epoch begins after it. */
  readonly idsThrough: CheckpointId;
  /** Complete and retained ones, oldest first. The last is what a failure restores. */
  readonly checkpoints: readonly HeadCheckpoint[];
  /** Snapshots of others that the job has taken over: removed when it retains them no more. */
  readonly claims?: readonly Claim[];
  /**
   * The leadership of a cluster under which the job is led; absent for a job that is led by itself. An
   * earlier one of the same cluster cannot take the job back.
   */
  readonly leader?: ClusterLeader;
  /** How the job ended; absent while it is to run. */
  readonly ended?: JobEnd;
}

export interface FoundHead {
  readonly head: Head;
  readonly etag: Etag;
}

/** Fields of later releases go through unchanged. */
export function encodeHead(head: Head): Uint8Array {
  const versions = { formatVersion: HEAD_FORMAT, minReader: HEAD_FORMAT };
  return encodeFramed('head', { ...versions, ...head });
}

/**
 * @throws {EngineError} `CHK-001` (`corrupt`) or `CHK-002` (`invalid`).
 */
export function decodeHead(bytes: Uint8Array, path: string): Head {
  return decodeFramed(bytes, { kind: 'head', path, reader: HEAD_FORMAT }) as Versioned & Head;
}

/** Undefined if the job was never there, or has ended and left nothing. */
export async function readHead(store: BlobStore, jobId: string): Promise<FoundHead | undefined> {
  const path = jobPaths(jobId).head;
  const found = await store.read(path);
  if (found === undefined) return undefined;
  return { head: decodeHead(found.bytes, `${store.url}/${path}`), etag: found.etag };
}

/**
 * The snapshot of an entry, which is the very one that was complete.
 *
 * @param store The one that the entry's location names.
 * @throws {EngineError} `CHK-001`, `CHK-006` (`corrupt`) if it is damaged, gone, or another one.
 */
export async function readRetained(
  store: BlobStore,
  entry: HeadCheckpoint,
): Promise<FoundSnapshot> {
  const found = await readSnapshot(store, entry.location.folder);
  if (found.metadataCrc32 !== entry.metadataCrc32 || found.metadataBytes !== entry.metadataBytes) {
    throw corruptFileError(found.url, 'it is not the snapshot that HEAD names');
  }
  return found;
}

/**
 * Which jobs a cluster is to run, and which upgrades are under way: the one record by which the store of jobs is fenced.
 * docs/formats/job-store.md.
 *
 * Always holds: it changes only by compare-and-swap, under the leadership that it names; who leads next
 * writes its own leadership into it first, and from then on every change of an earlier leader is refused.
 */
import { decodeFramed, encodeFramed, type Versioned } from '../../checkpoint/framed-json.ts';
import type { ClusterLeader } from '../../checkpoint/head.ts';
import type { BlobStore, Etag } from '../../storage/blob-store.ts';
import type { JobStarted } from './job-record.ts';
import type { UpgradeState } from './upgrade-state.ts';

export interface IndexedJob {
  readonly submissionId: string;
  /** Name of its record and of its code, which begins with the epoch of the leader that made them. */
  readonly files: string;
  readonly started?: JobStarted;
}

export interface IndexedUpgrade {
  readonly upgradeId: string;
  /** Name of its record and of the code of its sides; like those of jobs. */
  readonly files: string;
  /** The one thing of an upgrade that changes. */
  readonly state: UpgradeState;
}

/** What leaders change. */
export interface IndexContent {
  /** The oldest first. */
  readonly jobs: readonly IndexedJob[];
  /** The oldest first; of those that are over the last few. */
  readonly upgrades: readonly IndexedUpgrade[];
}

export interface JobIndex extends IndexContent {
  readonly leader: ClusterLeader;
  readonly nonce: string;
}

export interface FoundIndex {
  readonly index: JobIndex;
  readonly etag: Etag;
}

export const INDEX_PATH = 'job-store/index';
const INDEX_FORMAT = 1;
const KIND = 'job-index';

export function encodeJobIndex(index: JobIndex): Uint8Array {
  const versions = { formatVersion: INDEX_FORMAT, minReader: INDEX_FORMAT };
  return encodeFramed(KIND, { ...versions, ...index });
}

/** @throws {EngineError} `CHK-001` (`corrupt`), `CHK-002` (`invalid`), `STO-001` (`unavailable`). */
export async function readJobIndex(store: BlobStore): Promise<FoundIndex | undefined> {
  const found = await store.read(INDEX_PATH);
  if (found === undefined) return undefined;
  const path = `${store.url}/${INDEX_PATH}`;
  const index = decodeFramed(found.bytes, {
    kind: KIND,
    path,
    reader: INDEX_FORMAT,
  }) as Versioned & JobIndex;
  const { leader, nonce, jobs, upgrades } = index;
  return { index: { leader, nonce, jobs, upgrades }, etag: found.etag };
}

/**
 * Who leads a cluster: the one record that JobManagers compete for. docs/formats/lease.md.
 *
 * Always holds: it changes only by compare-and-swap; its epoch never falls; each change draws a nonce, so
 * that a writer whose answer was lost knows its own. Times in it are for people: nobody compares clocks.
 */
import { decodeFramed, encodeFramed, type Versioned } from '../../checkpoint/framed-json.ts';
import type { BlobStore, Etag } from '../../storage/blob-store.ts';

/** A JobManager, as those need to know it who look for the one that leads. */
export interface LeaseHolder {
  /** For people: host and process. */
  readonly owner: string;
  readonly pid: number;
  /** With the number: no other process of its machine ever has the same. */
  readonly processStart: string;
  /** Where that number means something: undefined if it cannot be told. */
  readonly pidSpace: string | undefined;
  /** Its data folder, where a command of the same user finds its token. */
  readonly folder: string;
  readonly version: string;
  /** Where it answers; undefined while it begins to lead, or if it answers nobody. */
  readonly address?: string;
}

export interface Lease {
  /** Of the lease object; drawn when it is made. Epochs are compared within one only. */
  readonly leaseId: string;
  /** One leadership. */
  readonly epoch: number;
  readonly nonce: string;
  /** `released`: its holder has ended in good order; anybody may lead at once. */
  readonly state: 'held' | 'released';
  /** Nobody takes it over before it has been seen unchanged for so long. */
  readonly durationMs: number;
  readonly holder: LeaseHolder;
  /** Wall time of the change, for people. */
  readonly atMs: number;
}

export interface FoundLease {
  readonly lease: Lease;
  readonly etag: Etag;
}

/** Below the cluster's folder. */
export const LEASE_PATH = 'leader';

const LEASE_FORMAT = 1;
const KIND = 'leader-lease';

export function encodeLease(lease: Lease): Uint8Array {
  const versions = { formatVersion: LEASE_FORMAT, minReader: LEASE_FORMAT };
  return encodeFramed(KIND, { ...versions, ...lease });
}

/** @throws {EngineError} `CHK-001` (`corrupt`), `CHK-002` (`invalid`), `STO-001` (`unavailable`). */
export async function readLease(store: BlobStore): Promise<FoundLease | undefined> {
  const found = await store.read(LEASE_PATH);
  if (found === undefined) return undefined;
  const path = `${store.url}/${LEASE_PATH}`;
  const record = decodeFramed(found.bytes, { kind: KIND, path, reader: LEASE_FORMAT });
  const { formatVersion: _format, minReader: _reader, ...lease } = record as Versioned & Lease;
  return { lease, etag: found.etag };
}

/** The snapshot that a commit adds, from the table as it is and what is added. Pure. */
import type { PendingManifest } from './committable.ts';
import type { ManifestFile } from './manifest-list.ts';
import {
  currentSnapshot,
  currentSnapshotId,
  type Snapshot,
  type TableMetadata,
} from './table-metadata.ts';

export interface SnapshotPlan {
  readonly id: bigint;
  readonly parentId: bigint | undefined;
  readonly sequenceNumber: bigint;
}

export function planSnapshot(metadata: TableMetadata, id: bigint): SnapshotPlan {
  return {
    id,
    parentId: currentSnapshotId(metadata),
    // Of the table, not of the parent: after a rollback they go on where they were.
    sequenceNumber: BigInt(metadata['last-sequence-number']) + 1n,
  };
}

export interface SnapshotParts {
  readonly manifestList: string;
  readonly nowMs: number;
  readonly properties: Readonly<Record<string, string>>;
  readonly added: readonly PendingManifest[];
}

export function newSnapshot(
  metadata: TableMetadata,
  { id, parentId, sequenceNumber }: SnapshotPlan,
  { manifestList, nowMs, properties, added }: SnapshotParts,
): Snapshot {
  return {
    'snapshot-id': id,
    ...(parentId === undefined ? {} : { 'parent-snapshot-id': parentId }),
    'sequence-number': sequenceNumber,
    'timestamp-ms': Math.max(nowMs, Number(metadata['last-updated-ms'])),
    summary: { operation: 'append', ...properties, ...counts(metadata, added) },
    'manifest-list': manifestList,
    'schema-id': metadata['current-schema-id'],
  };
}

/** The entry of a writer's manifest in the manifest list. */
export function addedManifest(
  pending: PendingManifest,
  { id, sequenceNumber }: SnapshotPlan,
): ManifestFile {
  return {
    location: pending.location,
    sizeBytes: BigInt(pending.sizeBytes),
    specId: pending.specId,
    content: 0,
    sequenceNumber,
    minSequenceNumber: sequenceNumber,
    addedSnapshotId: id,
    files: { added: BigInt(pending.dataFiles), existing: 0n, deleted: 0n },
    rows: { added: BigInt(pending.rows), existing: 0n, deleted: 0n },
    partitions: pending.partitions.map((field) => ({
      containsNull: field.containsNull,
      containsNan: field.containsNan,
      lower: field.lower ?? undefined,
      upper: field.upper ?? undefined,
    })),
    keyMetadata: undefined,
  };
}

function counts(
  metadata: TableMetadata,
  added: readonly PendingManifest[],
): Record<string, string> {
  const before = currentSnapshot(metadata)?.summary;
  const sum = (of: (pending: PendingManifest) => number): bigint =>
    added.reduce((total, pending) => total + BigInt(of(pending)), 0n);
  const files = sum(({ dataFiles }) => dataFiles);
  const rows = sum(({ rows: some }) => some);
  const bytes = sum(({ dataBytes }) => dataBytes);
  return {
    'added-data-files': String(files),
    'added-records': String(rows),
    'added-files-size': String(bytes),
    'changed-partition-count': String(sum(({ partitionCount }) => partitionCount)),
    ...totals(before, {
      'total-records': rows,
      'total-files-size': bytes,
      'total-data-files': files,
      'total-delete-files': 0n,
      'total-position-deletes': 0n,
      'total-equality-deletes': 0n,
    }),
  };
}

/** Left out where the parent does not tell: a total that is too small would be taken for true. */
function totals(
  before: Readonly<Record<string, string>> | undefined,
  more: Readonly<Record<string, bigint>>,
): Record<string, string> {
  const known: [string, string][] = [];
  for (const [name, added] of Object.entries(more)) {
    const old = before === undefined ? '0' : before[name];
    if (old !== undefined && /^\d+$/.test(old)) known.push([name, String(BigInt(old) + added)]);
  }
  return Object.fromEntries(known);
}

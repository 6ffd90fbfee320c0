/**
 * Puts many small manifests into one, so that a reader need not open one for every checkpoint there ever
 * was. By the table's properties `commit.manifest-merge.enabled` (true), `commit.manifest.min-count-to-merge`
 * (100) and `commit.manifest.target-size-bytes` (8 MiB). What the commit itself adds stays as it is: the
 * snapshot names the manifests that it is made of.
 */
import { randomHex, type Random } from '../../common/random.ts';
import type { LoadedTable } from './catalog.ts';
import { corruptTable } from './errors.ts';
import type { Datum, Primitive } from './iceberg-type.ts';
import { type ManifestEntry, type ManifestKind, mergedManifest, STATUS } from './manifest.ts';
import type { FieldSummary, ManifestFile } from './manifest-list.ts';
import type { SnapshotPlan } from './new-snapshot.ts';
import { entriesOf } from './read-manifests.ts';
import { compareDatum, decimalFrom, singleValueBytes } from './single-value.ts';
import { mergedLocation } from './table-layout.ts';
import { currentSchema, flagOf, propertyOf, specOf, type TableMetadata } from './table-metadata.ts';
import type { PartitionColumn } from './partitioner.ts';
import { Partitioner } from './partitioner.ts';

export interface Merged {
  readonly manifests: readonly ManifestFile[];
  /** Files that were made for it. */
  readonly made: readonly string[];
}

const MIN_COUNT = 100;
const TARGET_BYTES = 8 * 1024 * 1024;

/** Which manifests to put into one: the oldest small ones of one partition spec. Undefined for none. */
export function chooseMerge(
  metadata: TableMetadata,
  manifests: readonly ManifestFile[],
): readonly ManifestFile[] | undefined {
  if (!flagOf(metadata, 'commit.manifest-merge.enabled', true)) return undefined;
  const minCount = Math.max(
    2,
    propertyOf(metadata, 'commit.manifest.min-count-to-merge', MIN_COUNT),
  );
  const target = BigInt(propertyOf(metadata, 'commit.manifest.target-size-bytes', TARGET_BYTES));
  const bySpec = new Map<number, ManifestFile[]>();
  for (const manifest of manifests) {
    // Delete files, and what is encrypted, are left alone.
    if (manifest.content !== 0 || manifest.keyMetadata !== undefined) continue;
    if (manifest.sizeBytes >= target) continue;
    const group = bySpec.get(manifest.specId) ?? [];
    group.push(manifest);
    bySpec.set(manifest.specId, group);
  }
  for (const group of bySpec.values()) {
    if (group.length < minCount) continue;
    const chosen: ManifestFile[] = [];
    let bytes = 0n;
    // New ones come first in a list.
    for (const manifest of group.toReversed()) {
      if (bytes + manifest.sizeBytes > target && chosen.length >= 2) break;
      chosen.push(manifest);
      bytes += manifest.sizeBytes;
    }
    if (chosen.length >= 2) return chosen;
  }
  return undefined;
}

export interface MergeContext {
  readonly table: LoadedTable;
  readonly plan: SnapshotPlan;
  readonly uid: string;
  readonly random: Random;
}

/** @param manifests Of the parent snapshot. */
export async function mergeManifests(
  manifests: readonly ManifestFile[],
  { table, plan, uid, random }: MergeContext,
): Promise<Merged> {
  const { metadata, io } = table;
  const chosen = chooseMerge(metadata, manifests);
  if (chosen === undefined) return { manifests, made: [] };
  const kind = kindOf(metadata, chosen[0]?.specId ?? 0);
  if (kind === undefined) return { manifests, made: [] };
  const entries: ManifestEntry[] = [];
  for (const manifest of chosen) {
    const all = await entriesOf(io, manifest);
    entries.push(...all.filter(({ status }) => status !== STATUS.deleted));
  }
  const bytes = mergedManifest(kind, entries, random);
  const location = mergedLocation(metadata.location, uid, plan.id, randomHex(random, 8));
  if ((await io.create(location, bytes)) === 'taken') {
    throw corruptTable(location, 'somebody else has made it');
  }
  const merged: ManifestFile = {
    location,
    sizeBytes: BigInt(bytes.length),
    specId: kind.spec['spec-id'],
    content: 0,
    sequenceNumber: plan.sequenceNumber,
    minSequenceNumber: leastSequence(entries, plan),
    addedSnapshotId: plan.id,
    files: { added: 0n, existing: BigInt(entries.length), deleted: 0n },
    rows: { added: 0n, existing: entries.reduce((sum, { rows }) => sum + rows, 0n), deleted: 0n },
    partitions: joinedSummaries(
      kind.columns,
      chosen.map(({ partitions }) => partitions),
    ),
    keyMetadata: undefined,
  };
  const gone = new Set(chosen);
  const kept = manifests.filter((manifest) => !gone.has(manifest));
  return { manifests: [...kept, merged], made: [location] };
}

/** Undefined for partitions of which something is not known here: a column that was dropped, a new transform. */
function kindOf(metadata: TableMetadata, specId: number): ManifestKind | undefined {
  const schema = currentSchema(metadata);
  const spec = specOf(metadata, specId);
  if (!Partitioner.knows(spec, schema)) return undefined;
  const { columns } = new Partitioner(spec, schema, [], metadata.location);
  return { schema, spec, columns };
}

function leastSequence(entries: readonly ManifestEntry[], plan: SnapshotPlan): bigint {
  return entries.reduce((least, { sequenceNumber }) => {
    return sequenceNumber !== undefined && sequenceNumber < least ? sequenceNumber : least;
  }, plan.sequenceNumber);
}

/** Undefined, which promises nothing, where one of them says nothing. */
function joinedSummaries(
  columns: readonly PartitionColumn[],
  summaries: readonly (readonly FieldSummary[] | undefined)[],
): FieldSummary[] | undefined {
  const known = summaries.filter((each) => each !== undefined);
  if (known.length < summaries.length) return undefined;
  return columns.map((column, index) => {
    const fields = known.flatMap((each) => each[index] ?? []);
    const { type } = column;
    const pick = (of: (field: FieldSummary) => Uint8Array | undefined, sign: number) => {
      const bounds = fields.flatMap((field) => of(field) ?? []);
      const best = bounds
        .map((bound) => boundFrom(type, bound))
        .reduce<Datum | undefined>(
          (found, bound) =>
            found === undefined || compareDatum(bound, found) * sign > 0 ? bound : found,
          undefined,
        );
      return best === undefined ? undefined : boundBytes(type, best);
    };
    return {
      containsNull: fields.some(({ containsNull }) => containsNull),
      containsNan: fields.some(({ containsNan }) => containsNan === true),
      lower: pick(({ lower }) => lower, -1),
      upper: pick(({ upper }) => upper, 1),
    };
  });
}

/** A bound may be of the time before a column was widened: it has fewer bytes then. */
function boundFrom(type: Primitive, bytes: Uint8Array): Datum {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const isShort = bytes.length < 8;
  switch (type.kind) {
    case 'boolean':
      return bytes[0] ?? 0;
    case 'int':
    case 'date':
      return view.getInt32(0, true);
    case 'long':
      return isShort ? BigInt(view.getInt32(0, true)) : view.getBigInt64(0, true);
    case 'float':
      return view.getFloat32(0, true);
    case 'double':
      return isShort ? view.getFloat32(0, true) : view.getFloat64(0, true);
    case 'decimal':
      return decimalFrom(bytes);
    case 'string':
    case 'binary':
    case 'fixed':
    case 'uuid':
      // Their order is that of their bytes.
      return bytes;
    default:
      return view.getBigInt64(0, true);
  }
}

function boundBytes(type: Primitive, bound: Datum): Uint8Array {
  if (bound instanceof Uint8Array) return bound;
  return type.kind === 'boolean' ? Uint8Array.of(Number(bound)) : singleValueBytes(type, bound);
}

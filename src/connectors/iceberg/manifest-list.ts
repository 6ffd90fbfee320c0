/** Manifest lists: the manifests of a snapshot. */
import type { Random } from '../../common/random.ts';
import { type AvroRecord, decodeAvroFile, encodeAvroFile } from './avro-file.ts';
import { corruptTable } from './errors.ts';
import type { Json, JsonObject } from './lossless-json.ts';

/** What is known of the values of one partition field in a manifest. */
export interface FieldSummary {
  readonly containsNull: boolean;
  readonly containsNan: boolean | undefined;
  readonly lower: Uint8Array | undefined;
  readonly upper: Uint8Array | undefined;
}

export interface ManifestFile {
  readonly location: string;
  readonly sizeBytes: bigint;
  readonly specId: number;
  /** 0: data files, 1: delete files. */
  readonly content: number;
  readonly sequenceNumber: bigint;
  readonly minSequenceNumber: bigint;
  readonly addedSnapshotId: bigint;
  readonly files: Counts;
  readonly rows: Counts;
  readonly partitions: readonly FieldSummary[] | undefined;
  readonly keyMetadata: Uint8Array | undefined;
}

interface Counts {
  readonly added: bigint;
  readonly existing: bigint;
  readonly deleted: bigint;
}

export interface ListHeader {
  readonly snapshotId: bigint;
  readonly parentId: bigint | undefined;
  readonly sequenceNumber: bigint;
}

export function encodeManifestList(
  manifests: readonly ManifestFile[],
  { snapshotId, parentId, sequenceNumber }: ListHeader,
  random: Random,
): Uint8Array {
  const header = {
    'snapshot-id': String(snapshotId),
    'parent-snapshot-id': parentId === undefined ? 'null' : String(parentId),
    'sequence-number': String(sequenceNumber),
    'format-version': '2',
  };
  return encodeAvroFile(SCHEMA, manifests.map(recordOf), header, random);
}

/** @throws {EngineError} `ICE-007` (`corrupt`). */
export function decodeManifestList(bytes: Uint8Array, location: string): ManifestFile[] {
  return decodeAvroFile(bytes, location).records.map((record) => manifestOf(record, location));
}

function recordOf(manifest: ManifestFile): AvroRecord {
  return {
    manifest_path: manifest.location,
    manifest_length: manifest.sizeBytes,
    partition_spec_id: manifest.specId,
    content: manifest.content,
    sequence_number: manifest.sequenceNumber,
    min_sequence_number: manifest.minSequenceNumber,
    added_snapshot_id: manifest.addedSnapshotId,
    added_files_count: Number(manifest.files.added),
    existing_files_count: Number(manifest.files.existing),
    deleted_files_count: Number(manifest.files.deleted),
    added_rows_count: manifest.rows.added,
    existing_rows_count: manifest.rows.existing,
    deleted_rows_count: manifest.rows.deleted,
    partitions:
      manifest.partitions?.map(({ containsNull, containsNan, lower, upper }) => ({
        contains_null: containsNull,
        contains_nan: containsNan ?? null,
        lower_bound: bufferOf(lower),
        upper_bound: bufferOf(upper),
      })) ?? null,
    key_metadata: bufferOf(manifest.keyMetadata),
  };
}

function manifestOf(record: AvroRecord, location: string): ManifestFile {
  const path = record['manifest_path'];
  if (typeof path !== 'string') throw corruptTable(location, 'an entry has no manifest');
  const long = (...names: string[]): bigint => {
    for (const name of names) {
      const value = record[name];
      if (typeof value === 'bigint' || typeof value === 'number') return BigInt(value);
    }
    return 0n;
  };
  // Two spellings: Java once wrote counts as added_data_files_count.
  const counts = (what: string): Counts => ({
    added: long(`added_${what}_count`, `added_data_${what}_count`),
    existing: long(`existing_${what}_count`, `existing_data_${what}_count`),
    deleted: long(`deleted_${what}_count`, `deleted_data_${what}_count`),
  });
  const partitions = record['partitions'] as readonly AvroRecord[] | null | undefined;
  return {
    location: path,
    sizeBytes: long('manifest_length'),
    specId: Number(long('partition_spec_id')),
    content: Number(long('content')),
    sequenceNumber: long('sequence_number'),
    minSequenceNumber: long('min_sequence_number'),
    addedSnapshotId: long('added_snapshot_id'),
    files: counts('files'),
    rows: counts('rows'),
    partitions: partitions?.map((summary) => ({
      containsNull: summary['contains_null'] === true,
      containsNan: (summary['contains_nan'] as boolean | null | undefined) ?? undefined,
      lower: (summary['lower_bound'] as Uint8Array | null | undefined) ?? undefined,
      upper: (summary['upper_bound'] as Uint8Array | null | undefined) ?? undefined,
    })),
    keyMetadata: (record['key_metadata'] as Uint8Array | null | undefined) ?? undefined,
  };
}

function bufferOf(bytes: Uint8Array | undefined): Buffer | null {
  return bytes === undefined ? null : Buffer.from(bytes);
}

const field = (name: string, id: number, type: Json): JsonObject => ({
  name,
  type,
  ...(Array.isArray(type) ? { default: null } : {}),
  'field-id': id,
});

const SUMMARY: Json = {
  type: 'record',
  name: 'r508',
  fields: [
    field('contains_null', 509, 'boolean'),
    field('contains_nan', 518, ['null', 'boolean']),
    field('lower_bound', 510, ['null', 'bytes']),
    field('upper_bound', 511, ['null', 'bytes']),
  ],
};

const SCHEMA: Json = {
  type: 'record',
  name: 'manifest_file',
  fields: [
    field('manifest_path', 500, 'string'),
    field('manifest_length', 501, 'long'),
    field('partition_spec_id', 502, 'int'),
    field('content', 517, 'int'),
    field('sequence_number', 515, 'long'),
    field('min_sequence_number', 516, 'long'),
    field('added_snapshot_id', 503, 'long'),
    field('added_files_count', 504, 'int'),
    field('existing_files_count', 505, 'int'),
    field('deleted_files_count', 506, 'int'),
    field('added_rows_count', 512, 'long'),
    field('existing_rows_count', 513, 'long'),
    field('deleted_rows_count', 514, 'long'),
    field('partitions', 507, ['null', { type: 'array', items: SUMMARY, 'element-id': 508 }]),
    field('key_metadata', 519, ['null', 'bytes']),
  ],
};

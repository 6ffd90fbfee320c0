/**
 * Manifests: Avro files that list data files, each with its partition, counts and bounds. What a
 * checkpoint adds has no snapshot id and no sequence number yet: readers take those of the manifest's
 * entry in the manifest list, so that the list alone is written anew when another writer was first.
 */
import type { Random } from '../../common/random.ts';
import { type AvroFile, type AvroRecord, decodeAvroFile, encodeAvroFile } from './avro-file.ts';
import { corruptTable } from './errors.ts';
import { decimalBytes, type Datum, type Primitive, type TableSchema } from './iceberg-type.ts';
import { isJsonObject, type Json, type JsonObject, parseJson, printJson } from './lossless-json.ts';
import type { PartitionSpec } from './partition-fields.ts';
import type { PartitionColumn, PartitionTuple } from './partitioner.ts';
import { decimalFrom, twosComplementOf } from './single-value.ts';

/** A data file as its writer knows it. */
export interface DataFile {
  readonly location: string;
  readonly partition: PartitionTuple;
  readonly rows: number;
  readonly sizeBytes: number;
  readonly columnSizes: ReadonlyMap<number, number>;
  readonly valueCounts: ReadonlyMap<number, number>;
  readonly nullCounts: ReadonlyMap<number, number>;
  readonly nanCounts: ReadonlyMap<number, number>;
  readonly lowerBounds: ReadonlyMap<number, Uint8Array>;
  readonly upperBounds: ReadonlyMap<number, Uint8Array>;
  readonly splitOffsets: readonly number[];
}

export const STATUS = { existing: 0, added: 1, deleted: 2 } as const;

/** An entry of a manifest with all that it inherits. */
export interface ManifestEntry {
  readonly status: number;
  readonly snapshotId: bigint | undefined;
  readonly sequenceNumber: bigint | undefined;
  readonly fileSequenceNumber: bigint | undefined;
  readonly location: string;
  readonly rows: bigint;
  /** As it stands in the file, with the partition's fields by their ids. */
  readonly dataFile: AvroRecord;
  readonly partition: ReadonlyMap<number, unknown>;
}

export interface ManifestKind {
  readonly schema: TableSchema;
  readonly spec: PartitionSpec;
  readonly columns: readonly PartitionColumn[];
}

/** What a checkpoint of one writer adds. */
export function newManifest(
  kind: ManifestKind,
  files: readonly DataFile[],
  random: Random,
): Uint8Array {
  const records = files.map((file) => ({
    status: STATUS.added,
    snapshot_id: null,
    sequence_number: null,
    file_sequence_number: null,
    data_file: dataFileRecord(file, kind.columns),
  }));
  return encodeAvroFile(entrySchema(kind.columns), records, headerOf(kind), random);
}

/** Entries of other manifests that stay, in one. */
export function mergedManifest(
  kind: ManifestKind,
  entries: readonly ManifestEntry[],
  random: Random,
): Uint8Array {
  const records = entries.map((entry) => ({
    status: STATUS.existing,
    snapshot_id: entry.snapshotId ?? null,
    sequence_number: entry.sequenceNumber ?? null,
    file_sequence_number: entry.fileSequenceNumber ?? null,
    data_file: keptRecord(entry, kind.columns),
  }));
  return encodeAvroFile(entrySchema(kind.columns), records, headerOf(kind), random);
}

/** What entries without their own take over. */
export interface Inherited {
  readonly snapshotId: bigint;
  readonly sequenceNumber: bigint;
}

/** @throws {EngineError} `ICE-007` (`corrupt`). */
export function readManifest(
  bytes: Uint8Array,
  location: string,
  inherited: Inherited,
): ManifestEntry[] {
  const file = decodeAvroFile(bytes, location);
  const partitionNames = partitionNamesOf(file);
  return file.records.map((record) => entryOf(record, partitionNames, location, inherited));
}

/** A manifest with the schema that its files were written with. @throws {EngineError} `ICE-007` (`corrupt`). */
export function openManifest(
  bytes: Uint8Array,
  location: string,
): { readonly schema: TableSchema; readonly files: readonly ManifestEntry[] } {
  const { metadata } = decodeAvroFile(bytes, location);
  const schema = metadata.get('schema');
  if (schema === undefined) throw corruptTable(location, 'it has no schema');
  const inherited = { snapshotId: 0n, sequenceNumber: 0n };
  return {
    schema: parseJson(schema) as unknown as TableSchema,
    files: readManifest(bytes, location, inherited),
  };
}

function entryOf(
  record: AvroRecord,
  partitionNames: ReadonlyMap<string, number>,
  location: string,
  inherited: Inherited,
): ManifestEntry {
  const dataFile = record['data_file'] as AvroRecord | undefined;
  const path = dataFile?.['file_path'];
  const status = record['status'];
  if (typeof path !== 'string' || typeof status !== 'number' || dataFile === undefined) {
    throw corruptTable(location, 'an entry has no data file');
  }
  const isAdded = status === STATUS.added;
  const partition = (dataFile['partition'] ?? {}) as AvroRecord;
  return {
    status,
    snapshotId: longOf(record['snapshot_id']) ?? inherited.snapshotId,
    // Only what a manifest adds inherits its number; what it keeps has its own.
    sequenceNumber:
      longOf(record['sequence_number']) ?? (isAdded ? inherited.sequenceNumber : undefined),
    fileSequenceNumber:
      longOf(record['file_sequence_number']) ?? (isAdded ? inherited.sequenceNumber : undefined),
    location: path,
    rows: longOf(dataFile['record_count']) ?? 0n,
    dataFile,
    partition: new Map(
      Object.entries(partition).map(([name, value]) => [partitionNames.get(name) ?? -1, value]),
    ),
  };
}

function longOf(value: unknown): bigint | undefined {
  return typeof value === 'bigint' || typeof value === 'number' ? BigInt(value) : undefined;
}

function headerOf({ schema, spec }: ManifestKind): Record<string, string> {
  return {
    schema: printJson(schema),
    'schema-id': String(schema['schema-id']),
    'partition-spec': printJson(spec.fields),
    'partition-spec-id': String(spec['spec-id']),
    'format-version': '2',
    content: 'data',
  };
}

function dataFileRecord(file: DataFile, columns: readonly PartitionColumn[]): AvroRecord {
  const partition = columns.map(({ name, type }, index) => [
    avroName(name),
    avroValue(type, file.partition[index]),
  ]);
  return {
    content: 0,
    file_path: file.location,
    file_format: 'PARQUET',
    partition: Object.fromEntries(partition) as AvroRecord,
    record_count: file.rows,
    file_size_in_bytes: file.sizeBytes,
    column_sizes: pairs(file.columnSizes),
    value_counts: pairs(file.valueCounts),
    null_value_counts: pairs(file.nullCounts),
    nan_value_counts: pairs(file.nanCounts),
    lower_bounds: pairs(file.lowerBounds),
    upper_bounds: pairs(file.upperBounds),
    key_metadata: null,
    split_offsets: file.splitOffsets,
    equality_ids: null,
    sort_order_id: 0,
  };
}

function keptRecord(
  { dataFile, partition }: ManifestEntry,
  columns: readonly PartitionColumn[],
): AvroRecord {
  const known = DATA_FILE_FIELDS.map((name) => [name, dataFile[name] ?? null]);
  return {
    ...(Object.fromEntries(known) as AvroRecord),
    partition: Object.fromEntries(
      columns.map(({ name, fieldId, type }) => [
        avroName(name),
        widened(type, partition.get(fieldId) ?? null),
      ]),
    ),
  };
}

/** A partition's value for a column that has been widened since: decimals of more digits have more bytes. */
function widened(type: Primitive, value: unknown): unknown {
  if (type.kind !== 'decimal' || !(value instanceof Uint8Array)) return value;
  return Buffer.from(twosComplementOf(decimalFrom(value), decimalBytes(type.precision)));
}

function pairs(values: ReadonlyMap<number, number | Uint8Array>): AvroRecord[] {
  return [...values].map(([key, value]) => ({
    key,
    value: typeof value === 'number' ? value : Buffer.from(value),
  }));
}

export function avroValue(type: Primitive, value: Datum | undefined): unknown {
  if (value === undefined) return null;
  if (type.kind === 'decimal') {
    return Buffer.from(twosComplementOf(value as bigint, decimalBytes(type.precision)));
  }
  return value instanceof Uint8Array ? Buffer.from(value) : value;
}

// The schema: names and ids are the specification's.

const optional = (type: Json): Json => ['null', type];

function field(name: string, id: number, type: Json): JsonObject {
  const isOptional = Array.isArray(type);
  return { name, type, ...(isOptional ? { default: null } : {}), 'field-id': id };
}

function mapOf(key: number, value: number, type: Json): Json {
  return optional({
    type: 'array',
    logicalType: 'map',
    items: {
      type: 'record',
      name: `k${key}_v${value}`,
      fields: [field('key', key, 'int'), field('value', value, type)],
    },
  });
}

function dataFileFields(columns: readonly PartitionColumn[]): JsonObject[] {
  const partition = columns.map(({ name, fieldId, type }) =>
    field(avroName(name), fieldId, optional(avroType(type, fieldId))),
  );
  return [
    field('content', 134, 'int'),
    field('file_path', 100, 'string'),
    field('file_format', 101, 'string'),
    field('partition', 102, { type: 'record', name: 'r102', fields: partition }),
    field('record_count', 103, 'long'),
    field('file_size_in_bytes', 104, 'long'),
    field('column_sizes', 108, mapOf(117, 118, 'long')),
    field('value_counts', 109, mapOf(119, 120, 'long')),
    field('null_value_counts', 110, mapOf(121, 122, 'long')),
    field('nan_value_counts', 137, mapOf(138, 139, 'long')),
    field('lower_bounds', 125, mapOf(126, 127, 'bytes')),
    field('upper_bounds', 128, mapOf(129, 130, 'bytes')),
    field('key_metadata', 131, optional('bytes')),
    field('split_offsets', 132, optional({ type: 'array', items: 'long', 'element-id': 133 })),
    field('equality_ids', 135, optional({ type: 'array', items: 'int', 'element-id': 136 })),
    field('sort_order_id', 140, optional('int')),
  ];
}

const DATA_FILE_FIELDS = dataFileFields([])
  .map((each) => each['name'] as string)
  .filter((name) => name !== 'partition');

function entrySchema(columns: readonly PartitionColumn[]): Json {
  return {
    type: 'record',
    name: 'manifest_entry',
    fields: [
      field('status', 0, 'int'),
      field('snapshot_id', 1, optional('long')),
      field('sequence_number', 3, optional('long')),
      field('file_sequence_number', 4, optional('long')),
      field('data_file', 2, { type: 'record', name: 'r2', fields: dataFileFields(columns) }),
    ],
  };
}

function avroType(type: Primitive, fieldId: number): Json {
  switch (type.kind) {
    case 'date':
      return { type: 'int', logicalType: 'date' };
    case 'time':
      return { type: 'long', logicalType: 'time-micros' };
    case 'timestamp':
      return { type: 'long', logicalType: 'timestamp-micros', 'adjust-to-utc': false };
    case 'timestamptz':
      return { type: 'long', logicalType: 'timestamp-micros', 'adjust-to-utc': true };
    case 'uuid':
      return { type: 'fixed', name: `uuid_${fieldId}`, size: 16, logicalType: 'uuid' };
    case 'fixed':
      return { type: 'fixed', name: `fixed_${fieldId}`, size: type.length };
    case 'binary':
      return 'bytes';
    case 'decimal': {
      const { precision, scale } = type;
      const decimal = { logicalType: 'decimal', precision, scale };
      return {
        type: 'fixed',
        name: `decimal_${fieldId}`,
        size: decimalBytes(precision),
        ...decimal,
      };
    }
    default:
      return type.kind;
  }
}

/** Avro takes letters, digits and `_`; what else a name has is written as Iceberg does. */
export function avroName(name: string): string {
  const rest = name.replaceAll(/[^A-Za-z0-9_]/gu, (character) => {
    return `_x${(character.codePointAt(0) ?? 0).toString(16).toUpperCase()}`;
  });
  return /^\d/.test(rest) ? `_${rest}` : rest;
}

/** Which field of the spec a name in the partition's record stands for. */
function partitionNamesOf({ schema }: AvroFile): ReadonlyMap<string, number> {
  const dataFile = recordField(schema, 'data_file');
  const fields = fieldsOf(recordField(dataFile, 'partition'));
  return new Map(fields.map((each) => [each['name'] as string, Number(each['field-id'])]));
}

function recordField(record: Json | undefined, name: string): Json | undefined {
  return fieldsOf(record).find((each) => each['name'] === name)?.['type'];
}

function fieldsOf(record: Json | undefined): readonly JsonObject[] {
  const fields = isJsonObject(record) ? record['fields'] : undefined;
  return Array.isArray(fields) ? (fields as readonly Json[]).filter(isJsonObject) : [];
}

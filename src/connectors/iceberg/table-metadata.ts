/**
 * A table's metadata, as its JSON: what is not known here stays as it was. Changes are those of the REST
 * protocol, so that one description serves a catalog that makes them and one that is asked to.
 */
import { corruptTable, unsupportedTable } from './errors.ts';
import type { TableSchema } from './iceberg-type.ts';
import { isJsonObject, type Json, type JsonObject, parseJson, printJson } from './lossless-json.ts';
import type { PartitionSpec } from './partition-fields.ts';

export interface TableMetadata extends JsonObject {
  readonly 'format-version': number;
  readonly 'table-uuid': string;
  readonly location: string;
  readonly 'last-sequence-number': Integer;
  readonly 'last-updated-ms': Integer;
  readonly 'last-column-id': number;
  readonly 'current-schema-id': number;
  readonly schemas: readonly TableSchema[];
  readonly 'default-spec-id': number;
  readonly 'partition-specs': readonly PartitionSpec[];
  readonly 'last-partition-id'?: number;
  readonly properties?: Readonly<Record<string, string>>;
  readonly 'current-snapshot-id'?: Integer | null;
  readonly refs?: Readonly<Record<string, SnapshotRef>>;
  readonly snapshots?: readonly Snapshot[];
  readonly 'snapshot-log'?: readonly SnapshotLogEntry[];
  readonly 'metadata-log'?: readonly MetadataLogEntry[];
}

/** A bigint where a number would lose digits. */
type Integer = number | bigint;

export interface SnapshotRef extends JsonObject {
  readonly 'snapshot-id': Integer;
  readonly type: string;
}

export interface Snapshot extends JsonObject {
  readonly 'snapshot-id': Integer;
  readonly 'parent-snapshot-id'?: Integer | null;
  readonly 'sequence-number'?: Integer;
  readonly 'timestamp-ms': Integer;
  readonly 'manifest-list'?: string;
  readonly summary?: Readonly<Record<string, string>>;
}

export interface SnapshotLogEntry extends JsonObject {
  readonly 'snapshot-id': Integer;
  readonly 'timestamp-ms': Integer;
}

export interface MetadataLogEntry extends JsonObject {
  readonly 'timestamp-ms': Integer;
  readonly 'metadata-file': string;
}

export const MAIN = 'main';

/**
 * @param what Names the file.
 * @throws {EngineError} `ICE-007` (`corrupt`), `ICE-003` (`invalid`) for another format version than 2.
 */
export function parseMetadata(text: string, what: string): TableMetadata {
  let json: Json;
  try {
    json = parseJson(text);
  } catch (cause) {
    throw corruptTable(what, 'it is no JSON', cause);
  }
  return checkMetadata(json, what);
}

export function checkMetadata(json: Json | undefined, what: string): TableMetadata {
  if (!isJsonObject(json)) throw corruptTable(what, 'it is no object');
  const version = json['format-version'];
  if (version !== 2)
    throw unsupportedTable(what, `it has the format version ${printJson(version ?? null)}`);
  for (const [name, type] of [
    ['table-uuid', 'string'],
    ['location', 'string'],
    ['current-schema-id', 'number'],
    ['default-spec-id', 'number'],
  ] as const) {
    if (typeof json[name] !== type) throw corruptTable(what, `it has no ${name}`);
  }
  for (const name of ['schemas', 'partition-specs']) {
    if (!Array.isArray(json[name])) throw corruptTable(what, `it has no ${name}`);
  }
  return json as unknown as TableMetadata;
}

export function currentSchema(metadata: TableMetadata): TableSchema {
  const id = metadata['current-schema-id'];
  const schema = metadata.schemas.find((each) => each['schema-id'] === id);
  if (schema === undefined) throw corruptTable(metadata.location, `it has no schema ${id}`);
  return schema;
}

export function specOf(metadata: TableMetadata, id: number): PartitionSpec {
  const spec = metadata['partition-specs'].find((each) => each['spec-id'] === id);
  if (spec === undefined) throw corruptTable(metadata.location, `it has no partition spec ${id}`);
  return spec;
}

/** Undefined for a table without rows. */
export function currentSnapshotId(metadata: TableMetadata): bigint | undefined {
  const id = metadata.refs?.[MAIN]?.['snapshot-id'] ?? metadata['current-snapshot-id'];
  if (id === undefined || id === null || BigInt(id) === -1n) return undefined;
  return BigInt(id);
}

export function currentSnapshot(metadata: TableMetadata): Snapshot | undefined {
  const id = currentSnapshotId(metadata);
  return id === undefined ? undefined : snapshotById(metadata, id);
}

export function snapshotById(metadata: TableMetadata, id: bigint): Snapshot | undefined {
  return metadata.snapshots?.find((snapshot) => BigInt(snapshot['snapshot-id']) === id);
}

export function idOf(snapshot: Snapshot): bigint {
  return BigInt(snapshot['snapshot-id']);
}

export function parentIdOf(snapshot: Snapshot): bigint | undefined {
  const id = snapshot['parent-snapshot-id'];
  return id === undefined || id === null ? undefined : BigInt(id);
}

export interface Ancestry {
  /** The current snapshot first. */
  readonly snapshots: readonly Snapshot[];
  /** Older ones have been expired. */
  readonly isCut: boolean;
}

/** The current snapshot and what it was made of. */
export function ancestry(metadata: TableMetadata): Ancestry {
  const byId = new Map((metadata.snapshots ?? []).map((each) => [idOf(each), each]));
  const snapshots: Snapshot[] = [];
  let id = currentSnapshotId(metadata);
  while (id !== undefined) {
    const snapshot = byId.get(id);
    if (snapshot === undefined) return { snapshots, isCut: true };
    // Never twice, even if a damaged table goes round in a circle.
    byId.delete(id);
    snapshots.push(snapshot);
    id = parentIdOf(snapshot);
  }
  return { snapshots, isCut: false };
}

export function propertyOf(metadata: TableMetadata, name: string, otherwise: number): number {
  const value = Number(metadata.properties?.[name] ?? Number.NaN);
  return Number.isFinite(value) ? value : otherwise;
}

export function flagOf(metadata: TableMetadata, name: string, otherwise: boolean): boolean {
  const value = metadata.properties?.[name];
  return value === undefined ? otherwise : value.toLowerCase() === 'true';
}

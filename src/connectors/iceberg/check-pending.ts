/**
 * Whether what a writer has written can still become part of a table that others have changed since. Readers
 * find columns by their ids, so columns that were added, renamed, moved, widened or dropped do no harm. Files
 * without a value that the table has come to require do: readers of all makes fail on them.
 */
import type { LoadedTable } from './catalog.ts';
import type { PendingManifest } from './committable.ts';
import { anotherTable, changedTable, corruptTable } from './errors.ts';
import {
  type IcebergType,
  isList,
  isMap,
  isStruct,
  type StructField,
  type StructType,
} from './iceberg-type.ts';
import { below } from './columns.ts';
import { openManifest } from './manifest.ts';
import { currentSchema } from './table-metadata.ts';

/** @throws {EngineError} `ICE-014` (`corrupt`) for another table of that name. */
export function requireSameTable(
  { metadata }: LoadedTable,
  pending: readonly PendingManifest[],
  table: string,
): void {
  const uuid = metadata['table-uuid'];
  for (const { tableUuid } of pending) {
    if (tableUuid !== uuid) throw anotherTable(table, tableUuid, uuid);
  }
}

/**
 * @param table Its name.
 * @throws {EngineError} `ICE-015` (`invalid`) if columns or partitions do not fit any more.
 */
export async function checkPending(
  { metadata, io }: LoadedTable,
  pending: readonly PendingManifest[],
  table: string,
): Promise<void> {
  const specs = new Set(metadata['partition-specs'].map((spec) => spec['spec-id']));
  for (const { specId, schemaId, location } of pending) {
    if (!specs.has(specId)) throw changedTable(table, '', `its partition spec ${specId} is gone`);
    if (schemaId === metadata['current-schema-id']) continue;
    const bytes = await io.read(location);
    if (bytes === undefined) throw corruptTable(location, 'it is not there');
    const { schema, files } = openManifest(bytes, location);
    const nulls = files.map(({ dataFile }) => nullCountsOf(dataFile['null_value_counts']));
    const hasAll = (id: number): boolean => nulls.every((counts) => counts.get(id) === 0n);
    const missing = missingIn(schema, currentSchema(metadata), hasAll, '');
    if (missing !== undefined) {
      throw changedTable(table, missing, 'it is required now, and was written without values');
    }
  }
}

/** The first field that readers would miss. */
function missingIn(
  have: StructType,
  want: StructType,
  hasAll: (id: number) => boolean,
  path: string,
): string | undefined {
  for (const field of want.fields) {
    const missing = missingOf(
      have.fields.find(({ id }) => id === field.id),
      field,
      hasAll,
      below(path, field.name),
    );
    if (missing !== undefined) return missing;
  }
  return undefined;
}

function missingOf(
  have: StructField | undefined,
  want: StructField,
  hasAll: (id: number) => boolean,
  path: string,
): string | undefined {
  if (want.required && have?.required !== true && !hasAll(want.id)) return path;
  if (have === undefined) return undefined;
  const [a, b] = [have.type, want.type];
  if (isStruct(a) && isStruct(b)) return missingIn(a, b, hasAll, path);
  const [inner, wanted] = [innerOf(a), innerOf(b)];
  if (inner === undefined || wanted === undefined) return undefined;
  return missingOf(inner, wanted, hasAll, `${path}[]`);
}

/** The elements of a list and the values of a map. */
function innerOf(type: IcebergType): StructField | undefined {
  if (isList(type)) {
    const { element, 'element-id': id, 'element-required': required } = type;
    return { id, name: 'element', required, type: element };
  }
  if (isMap(type)) {
    const { value, 'value-id': id, 'value-required': required } = type;
    return { id, name: 'value', required, type: value };
  }
  return undefined;
}

function nullCountsOf(counts: unknown): ReadonlyMap<number, bigint> {
  const pairs = (counts ?? []) as readonly { readonly key: number; readonly value: bigint }[];
  return new Map(pairs.map(({ key, value }) => [key, value]));
}

/** Makes the table that a sink writes to, or changes its columns, before anything is written. */
import type { LoadedTable, NewTable, TableName } from './catalog.ts';
import { tableText } from './catalog.ts';
import { type Columns, withIds } from './columns.ts';
import { badIcebergOption, noSuchTable } from './errors.ts';
import { isStruct, type IcebergType, type StructField, type TableSchema } from './iceberg-type.ts';
import type { PartitionBy, PartitionSpec } from './partition-fields.ts';
import { unchangedSchema } from './table-change.ts';
import { type CommitTarget, commitToTable } from './table-commit.ts';
import { matchSchema } from './table-schema.ts';
import { transformOf } from './transforms.ts';

export interface WantedTable {
  readonly columns: Columns;
  readonly partitionBy: readonly PartitionBy[];
  readonly properties: Readonly<Record<string, string>>;
  readonly evolve: boolean;
}

export interface PreparedTable {
  readonly table: LoadedTable;
  /** The fields that the sink writes. */
  readonly written: readonly StructField[];
}

const FIRST_PARTITION_ID = 1000;

/**
 * Safe to be called by many at once: one makes the table, or each change.
 *
 * @throws {EngineError} `ICE-004` (`invalid`) if the columns do not fit.
 */
export async function prepareTable(
  target: CommitTarget,
  wanted: WantedTable,
): Promise<PreparedTable> {
  const { catalog, table: name } = target;
  if ((await catalog.load(name)) === undefined) {
    await catalog.create(name, newTable(name, wanted));
  }
  const options = { table: tableText(name), evolve: wanted.evolve };
  await commitToTable(target, async (loaded) => {
    const { evolved } = matchSchema(loaded.metadata, wanted.columns, options);
    if (evolved === undefined) return { kind: 'nothing', result: undefined };
    const { schema, lastColumnId } = evolved;
    return {
      kind: 'change',
      change: {
        requirements: unchangedSchema(loaded.metadata),
        updates: [
          { action: 'add-schema', schema, 'last-column-id': lastColumnId },
          { action: 'set-current-schema', 'schema-id': -1 },
        ],
      },
      result: undefined,
      // Whoever has made it: the next look at the table says whether it fits.
      isIn: () => false,
      undo: () => Promise.resolve(),
    };
  });
  const table = await catalog.load(name);
  if (table === undefined) throw noSuchTable(tableText(name), catalog.url);
  const { written } = matchSchema(table.metadata, wanted.columns, options);
  return { table, written };
}

/** @throws {EngineError} `ICE-001` (`invalid`) for a partition of a column that is not there. */
export function newTable(
  name: TableName,
  { columns, partitionBy, properties }: Omit<WantedTable, 'evolve'>,
): NewTable {
  const { type, lastId } = withIds(columns, 0);
  const schema = { ...(type as TableSchema), 'schema-id': 0 };
  return { schema, lastColumnId: lastId, spec: specFor(partitionBy, schema, name), properties };
}

function specFor(
  partitionBy: readonly PartitionBy[],
  schema: TableSchema,
  table: TableName,
): PartitionSpec {
  const fields = partitionBy.map(({ column, transform, name }, index) => {
    const field = fieldAt(schema, column);
    if (field === undefined || transformOf(transform, field.type) === undefined) {
      throw badIcebergOption(
        'partitionBy',
        `${transform} of ${column} in ${tableText(table)}`,
        "day('at'), of a column whose type has it",
      );
    }
    return { name, transform, 'source-id': field.id, 'field-id': FIRST_PARTITION_ID + index };
  });
  return { 'spec-id': 0, fields };
}

function fieldAt(struct: IcebergType, path: string): StructField | undefined {
  if (!isStruct(struct)) return undefined;
  const direct = struct.fields.find(({ name }) => name === path);
  if (direct !== undefined) return direct;
  for (const field of struct.fields) {
    if (!path.startsWith(`${field.name}.`)) continue;
    const found = fieldAt(field.type, path.slice(field.name.length + 1));
    if (found !== undefined) return found;
  }
  return undefined;
}

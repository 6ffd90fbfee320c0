/**
 * Rows of a job as the columns of a table's data files: the Parquet schema with Iceberg's field ids,
 * values in the form that it takes, and the columns of which there are statistics.
 */
import type { SchemaElement } from 'hyparquet';
import type { ParquetColumns } from '../../formats/parquet/parquet-columns.ts';
import { below } from './columns.ts';
import { expectedOf, toDatum } from './column-values.ts';
import { ColumnStats } from './column-stats.ts';
import { rowMisfit, unsupportedTable } from './errors.ts';
import {
  type Datum,
  decimalBytes,
  type IcebergType,
  isList,
  isMap,
  isStruct,
  type ListType,
  type MapType,
  type Primitive,
  primitiveOf,
  type StructField,
  type StructType,
} from './iceberg-type.ts';

/** A value as the Parquet library takes it: data, or arrays and objects of them. */
type Taken = unknown;
type Take = (value: unknown, size: Size) => Taken;

interface Size {
  bytes: number;
}

interface Placed {
  readonly elements: readonly SchemaElement[];
  readonly take: Take;
}

/** Where a leaf with statistics is in a taken row: the column, and the names of fields in it. */
interface StatPlace {
  readonly column: number;
  readonly names: readonly string[];
  readonly fieldId: number;
  readonly type: Primitive;
}

const DATUM_BYTES = 24;
const CONTAINER_BYTES = 32;

export class RowColumns implements ParquetColumns {
  readonly schema: SchemaElement[];
  readonly names: readonly string[];
  /** Ids of the leaves in the order of a file's column chunks. */
  readonly leafIds: readonly number[];
  readonly #fields: readonly { readonly name: string; readonly take: Take }[];
  readonly #stats: readonly StatPlace[];

  /** @param columns Those of the table that the sink writes: the others are null in its files. */
  constructor(columns: readonly StructField[], table: string) {
    const placed = columns.map((field) => place(field, field.name, table));
    this.schema = [
      { name: 'table', num_children: columns.length },
      ...placed.flatMap(({ elements }) => elements),
    ];
    this.names = columns.map(({ name }) => name);
    this.leafIds = this.schema.flatMap(({ type, field_id }) =>
      type !== undefined && field_id !== undefined ? [field_id] : [],
    );
    this.#fields = placed.map(({ take }, index) => ({ name: this.names[index] ?? '', take }));
    this.#stats = columns.flatMap((field, column) => statPlaces(field, column, []));
  }

  /** @throws {EngineError} `ICE-006` (`invalid`). */
  readonly take = (row: unknown, size: Size): Taken[] => {
    if (typeof row !== 'object' || row === null) throw rowMisfit('', 'an object', row);
    const values = row as Readonly<Record<string, unknown>>;
    return this.#fields.map(({ name, take }) => take(values[name], size));
  };

  stats(): ColumnStats[] {
    return this.#stats.map(({ fieldId, type }) => new ColumnStats(fieldId, type));
  }

  /** @param stats What `stats()` has made. */
  count(values: readonly Taken[], stats: readonly ColumnStats[]): void {
    for (const [index, { column, names }] of this.#stats.entries()) {
      stats[index]?.add(valueAt(values[column], names));
    }
  }
}

/** A leaf's value in a taken value; null where a struct around it is. */
export function valueAt(taken: Taken, names: readonly string[]): Datum | null {
  let value = taken;
  for (const name of names) {
    if (value === null || value === undefined) return null;
    value = (value as Readonly<Record<string, unknown>>)[name];
  }
  return (value ?? null) as Datum | null;
}

function statPlaces(field: StructField, column: number, names: readonly string[]): StatPlace[] {
  if (isStruct(field.type)) {
    return field.type.fields.flatMap((inner) => statPlaces(inner, column, [...names, inner.name]));
  }
  const type = primitiveOf(field.type);
  return type === undefined ? [] : [{ column, names, fieldId: field.id, type }];
}

function place(field: StructField, path: string, table: string): Placed {
  const { element, children, take } = shape(field.type, path, table);
  const repetition_type = field.required ? 'REQUIRED' : 'OPTIONAL';
  return {
    elements: [{ ...element, name: field.name, field_id: field.id, repetition_type }, ...children],
    take: field.required
      ? take
      : (value, size) => (value === undefined || value === null ? null : take(value, size)),
  };
}

interface Shape {
  readonly element: Omit<SchemaElement, 'name'>;
  readonly children: readonly SchemaElement[];
  readonly take: Take;
}

function shape(type: IcebergType, path: string, table: string): Shape {
  if (isStruct(type)) return struct(type, path, table);
  if (isList(type)) return list(type, path, table);
  if (isMap(type)) return map(type, path, table);
  const primitive = primitiveOf(type);
  if (primitive === undefined) {
    throw unsupportedTable(table, `the column ${path} has the type ${JSON.stringify(type)}`);
  }
  const convert = toDatum(primitive);
  return {
    element: elementOf(primitive),
    children: [],
    take: (value, size) => {
      const datum = convert(value);
      if (datum === undefined) throw rowMisfit(path, expectedOf(primitive), value);
      const isLong = typeof datum === 'string' || datum instanceof Uint8Array;
      size.bytes += isLong ? DATUM_BYTES + datum.length : DATUM_BYTES;
      return datum;
    },
  };
}

function struct(type: StructType, path: string, table: string): Shape {
  const fields = type.fields.map((field) => ({
    name: field.name,
    ...place(field, below(path, field.name), table),
  }));
  return {
    element: { num_children: fields.length },
    children: fields.flatMap(({ elements }) => elements),
    take: (value, size) => {
      if (typeof value !== 'object' || value === null || Array.isArray(value)) {
        throw rowMisfit(path, 'an object', value);
      }
      size.bytes += CONTAINER_BYTES;
      const values = value as Readonly<Record<string, unknown>>;
      return Object.fromEntries(fields.map(({ name, take }) => [name, take(values[name], size)]));
    },
  };
}

function list(type: ListType, path: string, table: string): Shape {
  const item = place(
    {
      id: type['element-id'],
      name: 'element',
      required: type['element-required'],
      type: type.element,
    },
    `${path}[]`,
    table,
  );
  return {
    element: { num_children: 1, converted_type: 'LIST', logical_type: { type: 'LIST' } },
    children: [{ name: 'list', repetition_type: 'REPEATED', num_children: 1 }, ...item.elements],
    take: (value, size) => {
      if (!Array.isArray(value)) throw rowMisfit(path, 'an array', value);
      size.bytes += CONTAINER_BYTES;
      return Array.from(value, (element) => item.take(element, size));
    },
  };
}

function map(type: MapType, path: string, table: string): Shape {
  const key = place(
    { id: type['key-id'], name: 'key', required: true, type: type.key },
    `${path}{key}`,
    table,
  );
  const item = place(
    {
      id: type['value-id'],
      name: 'value',
      required: type['value-required'],
      type: type.value,
    },
    `${path}{value}`,
    table,
  );
  return {
    element: { num_children: 1, converted_type: 'MAP', logical_type: { type: 'MAP' } },
    children: [
      { name: 'key_value', repetition_type: 'REPEATED', num_children: 2 },
      ...key.elements,
      ...item.elements,
    ],
    take: (value, size) => {
      if (typeof value !== 'object' || value === null || Array.isArray(value)) {
        throw rowMisfit(path, 'a Map or an object', value);
      }
      size.bytes += CONTAINER_BYTES;
      const entries =
        value instanceof Map ? [...(value as Map<unknown, unknown>)] : Object.entries(value);
      return entries.map(([name, of]) => ({
        key: key.take(name, size),
        value: item.take(of, size),
      }));
    },
  };
}

/** How the specification has a type in Parquet. */
function elementOf(type: Primitive): Omit<SchemaElement, 'name'> {
  switch (type.kind) {
    case 'boolean':
      return { type: 'BOOLEAN' };
    case 'int':
      return { type: 'INT32' };
    case 'long':
      return { type: 'INT64' };
    case 'float':
      return { type: 'FLOAT' };
    case 'double':
      return { type: 'DOUBLE' };
    case 'date':
      return { type: 'INT32', converted_type: 'DATE', logical_type: { type: 'DATE' } };
    case 'time':
      return {
        type: 'INT64',
        logical_type: { type: 'TIME', isAdjustedToUTC: false, unit: 'MICROS' },
      };
    case 'timestamp':
      // No converted type: that of old would say that it is in UTC.
      return {
        type: 'INT64',
        logical_type: { type: 'TIMESTAMP', isAdjustedToUTC: false, unit: 'MICROS' },
      };
    case 'timestamptz':
      return {
        type: 'INT64',
        converted_type: 'TIMESTAMP_MICROS',
        logical_type: { type: 'TIMESTAMP', isAdjustedToUTC: true, unit: 'MICROS' },
      };
    case 'string':
      return { type: 'BYTE_ARRAY', converted_type: 'UTF8', logical_type: { type: 'STRING' } };
    case 'uuid':
      return { type: 'FIXED_LEN_BYTE_ARRAY', type_length: 16, logical_type: { type: 'UUID' } };
    case 'fixed':
      return { type: 'FIXED_LEN_BYTE_ARRAY', type_length: type.length };
    case 'binary':
      return { type: 'BYTE_ARRAY' };
    case 'decimal':
      return decimalElement(type.precision, type.scale);
  }
}

function decimalElement(precision: number, scale: number): Omit<SchemaElement, 'name'> {
  const decimal = {
    converted_type: 'DECIMAL' as const,
    precision,
    scale,
    logical_type: { type: 'DECIMAL' as const, precision, scale },
  };
  if (precision <= 9) return { type: 'INT32', ...decimal };
  if (precision <= 18) return { type: 'INT64', ...decimal };
  return { type: 'FIXED_LEN_BYTE_ARRAY', type_length: decimalBytes(precision), ...decimal };
}

/** The columns that a sink wants, before a table has given them ids. */
import { membersOf, type EnumValue, type TypeSchema } from '../../serde/type-schema.ts';
import { noIcebergType } from './errors.ts';
import type { IcebergType } from './iceberg-type.ts';
import { primitiveOf } from './iceberg-type.ts';

/** What a column holds. */
export type ColumnType =
  | { readonly kind: 'primitive'; readonly type: string }
  | { readonly kind: 'struct'; readonly fields: Columns }
  | { readonly kind: 'list'; readonly element: Column }
  | { readonly kind: 'map'; readonly key: Column; readonly value: Column };

export type Columns = Readonly<Record<string, Column>>;

declare const ofValue: unique symbol;

/** A column of an Iceberg table, made by `t`. `Value` is what rows may hold for it. */
export class Column<Value = unknown, Optional extends boolean = boolean> {
  readonly type: ColumnType;
  readonly isOptional: Optional;
  declare readonly [ofValue]: Value;

  /** @internal */
  constructor(type: ColumnType, isOptional: Optional) {
    this.type = type;
    this.isOptional = isOptional;
  }

  /** May be null, or missing in a row. */
  optional(): Column<Value | null, true> {
    return new Column(this.type, true);
  }
}

/** The columns of a sink: names in the order in which a new table gets them. */
export interface IcebergSchema<C extends Columns = Columns> {
  readonly kind: 'iceberg-schema';
  readonly columns: C;
}

type OptionalNames<C extends Columns> = {
  [Name in keyof C]: C[Name] extends Column<unknown, true> ? Name : never;
}[keyof C];

type ValueOf<C> = C extends Column<infer Value> ? Value : never;

/** What a row of these columns may be. */
export type RowOf<C extends Columns> = {
  readonly [Name in Exclude<keyof C, OptionalNames<C>>]: ValueOf<C[Name]>;
} & { readonly [Name in OptionalNames<C>]?: ValueOf<C[Name]> | undefined };

/** A point in time: a `Date`, milliseconds since 1970, microseconds as a bigint, or ISO 8601 text. */
export type TimeValue = Date | number | bigint | string;

const required = <Value>(type: string) =>
  new Column<Value, false>({ kind: 'primitive', type }, false);

/** Makes columns. All are required until `.optional()`. */
export const t = {
  boolean: () => required<boolean>('boolean'),
  /** 32 bits. */
  int: () => required<number>('int'),
  /** 64 bits: a bigint, or a number up to 2^53. */
  long: () => required<bigint | number>('long'),
  /** 32 bits: digits beyond the seventh or so are lost. */
  float: () => required<number>('float'),
  double: () => required<number>('double'),
  /** Text such as `"12.50"`, or a number; one with more decimals than `scale` is refused. */
  decimal: (precision: number, scale: number) =>
    required<string | number>(`decimal(${precision},${scale})`),
  /** A `Date` (its day in UTC), days since 1970, or text such as `2026-01-31`. */
  date: () => required<Date | number | string>('date'),
  /** Milliseconds of the day, microseconds as a bigint, or text such as `13:05:09.25`. */
  time: () => required<number | bigint | string>('time'),
  /** A time of the clock on the wall, in no zone. Microseconds. */
  timestamp: () => required<TimeValue>('timestamp'),
  /** A point in time. Microseconds. */
  timestamptz: () => required<TimeValue>('timestamptz'),
  string: () => required<string>('string'),
  uuid: () => required<string | Uint8Array>('uuid'),
  fixed: (length: number) => required<Uint8Array>(`fixed[${length}]`),
  binary: () => required<Uint8Array>('binary'),
  struct: <const C extends Columns>(fields: C) =>
    new Column<RowOf<C>, false>({ kind: 'struct', fields }, false),
  list: <Value, Optional extends boolean>(element: Column<Value, Optional>) =>
    new Column<readonly Value[], false>({ kind: 'list', element }, false),
  /** A `Map`, or an object where the keys are text. */
  map: <Key, Value, Optional extends boolean>(
    key: Column<Key, false>,
    value: Column<Value, Optional>,
  ) =>
    new Column<ReadonlyMap<Key, Value> | Readonly<Record<string, Value>>, false>(
      { kind: 'map', key, value },
      false,
    ),
};

/**
 * Says what the columns of a table are, with types that a schema of values alone does not tell.
 *
 * ```ts
 * const vitals = icebergSchema({ patient: t.string(), at: t.timestamptz(), pulse: t.int().optional() });
 * ```
 */
export function icebergSchema<const C extends Columns>(columns: C): IcebergSchema<C> {
  checkColumns(columns, '');
  return { kind: 'iceberg-schema', columns };
}

function checkColumns(columns: Columns, path: string): void {
  if (Object.keys(columns).length === 0) {
    throw noIcebergType(path, 'a struct without fields', 'Give it a field, or leave it out.');
  }
  for (const [name, column] of Object.entries(columns)) checkColumn(column, below(path, name));
}

function checkColumn({ type }: Column, path: string): void {
  switch (type.kind) {
    case 'primitive':
      checkPrimitive(type.type, path);
      return;
    case 'struct':
      checkColumns(type.fields, path);
      return;
    case 'list':
      checkColumn(type.element, `${path}[]`);
      return;
    case 'map':
      checkColumn(type.key, `${path}{key}`);
      checkColumn(type.value, `${path}{value}`);
  }
}

function checkPrimitive(name: string, path: string): void {
  const type = primitiveOf(name);
  const isGood =
    type !== undefined &&
    (type.kind !== 'fixed' || type.length > 0) &&
    (type.kind !== 'decimal' ||
      (type.precision >= 1 && type.precision <= 38 && type.scale <= type.precision));
  if (!isGood) throw noIcebergType(path, `the type ${name}`, 'Take one of the types of `t`.');
}

/**
 * The columns of values whose structure is known.
 *
 * @param asked Columns to take instead, by their names.
 * @throws {EngineError} `ICE-005` (`invalid`) for a type that has no column.
 */
export function columnsOf(row: TypeSchema, asked: Columns = {}): Columns {
  if (row.kind !== 'object') {
    throw noIcebergType('', `rows of the type ${row.kind}`, 'Give a schema such as z.object({…}).');
  }
  const columns = { ...fieldsOf(row, '', asked), ...asked };
  checkColumns(columns, '');
  return columns;
}

function fieldsOf(
  type: Extract<TypeSchema, { kind: 'object' }>,
  path: string,
  asked: Columns,
): Columns {
  if (type.rest !== undefined) {
    throw noIcebergType(path, 'an object with any further fields', 'List all fields.');
  }
  return Object.fromEntries(
    type.fields
      .filter(({ name }) => !Object.hasOwn(asked, name))
      .map((field) => [
        field.name,
        columnOf(field.type, below(path, field.name), field.optional === true),
      ]),
  );
}

function columnOf(type: TypeSchema, path: string, optional: boolean): Column {
  const all = membersOf(type);
  const members = all.filter(({ kind }) => kind !== 'null' && kind !== 'undefined');
  const [only] = members;
  if (only === undefined || members.length > 1) {
    const what = only === undefined ? 'a value that is always null' : 'a union of types';
    throw noIcebergType(path, what, 'Give one type, or say the column in columns.');
  }
  const hasNull = only.kind === 'enum' && only.values.includes(null);
  return new Column(typeOf(only, path), optional || members.length < all.length || hasNull);
}

function typeOf(type: TypeSchema, path: string): ColumnType {
  switch (type.kind) {
    case 'object':
      return { kind: 'struct', fields: fieldsOf(type, path, {}) };
    case 'array':
      return { kind: 'list', element: columnOf(type.of, `${path}[]`, false) };
    case 'record':
      return {
        kind: 'map',
        key: required('string'),
        value: columnOf(type.of, `${path}{value}`, false),
      };
    case 'enum':
      return { kind: 'primitive', type: enumType(type.values, path) };
    default: {
      const name = SCALARS[type.kind];
      if (name !== undefined) return { kind: 'primitive', type: name };
      throw noIcebergType(path, `the type ${type.kind}`, 'Say the column in columns, as t.…().');
    }
  }
}

const SCALARS: Readonly<Record<string, string | undefined>> = {
  boolean: 'boolean',
  int32: 'int',
  float64: 'double',
  bigint: 'long',
  string: 'string',
  date: 'timestamptz',
  bytes: 'binary',
};

function enumType(all: readonly EnumValue[], path: string): string {
  const values = all.filter((value) => value !== null);
  if (values.every((value) => typeof value === 'string')) return 'string';
  if (values.every((value) => typeof value === 'boolean')) return 'boolean';
  if (values.every((value) => typeof value === 'number')) {
    return values.every((value) => Number.isInteger(value) && value === (value | 0))
      ? 'int'
      : 'double';
  }
  throw noIcebergType(path, 'values of different types', 'Say the column in columns.');
}

/** The same columns with ids: those of a level first, then those of what is in them. */
export function withIds(columns: Columns, lastId: number): { type: IcebergType; lastId: number } {
  const ids = { last: lastId };
  const type = structWithIds(columns, ids);
  return { type, lastId: ids.last };
}

/** A type with fresh ids. */
export function typeWithIds(type: ColumnType, ids: { last: number }): IcebergType {
  switch (type.kind) {
    case 'primitive':
      return type.type;
    case 'struct':
      return structWithIds(type.fields, ids);
    case 'list': {
      const id = ++ids.last;
      return {
        type: 'list',
        'element-id': id,
        element: typeWithIds(type.element.type, ids),
        'element-required': !type.element.isOptional,
      };
    }
    case 'map': {
      const keyId = ++ids.last;
      const valueId = ++ids.last;
      return {
        type: 'map',
        'key-id': keyId,
        key: typeWithIds(type.key.type, ids),
        'value-id': valueId,
        value: typeWithIds(type.value.type, ids),
        'value-required': !type.value.isOptional,
      };
    }
  }
}

function structWithIds(columns: Columns, ids: { last: number }): IcebergType {
  const entries = Object.entries(columns).map(([name, column]) => ({
    id: ++ids.last,
    name,
    column,
  }));
  return {
    type: 'struct',
    fields: entries.map(({ id, name, column }) => ({
      id,
      name,
      required: !column.isOptional,
      type: typeWithIds(column.type, ids),
    })),
  };
}

export function below(path: string, name: string): string {
  return path === '' ? name : `${path}.${name}`;
}

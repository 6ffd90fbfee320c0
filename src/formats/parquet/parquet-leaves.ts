/** Single values: which column each type gets, and what the library takes of a value. */
import type { SchemaElement } from 'hyparquet';
import type { EnumValue, TypeSchema } from '../../serde/type-schema.ts';
import { noParquetColumn, parquetMisfit } from '../errors.ts';
import type { Size, Take } from './parquet-takes.ts';

/** What can be asked of a column instead of what the schema alone gives. */
export type ParquetColumnType = 'int32' | 'int64' | 'timestamp-millis' | 'timestamp-micros';

type LeafType = ParquetColumnType | 'boolean' | 'double' | 'string' | 'bytes';

export interface Leaf {
  readonly element: Omit<SchemaElement, 'name'>;
  readonly children: readonly [];
  readonly take: Take;
}

const NUMBER_BYTES = 8;
const BIGINT_BYTES = 24;
/** Of a string or bytes beside their contents. */
const TEXT_BYTES = 16;

const INT32_MAX = 2 ** 31 - 1;
const INT64_MAX = 2n ** 63n - 1n;

/** @throws {EngineError} `FMT-008` (`invalid`) if there is no column for it. */
export function leafOf(type: TypeSchema, path: string, asked: ParquetColumnType | undefined): Leaf {
  const own = leafTypeOf(type, path);
  if (asked !== undefined && !POSSIBLE[asked].includes(own)) {
    throw noParquetColumn(path, `a ${own} as ${asked}`, 'Take the column out of types.');
  }
  const leaf = asked ?? own;
  return { element: ELEMENTS[leaf], children: [], take: takeOf(leaf, path) };
}

/** Which types a column that is asked for can be made of. */
const POSSIBLE: Readonly<Record<ParquetColumnType, readonly LeafType[]>> = {
  int32: ['int32', 'double'],
  int64: ['int32', 'double', 'int64'],
  'timestamp-millis': ['int32', 'double', 'int64', 'timestamp-millis'],
  'timestamp-micros': ['int32', 'double', 'int64', 'timestamp-millis'],
};

const ELEMENTS: Readonly<Record<LeafType, Omit<SchemaElement, 'name'>>> = {
  boolean: { type: 'BOOLEAN' },
  int32: { type: 'INT32' },
  int64: { type: 'INT64' },
  double: { type: 'DOUBLE' },
  string: { type: 'BYTE_ARRAY', converted_type: 'UTF8', logical_type: { type: 'STRING' } },
  bytes: { type: 'BYTE_ARRAY' },
  'timestamp-millis': {
    type: 'INT64',
    converted_type: 'TIMESTAMP_MILLIS',
    logical_type: { type: 'TIMESTAMP', isAdjustedToUTC: true, unit: 'MILLIS' },
  },
  'timestamp-micros': {
    type: 'INT64',
    converted_type: 'TIMESTAMP_MICROS',
    logical_type: { type: 'TIMESTAMP', isAdjustedToUTC: true, unit: 'MICROS' },
  },
};

function leafTypeOf(type: TypeSchema, path: string): LeafType {
  switch (type.kind) {
    case 'boolean':
    case 'int32':
    case 'string':
    case 'bytes':
      return type.kind;
    case 'float64':
      return 'double';
    case 'bigint':
      return 'int64';
    case 'date':
      return 'timestamp-millis';
    case 'enum':
      return enumType(type.values, path);
    case 'set':
    case 'tuple':
      throw noParquetColumn(path, `a ${type.kind}`, 'Use an array, which becomes a LIST.');
    case 'map':
      throw noParquetColumn(path, 'a Map', 'Use z.record(z.string(), …), which becomes a MAP.');
    case 'object':
    case 'array':
    case 'record':
      throw noParquetColumn(path, `a ${type.kind} as one value`, 'Take the column out of types.');
    default:
      throw noParquetColumn(path, `the type ${type.kind}`, 'Give it one type, or map it to text.');
  }
}

function enumType(values: readonly EnumValue[], path: string): LeafType {
  if (values.every((value) => typeof value === 'string')) return 'string';
  if (values.every((value) => typeof value === 'boolean')) return 'boolean';
  if (values.every(isInt32)) return 'int32';
  if (values.every((value) => typeof value === 'number')) return 'double';
  throw noParquetColumn(path, 'values of different types', 'Give one type, or map it to text.');
}

function takeOf(type: LeafType, path: string): Take {
  switch (type) {
    case 'boolean':
      return taking(path, 'a boolean', 1, (value) =>
        typeof value === 'boolean' ? value : undefined,
      );
    case 'int32':
      return taking(path, 'an integer of 32 bits', NUMBER_BYTES, (value) =>
        isInt32(value) ? value : undefined,
      );
    case 'int64':
      return taking(path, 'an integer of 64 bits', BIGINT_BYTES, int64Of);
    case 'double':
      return taking(path, 'a number', NUMBER_BYTES, (value) =>
        typeof value === 'number' ? value : undefined,
      );
    case 'string':
      return (value, size) => {
        if (typeof value !== 'string') throw parquetMisfit(path, 'a string', value);
        size.bytes += TEXT_BYTES + value.length;
        return value;
      };
    case 'bytes':
      return (value, size) => takeBytes(value, size, path);
    case 'timestamp-millis':
      return taking(path, 'a point in time', BIGINT_BYTES, (value) => timestampOf(value, 1));
    case 'timestamp-micros':
      return taking(path, 'a point in time', BIGINT_BYTES, (value) => timestampOf(value, 1000));
  }
}

/** @param convert Returns `undefined` for what does not fit. */
function taking(
  path: string,
  expected: string,
  bytes: number,
  convert: (value: unknown) => unknown,
): Take {
  return (value, size) => {
    const taken = convert(value);
    if (taken === undefined) throw parquetMisfit(path, expected, value);
    size.bytes += bytes;
    return taken;
  };
}

function takeBytes(value: unknown, size: Size, path: string): Uint8Array {
  if (!(value instanceof Uint8Array)) throw parquetMisfit(path, 'a Uint8Array', value);
  size.bytes += TEXT_BYTES + value.length;
  return value;
}

function isInt32(value: unknown): value is number {
  return (
    Number.isInteger(value) && Math.abs(value as number) <= INT32_MAX + 1 && value !== INT32_MAX + 1
  );
}

function int64Of(value: unknown): bigint | undefined {
  if (Number.isSafeInteger(value)) return BigInt(value as number);
  return typeof value === 'bigint' && value <= INT64_MAX && value >= -INT64_MAX - 1n
    ? value
    : undefined;
}

/** Dates and numbers are milliseconds since 1970, bigints have the column's unit. */
function timestampOf(value: unknown, perMs: number): bigint | undefined {
  if (typeof value === 'bigint') return int64Of(value);
  const ms = value instanceof Date ? value.getTime() : value;
  if (typeof ms !== 'number' || !Number.isFinite(ms)) return undefined;
  const whole = Math.floor(ms);
  return int64Of(BigInt(whole) * BigInt(perMs) + BigInt(Math.round((ms - whole) * perMs)));
}

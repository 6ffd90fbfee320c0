/**
 * Iceberg's types and schemas, in the form that the specification gives them as JSON.
 *
 * Values of a column have one JavaScript form here, whatever the job gave: `number` for int, float,
 * double, date (days); `bigint` for long, time, timestamp, timestamptz (microseconds), decimal
 * (unscaled); `string` for string; `Uint8Array` for uuid (16 bytes), fixed, binary; `boolean`.
 */
import type { JsonObject } from './lossless-json.ts';

export type IcebergType = string | StructType | ListType | MapType;

export interface StructType extends JsonObject {
  readonly type: 'struct';
  readonly fields: readonly StructField[];
}

export interface StructField extends JsonObject {
  readonly id: number;
  readonly name: string;
  readonly required: boolean;
  readonly type: IcebergType;
  readonly doc?: string;
}

export interface ListType extends JsonObject {
  readonly type: 'list';
  readonly 'element-id': number;
  readonly element: IcebergType;
  readonly 'element-required': boolean;
}

export interface MapType extends JsonObject {
  readonly type: 'map';
  readonly 'key-id': number;
  readonly key: IcebergType;
  readonly 'value-id': number;
  readonly value: IcebergType;
  readonly 'value-required': boolean;
}

export interface TableSchema extends StructType {
  readonly 'schema-id': number;
}

/** A value of a column in its one form; `undefined` stands for null. */
export type Datum = number | bigint | string | boolean | Uint8Array;

/** A primitive type, taken apart. */
export type Primitive =
  | { readonly kind: PlainKind }
  | { readonly kind: 'decimal'; readonly precision: number; readonly scale: number }
  | { readonly kind: 'fixed'; readonly length: number };

const PLAIN = [
  'boolean',
  'int',
  'long',
  'float',
  'double',
  'date',
  'time',
  'timestamp',
  'timestamptz',
  'string',
  'uuid',
  'binary',
] as const;

type PlainKind = (typeof PLAIN)[number];

/** Undefined for a type that this engine does not know, such as those of version 3. */
export function primitiveOf(type: IcebergType): Primitive | undefined {
  if (typeof type !== 'string') return undefined;
  const plain = PLAIN.find((name) => name === type);
  if (plain !== undefined) return { kind: plain };
  const decimal = /^decimal\(\s*(\d+)\s*,\s*(\d+)\s*\)$/.exec(type);
  if (decimal !== null) {
    return { kind: 'decimal', precision: Number(decimal[1]), scale: Number(decimal[2]) };
  }
  const fixed = /^fixed\[\s*(\d+)\s*\]$/.exec(type);
  return fixed === null ? undefined : { kind: 'fixed', length: Number(fixed[1]) };
}

/** Whether values of `from` can be read as `to`, by the specification's rules of promotion. */
export function promotes(from: IcebergType, to: IcebergType): boolean {
  const a = primitiveOf(from);
  const b = primitiveOf(to);
  if (a === undefined || b === undefined) return false;
  if (a.kind === 'decimal' && b.kind === 'decimal') {
    return a.scale === b.scale && a.precision <= b.precision;
  }
  if (a.kind === 'fixed' && b.kind === 'fixed') return a.length === b.length;
  if (a.kind === 'int' && b.kind === 'long') return true;
  if (a.kind === 'float' && b.kind === 'double') return true;
  return a.kind === b.kind;
}

export function isStruct(type: IcebergType): type is StructType {
  return typeof type !== 'string' && type.type === 'struct';
}

export function isList(type: IcebergType): type is ListType {
  return typeof type !== 'string' && type.type === 'list';
}

export function isMap(type: IcebergType): type is MapType {
  return typeof type !== 'string' && type.type === 'map';
}

/** Bytes that hold every decimal of a precision, in two's complement. */
export function decimalBytes(precision: number): number {
  let bytes = 1;
  while (2n ** BigInt(8 * bytes - 1) < 10n ** BigInt(precision)) bytes++;
  return bytes;
}

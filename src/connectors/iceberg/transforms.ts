/** How a partition's value is made of a column's, as the specification says. */
import { murmur3 } from './murmur3.ts';
import { type Datum, type IcebergType, type Primitive, primitiveOf } from './iceberg-type.ts';
import { singleValueBytes } from './single-value.ts';

export interface Transform {
  /** Of the partition's values. */
  readonly result: Primitive;
  /** `undefined` is null, of which every transform makes null. */
  readonly apply: (value: Datum) => Datum | undefined;
}

const DAY_MICROS = 86_400_000_000n;
const HOUR_MICROS = 3_600_000_000n;
const DAY_MS = 86_400_000;

/** Undefined if the transform is not known, or is not there for the type. */
export function transformOf(name: string, source: IcebergType): Transform | undefined {
  const type = primitiveOf(source);
  if (type === undefined) return undefined;
  if (name === 'identity') return { result: type, apply: (value) => value };
  if (name === 'void') return { result: type, apply: () => undefined };
  const sized = /^(bucket|truncate)\[(\d+)\]$/.exec(name);
  const size = Number(sized?.[2]);
  if (sized?.[1] === 'bucket') return bucketOf(type, size);
  if (sized?.[1] === 'truncate') return truncateOf(type, size);
  return timeTransform(name, type);
}

/** The partition's value for people and paths. */
export function datumText(type: Primitive, transform: string, value: Datum | undefined): string {
  if (value === undefined) return 'null';
  if (transform === 'year') return String(1970 + Number(value)).padStart(4, '0');
  if (transform === 'month') return isoOf(Date.UTC(1970, Number(value), 1)).slice(0, 7);
  if (transform === 'hour')
    return isoOf(Number(value) * 3_600_000)
      .slice(0, 13)
      .replace('T', '-');
  if (type.kind === 'date') return isoOf(Number(value) * DAY_MS).slice(0, 10);
  if (type.kind === 'timestamp' || type.kind === 'timestamptz') {
    return isoOf(Number((value as bigint) / 1000n));
  }
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64url');
  return String(value);
}

function isoOf(ms: number): string {
  const date = new Date(ms);
  return Number.isNaN(date.getTime()) ? `${ms}ms` : date.toISOString();
}

function timeTransform(name: string, type: Primitive): Transform | undefined {
  const result: Primitive = { kind: 'int' };
  const days = daysOf(type);
  if (name === 'hour') {
    if (type.kind !== 'timestamp' && type.kind !== 'timestamptz') return undefined;
    return { result, apply: (value) => Number(floorDivide(value as bigint, HOUR_MICROS)) };
  }
  if (days === undefined) return undefined;
  switch (name) {
    case 'day':
      // A day is a date: so other engines write and show it.
      return { result: { kind: 'date' }, apply: days };
    case 'month':
      return { result, apply: (value) => monthsOf(days(value)) };
    case 'year':
      return { result, apply: (value) => Math.floor(monthsOf(days(value)) / 12) };
    default:
      return undefined;
  }
}

function daysOf(type: Primitive): ((value: Datum) => number) | undefined {
  switch (type.kind) {
    case 'date':
      return (value) => value as number;
    case 'timestamp':
    case 'timestamptz':
      return (value) => Number(floorDivide(value as bigint, DAY_MICROS));
    default:
      return undefined;
  }
}

function monthsOf(days: number): number {
  const date = new Date(days * DAY_MS);
  return (date.getUTCFullYear() - 1970) * 12 + date.getUTCMonth();
}

function bucketOf(type: Primitive, count: number): Transform | undefined {
  const bytes = hashedBytes(type);
  if (bytes === undefined || count < 1) return undefined;
  return {
    result: { kind: 'int' },
    apply: (value) => (murmur3(bytes(value)) & 0x7fffffff) % count,
  };
}

function hashedBytes(type: Primitive): ((value: Datum) => Uint8Array) | undefined {
  switch (type.kind) {
    case 'int':
    case 'date':
      // Hashed as long, so that a promoted column keeps its buckets.
      return (value) => singleValueBytes({ kind: 'long' }, BigInt(value as number));
    case 'boolean':
    case 'float':
    case 'double':
      return undefined;
    default:
      return (value) => singleValueBytes(type, value);
  }
}

function truncateOf(type: Primitive, width: number): Transform | undefined {
  if (width < 1) return undefined;
  const wide = BigInt(width);
  switch (type.kind) {
    case 'int':
      return { result: type, apply: (value) => Number(truncated(BigInt(value as number), wide)) };
    case 'long':
    case 'decimal':
      return { result: type, apply: (value) => truncated(value as bigint, wide) };
    case 'string':
      return {
        result: type,
        apply: (value) =>
          Array.from(value as string)
            .slice(0, width)
            .join(''),
      };
    case 'binary':
      return { result: type, apply: (value) => (value as Uint8Array).slice(0, width) };
    default:
      return undefined;
  }
}

function truncated(value: bigint, width: bigint): bigint {
  return value - (((value % width) + width) % width);
}

function floorDivide(value: bigint, by: bigint): bigint {
  const quotient = value / by;
  return value < 0n && quotient * by !== value ? quotient - 1n : quotient;
}

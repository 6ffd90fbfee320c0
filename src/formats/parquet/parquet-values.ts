/**
 * What is read, as the row's schema wants it: one column type is more than one JavaScript type, and the
 * schema says which one (a number or a bigint, a `Date` or a number, `null` or a missing field).
 */
import type { ParquetParsers, SchemaElement, SchemaTree } from 'hyparquet';
import { isListLike, isMapLike } from 'hyparquet/src/schema.js';
import { membersOf, type FieldSchema, type TypeSchema } from '../../serde/type-schema.ts';

/** @throws {UnfitValue} for a value that cannot be had as the schema wants it. */
export type Convert = (value: unknown) => unknown;

/** A value that would be another one as what the schema wants. */
export class UnfitValue extends Error {}

/** Times stay what the file says: the schema decides what becomes of them. */
export const RAW_PARSERS: Partial<ParquetParsers> = {
  timestampFromMilliseconds: (ms: bigint) => ms,
  timestampFromMicroseconds: (micros: bigint) => micros,
  timestampFromNanoseconds: (nanos: bigint) => nanos,
  dateFromDays: (days: number) => days,
};

const DAY_MS = 86_400_000;
const decoder = new TextDecoder();

/** @param wanted Of the value before the schema checks it; `undefined` if nobody knows. */
export function converterOf(node: SchemaTree, wanted: TypeSchema | undefined): Convert {
  const members = wanted === undefined ? undefined : membersOf(wanted);
  const kinds = members && new Set(members.flatMap(kindsOf));
  const known = kinds === undefined || kinds.has('any') ? undefined : kinds;
  const absent = known === undefined || known.has('null') ? null : undefined;
  const convert = convertPresent(node, members ?? [], known);
  return (value) => (value === null || value === undefined ? absent : convert(value));
}

/** Whether a field that is null in the file is to be left out of its object. */
export function leavesOut(field: FieldSchema | undefined): boolean {
  if (field === undefined) return false;
  const kinds = membersOf(field.type).flatMap(kindsOf);
  const mayBeMissing = field.optional === true || kinds.includes('undefined');
  return mayBeMissing && !kinds.includes('null') && !kinds.includes('any');
}

type Kind = TypeSchema['kind'];

function kindsOf(type: TypeSchema): Kind[] {
  if (type.kind !== 'enum') return [type.kind];
  return type.values.map((value) => {
    if (value === null) return 'null';
    return typeof value === 'number' ? 'float64' : (typeof value as 'string' | 'boolean');
  });
}

function convertPresent(
  node: SchemaTree,
  members: readonly TypeSchema[],
  kinds: ReadonlySet<Kind> | undefined,
): Convert {
  if (node.children.length === 0) return leafConverter(node.element, kinds);
  if (isListLike(node)) {
    const convert = converterOf(itemOf(node), ofKind(members, 'array')?.of);
    return (value) => Array.from(value as Iterable<unknown>, convert);
  }
  if (isMapLike(node)) {
    const [, item] = node.children[0]?.children ?? [];
    const convert = item && converterOf(item, ofKind(members, 'record')?.of);
    return (value) =>
      Object.fromEntries(
        Object.entries(value as object).map(([key, inner]) => [key, convert?.(inner)]),
      );
  }
  return structConverter(node.children, ofKind(members, 'object')?.fields);
}

function ofKind<K extends Kind>(members: readonly TypeSchema[], kind: K) {
  return members.find((member): member is Extract<TypeSchema, { kind: K }> => member.kind === kind);
}

/** As the library sees lists: two levels, or three with one in between that holds nothing else. */
function itemOf(list: SchemaTree): SchemaTree {
  const [repeated] = list.children as [SchemaTree];
  const [only, ...others] = repeated.children;
  return only !== undefined && others.length === 0 ? only : repeated;
}

/** @param children With names that `Object.fromEntries` sets as they are, even `__proto__`. */
export function structConverter(
  children: readonly SchemaTree[],
  wanted: readonly FieldSchema[] | undefined,
): Convert {
  const fields = children.map((child) => {
    const { name } = child.element;
    const field = wanted?.find((each) => each.name === name);
    return { name, convert: converterOf(child, field?.type), leavesOut: leavesOut(field) };
  });
  return (value) => {
    const entries: [string, unknown][] = [];
    for (const { name, convert, leavesOut } of fields) {
      const converted = named(name, convert, (value as Record<string, unknown>)[name]);
      if (converted !== undefined && !(converted === null && leavesOut)) {
        entries.push([name, converted]);
      }
    }
    return Object.fromEntries(entries);
  };
}

/** Says in what field a value is that does not fit. */
function named(name: string, convert: Convert, value: unknown): unknown {
  try {
    return convert(value);
  } catch (error) {
    if (!(error instanceof UnfitValue)) throw error;
    throw new UnfitValue(`${name}: ${error.message}`);
  }
}

function leafConverter(element: SchemaElement, kinds: ReadonlySet<Kind> | undefined): Convert {
  const wants = (...any: Kind[]): boolean => any.some((kind) => kinds?.has(kind));
  const wantsNumber = wants('float64', 'int32');
  const wantsDate = kinds === undefined || wants('date');
  const perMs = perMsOf(element);
  if (perMs !== undefined) {
    if (wantsDate) return (value) => new Date(Number(floorDivide(value as bigint, perMs)));
    const wantsMs = wantsNumber && !wants('bigint');
    return (value) => (wantsMs ? Number(value) / Number(perMs) : value);
  }
  if (element.converted_type === 'DATE') {
    return (value) => (wantsDate ? new Date((value as number) * DAY_MS) : value);
  }
  const toNumber = wantsNumber && !wants('bigint');
  const toBigint = wants('bigint') && !wantsNumber;
  // Older writers do not say that bytes are text.
  const toText = wants('string') && !wants('bytes');
  return (value) => {
    if (typeof value === 'bigint') return toNumber ? safeNumber(value) : value;
    if (typeof value === 'number') {
      return toBigint && Number.isInteger(value) ? BigInt(value) : value;
    }
    return toText && value instanceof Uint8Array ? decoder.decode(value) : value;
  };
}

function perMsOf({ type, converted_type, logical_type }: SchemaElement): bigint | undefined {
  if (converted_type === 'TIMESTAMP_MILLIS') return 1n;
  if (converted_type === 'TIMESTAMP_MICROS') return 1_000n;
  if (type === 'INT96') return 1_000_000n;
  if (logical_type?.type !== 'TIMESTAMP') return undefined;
  return { MILLIS: 1n, MICROS: 1_000n, NANOS: 1_000_000n }[logical_type.unit];
}

function floorDivide(value: bigint, by: bigint): bigint {
  const quotient = value / by;
  return value < 0n && quotient * by !== value ? quotient - 1n : quotient;
}

function safeNumber(value: bigint): number {
  const number = Number(value);
  if (Number.isSafeInteger(number)) return number;
  throw new UnfitValue(`${value} is too large for a number, take z.bigint()`);
}

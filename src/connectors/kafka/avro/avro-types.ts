/** Schemas, as JSON, to the types that read and write them. */
import type { Schema, Type } from 'avsc';
import { avroLibrary, type AvroLibrary } from './avro-library.ts';
import { boundedTypes } from './bounded-types.ts';
import { badAvroSchema } from './errors.ts';
import { logicalTypes } from './logical-types.ts';

/**
 * What a `long` becomes. `number`: one beyond 2^53 makes its record unreadable, as rounding it would make another value
 * of it. `bigint`: all longs are bigints, save those of `timestamp-millis`.
 */
export type AvroLongs = 'number' | 'bigint';

export interface TypeOptions {
  readonly longs: AvroLongs;
  /** Named types that the schema refers to. They are added to those that it has. */
  readonly names?: Record<string, Type>;
  /** For the error. */
  readonly where: string;
}

/** @param schema As JSON text, or parsed. @throws {EngineError} `KAF-035` */
export function avroType(schema: string | object, options: TypeOptions): Type {
  const { longs, names = {}, where } = options;
  const library = avroLibrary();
  const bounded = boundedTypes(library);
  const long = longs === 'bigint' ? bigintLong(library) : undefined;
  try {
    const type = library.Type.forSchema(parsed(schema), {
      registry: names,
      logicalTypes: logicalTypes(library),
      omitRecordMethods: true,
      wrapUnions: 'auto',
      typeHook: (part, all) => (isPlainLong(part) ? long : undefined) ?? bounded(part, all),
    });
    makePlain(type, new Set());
    return type;
  } catch (cause) {
    throw badAvroSchema(where, cause instanceof Error ? cause.message : String(cause), cause);
  }
}

/** A schema's text may be the name of a type alone, which is no JSON. */
function parsed(schema: string | object): Schema {
  if (typeof schema !== 'string') return schema as Schema;
  return /^\s*[[{"]/.test(schema) ? (JSON.parse(schema) as Schema) : schema.trim();
}

function isPlainLong(schema: unknown): boolean {
  if (typeof schema !== 'object' || schema === null) return schema === 'long';
  const { type, logicalType } = schema as { type?: unknown; logicalType?: unknown };
  return type === 'long' && logicalType !== 'timestamp-millis';
}

function bigintLong({ types }: AvroLibrary): Type {
  return types.LongType.__with({
    fromBuffer: (bytes: Buffer) => bytes.readBigInt64LE(),
    toBuffer: (value: bigint | number) => {
      const bytes = Buffer.alloc(8);
      bytes.writeBigInt64LE(BigInt(value));
      return bytes;
    },
    fromJSON: BigInt,
    toJSON: Number,
    isValid: (value: unknown) =>
      typeof value === 'bigint' ? BigInt.asIntN(64, value) === value : Number.isSafeInteger(value),
    compare: (a: bigint, b: bigint) => Number(a > b) - Number(a < b),
  });
}

/** What the walk below needs of any type. */
interface AnyType {
  readonly recordConstructor?: { prototype: object };
  readonly fields?: readonly { readonly type: AnyType }[];
  readonly itemsType?: AnyType;
  readonly valuesType?: AnyType;
  readonly types?: readonly AnyType[];
  readonly underlyingType?: AnyType;
  readonly typeName: string;
  readonly _branchConstructor?: { prototype: object };
}

/** Records come as instances of a class of their schema; to the engine only plain objects are data. */
function makePlain(type: Type | AnyType, seen: Set<AnyType>): void {
  const any = type as AnyType;
  if (seen.has(any)) return;
  seen.add(any);
  if (any.recordConstructor !== undefined) any.recordConstructor.prototype = Object.prototype;
  if (any.typeName === 'union:wrapped') {
    for (const { _branchConstructor: branch } of any.types ?? []) {
      if (branch !== undefined) branch.prototype = Object.prototype;
    }
  }
  for (const { type: field } of any.fields ?? []) makePlain(field, seen);
  for (const part of [any.itemsType, any.valuesType, any.underlyingType, ...(any.types ?? [])]) {
    if (part !== undefined) makePlain(part, seen);
  }
}

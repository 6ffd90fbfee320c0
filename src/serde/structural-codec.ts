/** Makes the codec of a schema from the codecs of its parts. The layout is in docs/formats/values.md. */
import { assert } from '../common/assert.ts';
import { EngineError } from '../common/errors.ts';
import type { ByteReader, ByteWriter } from './bytes.ts';
import { MISFIT, type Codec } from './codec.ts';
import { objectCodec } from './codegen-object.ts';
import { corruptBytes } from './errors.ts';
import { fitsScalar, schemaText } from './misfit.ts';
import { anyCodec } from './msgpack.ts';
import { isPlainArray, isPlainMap, isPlainSet } from './plain.ts';
import type { EnumValue, ScalarKind, TupleSchema, TypeSchema } from './type-schema.ts';
import { unionCodec } from './union-codec.ts';

/** Codecs of the recursive types around; each is set once its parts are made. */
type Scope = ReadonlyMap<string, { codec?: Codec }>;

/** @param schema In its normal form. */
export function codecOf(schema: TypeSchema, scope: Scope = new Map()): Codec {
  const inner = (child: TypeSchema) => codecOf(child, scope);
  switch (schema.kind) {
    case 'enum':
      return enumCodec(schema.values);
    case 'array':
      return arrayCodec(inner(schema.of));
    case 'tuple':
      return tupleCodec(schema, inner);
    case 'set':
      return setCodec(inner(schema.of));
    case 'map':
      return mapCodec(inner(schema.key), inner(schema.value));
    case 'record':
      return objectCodec([], ({ type }) => inner(type), inner(schema.of));
    case 'object':
      return objectCodec(
        schema.fields,
        ({ type }) => inner(type),
        schema.rest && inner(schema.rest),
      );
    case 'union':
      return unionCodec(schema.of, schema.of.map(inner));
    case 'recursive': {
      const holder: { codec?: Codec } = {};
      holder.codec = codecOf(schema.of, new Map([...scope, [schema.name, holder]]));
      return holder.codec;
    }
    case 'ref':
      return refCodec(schema.name, scope);
    case 'custom':
      throw new EngineError('SER-005', 'invalid', 'only its own serializer can read this type', {
        details: { type: schemaText(schema) },
        hint: 'Give the serializer that the snapshot was written with.',
      });
    default:
      return SCALARS[schema.kind];
  }
}

function checked<T>(
  kind: ScalarKind,
  write: (value: T, to: ByteWriter) => void,
  read: (from: ByteReader) => T,
  copy: (value: T) => T = (value) => value,
): Codec {
  return {
    write(value, to) {
      if (!fitsScalar(kind, value)) throw MISFIT;
      write(value as T, to);
    },
    read,
    copy(value) {
      if (!fitsScalar(kind, value)) throw MISFIT;
      return copy(value as T);
    },
  };
}

const SCALARS: Readonly<Record<ScalarKind, Codec>> = {
  null: checked('null', noBytes, () => null),
  undefined: checked('undefined', noBytes, () => undefined),
  boolean: checked<boolean>('boolean', (value, to) => to.uint8(value ? 1 : 0), readBoolean),
  int32: checked<number>(
    'int32',
    (value, to) => to.int32(value),
    (from) => from.int32(),
  ),
  float64: checked<number>(
    'float64',
    (value, to) => to.float64(value),
    (from) => from.float64(),
  ),
  string: checked<string>(
    'string',
    (value, to) => to.text(value),
    (from) => from.text(),
  ),
  bigint: checked<bigint>(
    'bigint',
    (value, to) => to.bigint(value),
    (from) => from.bigint(),
  ),
  date: checked<Date>(
    'date',
    (value, to) => to.float64(value.getTime()),
    (from) => new Date(from.float64()),
    (value) => new Date(value.getTime()),
  ),
  bytes: checked<Uint8Array>(
    'bytes',
    (value, to) => to.bytes(value),
    (from) => from.bytes(),
    (value) => new Uint8Array(value),
  ),
  any: anyCodec,
};

function noBytes(): void {
  // The schema says all.
}

function readBoolean(from: ByteReader): boolean {
  const byte = from.uint8();
  if (byte > 1) throw corruptBytes('no boolean', from.position - 1);
  return byte === 1;
}

function enumCodec(values: readonly EnumValue[]): Codec {
  const indexes = new Map<unknown, number>(values.map((value, index) => [value, index]));
  return {
    write(value, to) {
      const index = indexes.get(value);
      if (index === undefined) throw MISFIT;
      to.varint(index);
    },
    read(from) {
      const value = values[from.varint()];
      if (value === undefined) throw corruptBytes('no member of an enum', from.position);
      return value;
    },
    copy(value) {
      if (!indexes.has(value)) throw MISFIT;
      return value;
    },
  };
}

function arrayCodec(of: Codec): Codec {
  return {
    write(value, to) {
      if (!isPlainArray(value)) throw MISFIT;
      to.varint(value.length);
      for (const item of value) of.write(item, to);
    },
    read: (from) => readItems(from, of),
    copy(value) {
      if (!isPlainArray(value)) throw MISFIT;
      return Array.from(value, (item) => of.copy(item));
    },
  };
}

function readItems(from: ByteReader, of: Codec): unknown[] {
  // Items such as null have no bytes, so the count is bounded by nothing but the bytes' checksum.
  const count = from.count(0);
  const items: unknown[] = [];
  for (let i = 0; i < count; i++) items.push(of.read(from));
  return items;
}

function tupleCodec(schema: TupleSchema, inner: (child: TypeSchema) => Codec): Codec {
  const { least = schema.of.length } = schema;
  const of = schema.of.map(inner);
  const rest = schema.rest && inner(schema.rest);
  const at = (index: number): Codec => {
    const codec = of[index] ?? rest;
    assert(codec !== undefined, 'a tuple is longer than its schema');
    return codec;
  };
  const fits = (count: number) => count >= least && (count <= of.length || rest !== undefined);
  return {
    write(value, to) {
      if (!isPlainArray(value) || !fits(value.length)) throw MISFIT;
      to.varint(value.length);
      for (let i = 0; i < value.length; i++) at(i).write(value[i], to);
    },
    read(from) {
      const count = from.count(0);
      if (!fits(count)) throw corruptBytes('no length of a tuple', from.position);
      const items: unknown[] = [];
      for (let i = 0; i < count; i++) items.push(at(i).read(from));
      return items;
    },
    copy(value) {
      if (!isPlainArray(value) || !fits(value.length)) throw MISFIT;
      return Array.from(value, (item, index) => at(index).copy(item));
    },
  };
}

function setCodec(of: Codec): Codec {
  return {
    write(value, to) {
      if (!isPlainSet(value)) throw MISFIT;
      to.varint(value.size);
      for (const item of value) of.write(item, to);
    },
    read: (from) => new Set(readItems(from, of)),
    copy(value) {
      if (!isPlainSet(value)) throw MISFIT;
      return new Set(Array.from(value, (item) => of.copy(item)));
    },
  };
}

function mapCodec(key: Codec, value: Codec): Codec {
  return {
    write(map, to) {
      if (!isPlainMap(map)) throw MISFIT;
      to.varint(map.size);
      for (const [name, item] of map) {
        key.write(name, to);
        value.write(item, to);
      }
    },
    read(from) {
      const map = new Map<unknown, unknown>();
      for (let count = from.count(0); count > 0; count--) {
        const name = key.read(from);
        map.set(name, value.read(from));
      }
      return map;
    },
    copy(map) {
      if (!isPlainMap(map)) throw MISFIT;
      return new Map(
        Array.from(map, ([name, item]) => [key.copy(name), value.copy(item)] as const),
      );
    },
  };
}

function refCodec(name: string, scope: Scope): Codec {
  const holder = scope.get(name);
  const target = (): Codec => {
    const codec = holder?.codec;
    assert(codec !== undefined, `a schema refers to "${name}", which is not around it`);
    return codec;
  };
  return {
    write(value, to) {
      target().write(value, to);
    },
    read: (from) => target().read(from),
    copy: (value) => target().copy(value),
  };
}

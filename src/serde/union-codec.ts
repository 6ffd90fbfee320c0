/**
 * The codec of a union: the member's position, then the member. What the value is made of decides
 * about the member; between objects, a field whose values tell them apart does; else the first
 * member that the value fits.
 */
import { MISFIT, type Codec } from './codec.ts';
import { corruptBytes } from './errors.ts';
import { misfitOf } from './misfit.ts';
import { isPlainMap, isPlainSet, ownValue } from './plain.ts';
import type { FieldSchema, ObjectSchema, TypeSchema } from './type-schema.ts';

/** What can be seen of a value without looking inside. */
type Look =
  | 'null'
  | 'undefined'
  | 'boolean'
  | 'number'
  | 'string'
  | 'bigint'
  | 'array'
  | 'date'
  | 'bytes'
  | 'map'
  | 'set'
  | 'object'
  | 'other';

/** @param codecs Of `members`, in their order. */
export function unionCodec(members: readonly TypeSchema[], codecs: readonly Codec[]): Codec {
  const choose = chooserOf(members);
  const codecAt = (index: number): Codec => {
    const codec = codecs[index];
    if (codec === undefined) throw MISFIT;
    return codec;
  };
  return {
    write(value, to) {
      const index = choose(value);
      const codec = codecAt(index);
      to.varint(index);
      codec.write(value, to);
    },
    read(from) {
      const codec = codecs[from.varint()];
      if (codec === undefined) throw corruptBytes('no member of a union', from.position);
      return codec.read(from);
    },
    copy: (value) => codecAt(choose(value)).copy(value),
  };
}

/** The position of the member for a value, or -1. A member that stands alone is not looked into. */
function chooserOf(members: readonly TypeSchema[]): (value: unknown) => number {
  const byLook = new Map<Look, number[]>();
  members.forEach((member, index) => {
    for (const look of looksOf(member)) byLook.set(look, [...(byLook.get(look) ?? []), index]);
  });
  const tagOf = discriminatorOf(members, byLook.get('object') ?? []);
  return (value) => {
    const look = lookOf(value);
    const candidates = byLook.get(look) ?? [];
    if (candidates.length === 1) return candidates[0] ?? -1;
    const tagged = look === 'object' ? tagOf?.(value as Record<string, unknown>) : undefined;
    return tagged ?? firstFit(members, candidates, value);
  };
}

function firstFit(
  members: readonly TypeSchema[],
  candidates: readonly number[],
  value: unknown,
): number {
  const fit = candidates.find((index) => {
    const member = members[index];
    return member !== undefined && misfitOf(member, value) === undefined;
  });
  return fit ?? -1;
}

/** A field that all objects of the union must have, each with values of its own. */
function discriminatorOf(
  members: readonly TypeSchema[],
  candidates: readonly number[],
): ((value: Record<string, unknown>) => number | undefined) | undefined {
  const objects = candidates.map((index) => members[index]);
  if (!objects.every((member): member is ObjectSchema => member?.kind === 'object'))
    return undefined;
  for (const { name } of objects[0]?.fields ?? []) {
    const indexOfTag = new Map<unknown, number>();
    const isOwn = objects.every((member, position) =>
      tagsOf(member, name).every((tag) => {
        const isFree = tag !== undefined && !indexOfTag.has(tag);
        indexOfTag.set(tag, candidates[position] ?? -1);
        return isFree;
      }),
    );
    if (isOwn) return (value) => indexOfTag.get(ownValue(value, name));
  }
  return undefined;
}

/** The values that a field may have; `[undefined]` if it may be missing, or have any. */
function tagsOf({ fields }: ObjectSchema, name: string): readonly unknown[] {
  const field = fields.find((candidate: FieldSchema) => candidate.name === name);
  if (field === undefined || field.optional || field.type.kind !== 'enum') return [undefined];
  return field.type.values;
}

function looksOf(member: TypeSchema): readonly Look[] {
  switch (member.kind) {
    case 'int32':
    case 'float64':
      return ['number'];
    case 'enum':
      return [...new Set(member.values.map(lookOf))];
    case 'tuple':
    case 'array':
      return ['array'];
    case 'record':
    case 'object':
      return ['object'];
    case 'recursive':
      return looksOf(member.of);
    // What these hold is not known here, so every value is tried with them.
    case 'union':
    case 'ref':
    case 'any':
    case 'custom':
      return ALL_LOOKS;
    default:
      return [member.kind];
  }
}

const ALL_LOOKS: readonly Look[] = [
  'null',
  'undefined',
  'boolean',
  'number',
  'string',
  'bigint',
  'array',
  'date',
  'bytes',
  'map',
  'set',
  'object',
  'other',
];

function lookOf(value: unknown): Look {
  const type = typeof value;
  if (type === 'object') return lookOfObject(value as object | null);
  return type === 'function' || type === 'symbol' ? 'other' : type;
}

function lookOfObject(value: object | null): Look {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  if (value instanceof Date) return 'date';
  if (value instanceof Uint8Array) return 'bytes';
  if (isPlainMap(value)) return 'map';
  return isPlainSet(value) ? 'set' : 'object';
}

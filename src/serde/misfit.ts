/**
 * Why a value does not fit a schema, and where. Writing stays fast by only noticing *that* a value
 * does not fit; this slow walk then finds the place. It also picks the member of a union.
 */
import { isPlainObject } from '../common/key-hash.ts';
import {
  isPlainArray,
  isPlainDate,
  isPlainMap,
  isPlainSet,
  isTypedArray,
  ownValue,
} from './plain.ts';
import type {
  EnumValue,
  FieldSchema,
  ObjectSchema,
  TupleSchema,
  TypeSchema,
} from './type-schema.ts';

export interface Misfit {
  /** `type`: of another type; `extra`: a field the schema lacks; `unserializable`: no schema helps. */
  readonly kind: 'type' | 'extra' | 'unserializable';
  /** From the value on, such as `.items[2].price`. */
  readonly path: string;
  readonly expected: string;
  readonly found: string;
}

/** The recursive types around a schema, innermost first. */
interface Scope {
  readonly name: string;
  readonly of: TypeSchema;
  readonly outer: Scope | undefined;
}

/** The first place where `value` does not fit, in the order of the schema; `undefined` if it fits. */
export function misfitOf(schema: TypeSchema, value: unknown): Misfit | undefined {
  return walk(schema, value, undefined);
}

function walk(schema: TypeSchema, value: unknown, scope: Scope | undefined): Misfit | undefined {
  switch (schema.kind) {
    case 'any':
      return unpackableIn(value);
    case 'enum':
      return isOneOf(schema.values, value) ? undefined : misfit(schema, value);
    case 'array':
      return isPlainArray(value) ? walkItems(schema.of, value, scope) : misfit(schema, value);
    case 'tuple':
      return isPlainArray(value) ? walkTuple(schema, value, scope) : misfit(schema, value);
    case 'set':
      return isPlainSet(value) ? walkItems(schema.of, [...value], scope) : misfit(schema, value);
    case 'map':
      return isPlainMap(value) ? walkMap(schema, value, scope) : misfit(schema, value);
    case 'record':
      return walkObject({ kind: 'object', fields: [], rest: schema.of }, value, scope);
    case 'object':
      return walkObject(schema, value, scope);
    case 'union':
      return schema.of.some((member) => walk(member, value, scope) === undefined)
        ? undefined
        : unionMisfit(schema.of, value, scope);
    case 'recursive':
      return walk(schema.of, value, { name: schema.name, of: schema.of, outer: scope });
    case 'ref':
      return walkRef(schema.name, value, scope);
    default:
      return fitsScalar(schema.kind, value) ? undefined : misfit(schema, value);
  }
}

function isOneOf(values: readonly EnumValue[], value: unknown): boolean {
  return values.includes(value as EnumValue);
}

/** Whether a value is of a kind that has no parts. */
export function fitsScalar(kind: TypeSchema['kind'], value: unknown): boolean {
  switch (kind) {
    case 'null':
      return value === null;
    case 'undefined':
      return value === undefined;
    case 'int32':
      return typeof value === 'number' && (value | 0) === value;
    case 'float64':
      return typeof value === 'number';
    case 'boolean':
    case 'string':
    case 'bigint':
      return typeof value === kind;
    case 'date':
      return isPlainDate(value);
    case 'bytes':
      return value instanceof Uint8Array;
    default:
      return false;
  }
}

function walkItems(
  of: TypeSchema,
  items: readonly unknown[],
  scope: Scope | undefined,
): Misfit | undefined {
  for (let i = 0; i < items.length; i++) {
    const found = walk(of, items[i], scope);
    if (found !== undefined) return under(`[${i}]`, found);
  }
  return undefined;
}

function walkTuple(
  schema: TupleSchema,
  items: readonly unknown[],
  scope: Scope | undefined,
): Misfit | undefined {
  const { of, rest, least = of.length } = schema;
  if (items.length < least || (rest === undefined && items.length > of.length)) {
    return { ...misfit(schema, items), found: `a tuple of ${items.length}` };
  }
  for (let i = 0; i < items.length; i++) {
    const type = of[i] ?? rest;
    const found = type && walk(type, items[i], scope);
    if (found !== undefined) return under(`[${i}]`, found);
  }
  return undefined;
}

function walkMap(
  schema: Extract<TypeSchema, { kind: 'map' }>,
  map: ReadonlyMap<unknown, unknown>,
  scope: Scope | undefined,
): Misfit | undefined {
  let index = 0;
  for (const [key, value] of map) {
    const inKey = walk(schema.key, key, scope);
    if (inKey !== undefined) return under(`.keys()[${index}]`, inKey);
    const inValue = walk(schema.value, value, scope);
    if (inValue !== undefined) return under(`.get(${textOf(key)})`, inValue);
    index++;
  }
  return undefined;
}

function walkObject(
  schema: ObjectSchema,
  value: unknown,
  scope: Scope | undefined,
): Misfit | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return misfit(schema, value);
  }
  if (!isPlainObject(value)) return misfit(schema, value);
  const object = value as Readonly<Record<string, unknown>>;
  for (const field of schema.fields) {
    const found = walkField(field, object, scope);
    if (found !== undefined) return found;
  }
  return walkExtras(schema, object, scope);
}

function walkField(
  { name, type, optional }: FieldSchema,
  object: Readonly<Record<string, unknown>>,
  scope: Scope | undefined,
): Misfit | undefined {
  const value = ownValue(object, name);
  if (optional && value === undefined) return undefined;
  const found = walk(type, value, scope);
  return found && under(memberPath(name), found);
}

function walkExtras(
  schema: ObjectSchema,
  object: Readonly<Record<string, unknown>>,
  scope: Scope | undefined,
): Misfit | undefined {
  const symbol = Object.getOwnPropertySymbols(object)[0];
  if (symbol !== undefined) {
    return unserializable(`[${String(symbol)}]`, 'a field named by a symbol');
  }
  const declared = new Set(schema.fields.map(({ name }) => name));
  for (const name of Object.keys(object)) {
    if (declared.has(name)) continue;
    const found =
      schema.rest === undefined
        ? ({ kind: 'extra', path: '', expected: 'no such field', found: name } as const)
        : walk(schema.rest, object[name], scope);
    if (found !== undefined) return under(memberPath(name), found);
  }
  return undefined;
}

function walkRef(name: string, value: unknown, scope: Scope | undefined): Misfit | undefined {
  let at = scope;
  while (at !== undefined && at.name !== name) at = at.outer;
  return at && walk(at.of, value, at);
}

/** Of several objects, the one that got furthest says more than "none of these". */
function unionMisfit(
  members: readonly TypeSchema[],
  value: unknown,
  scope: Scope | undefined,
): Misfit {
  const misfits = members.map((member) => walk(member, value, scope));
  const deeper = misfits.filter((found) => found !== undefined && found.path !== '');
  if (deeper.length === 1 && deeper[0] !== undefined) return deeper[0];
  return misfit({ kind: 'union', of: members }, value);
}

/** Deeper than this, a value is taken for a circle. */
export const ANY_DEPTH_MAX = 500;

/** The first place in `value` that msgpack would lose or change; `undefined` if there is none. */
export function unpackableIn(value: unknown, depth = 0): Misfit | undefined {
  if (value === null || typeof value !== 'object') {
    return typeof value === 'function' || typeof value === 'symbol'
      ? unserializable('', foundText(value))
      : undefined;
  }
  if (depth > ANY_DEPTH_MAX) {
    return unserializable('', `a circle, or more than ${ANY_DEPTH_MAX} levels`);
  }
  if (isPlainArray(value)) return unpackableItem(value, depth);
  if (isPlainObject(value)) return unpackableField(value, depth);
  if (isPlainMap(value)) return unpackableEntry(value, depth);
  if (isPlainSet(value)) return unpackableItem([...value], depth);
  const isLeaf = fitsScalar('date', value) || isTypedArray(value);
  return isLeaf ? undefined : unserializable('', foundText(value));
}

function unpackableItem(items: readonly unknown[], depth: number): Misfit | undefined {
  for (let i = 0; i < items.length; i++) {
    const found = unpackableIn(items[i], depth + 1);
    if (found !== undefined) return under(`[${i}]`, found);
  }
  return undefined;
}

function unpackableField(object: object, depth: number): Misfit | undefined {
  for (const name in object) {
    const found = unpackableIn((object as Record<string, unknown>)[name], depth + 1);
    if (found !== undefined) return under(memberPath(name), found);
  }
  const symbol = Object.getOwnPropertySymbols(object)[0];
  return symbol && unserializable(`[${String(symbol)}]`, 'a field named by a symbol');
}

function unpackableEntry(map: ReadonlyMap<unknown, unknown>, depth: number): Misfit | undefined {
  let index = 0;
  for (const [key, value] of map) {
    const inKey = unpackableIn(key, depth + 1);
    if (inKey !== undefined) return under(`.keys()[${index}]`, inKey);
    const inValue = unpackableIn(value, depth + 1);
    if (inValue !== undefined) return under(`.get(${textOf(key)})`, inValue);
    index++;
  }
  return undefined;
}

/** A schema in a few words, for messages. */
export function schemaText(schema: TypeSchema): string {
  switch (schema.kind) {
    case 'enum':
      return listed(schema.values.map((value) => JSON.stringify(value)));
    case 'union':
      return schema.of.length === 0 ? 'nothing' : listed(schema.of.map(schemaText));
    case 'array':
      return `an array of ${schemaText(schema.of)}`;
    case 'tuple':
      return `a tuple of ${schema.of.length}${schema.rest === undefined ? '' : ' or more'}`;
    case 'custom':
      return `${schema.name} version ${schema.version}`;
    case 'float64':
      return 'number';
    case 'bytes':
      return 'Uint8Array';
    default:
      return schema.kind;
  }
}

const LISTED_MAX = 8;

function listed(texts: readonly string[]): string {
  const shown = texts.slice(0, LISTED_MAX).join(' | ');
  return texts.length > LISTED_MAX ? `${shown} | …` : shown;
}

export function memberPath(name: string): string {
  return /^[A-Za-z_$][\w$]*$/.test(name) ? `.${name}` : `[${JSON.stringify(name)}]`;
}

function misfit(schema: TypeSchema, value: unknown): Misfit {
  const isLost =
    typeof value === 'function' || typeof value === 'symbol' || isInstance(value, schema);
  return {
    kind: isLost ? 'unserializable' : 'type',
    path: '',
    expected: schemaText(schema),
    found: foundText(value),
  };
}

/** Whether `value` is of a class that no schema stands for. */
function isInstance(value: unknown, schema: TypeSchema): boolean {
  if (typeof value !== 'object' || value === null || isPlainArray(value)) return false;
  if (isPlainObject(value) || isPlainMap(value) || isPlainSet(value)) return false;
  return !fitsScalar('date', value) && !fitsScalar('bytes', value) && schema.kind !== 'custom';
}

function unserializable(path: string, found: string): Misfit {
  return { kind: 'unserializable', path, expected: 'plain data', found };
}

function under(path: string, { kind, path: inner, expected, found }: Misfit): Misfit {
  return { kind, path: path + inner, expected, found };
}

const SHOWN_CHARACTERS_MAX = 40;

function foundText(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return `string ${textOf(value)}`;
    case 'number':
    case 'boolean':
    case 'bigint':
      return `${typeof value} ${textOf(value)}`;
    case 'object': {
      if (value === null) return 'null';
      if (Array.isArray(value)) return 'array';
      const constructor: unknown = value.constructor;
      const name = typeof constructor === 'function' ? constructor.name : '';
      return name === '' || name === 'Object' ? 'object' : `instance of ${name}`;
    }
    default:
      return typeof value;
  }
}

function textOf(value: unknown): string {
  const text = typeof value === 'string' ? JSON.stringify(value) : shortText(value);
  return text.length > SHOWN_CHARACTERS_MAX ? `${text.slice(0, SHOWN_CHARACTERS_MAX)}…` : text;
}

function shortText(value: unknown): string {
  if (Object.is(value, -0)) return '-0';
  return typeof value === 'object' && value !== null ? 'object' : String(value);
}

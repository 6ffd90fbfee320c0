/**
 * What JSON Schema cannot say of a zod schema, said in keywords of ours while zod writes it: dates,
 * bigints, bytes, Maps, Sets, `undefined`. Reads `_zod.def`, which zod documents for library authors.
 */
import { isPlainObject } from '../common/key-hash.ts';
import { noStructure } from './errors.ts';
import { TYPE_KEYWORD, UNDEFINED_KEYWORD } from './json-schema.ts';
import { memberPath } from './misfit.ts';
import type { StandardSchema } from './standard-schema.ts';
import type { EnumValue, TypeSchema } from './type-schema.ts';

interface ZodSchema extends StandardSchema {
  readonly _zod: {
    readonly def: ZodDefinition;
    readonly bag: { readonly Class?: unknown };
  };
}

interface ZodDefinition {
  readonly type: string;
  readonly keyType?: ZodSchema;
  readonly valueType?: ZodSchema;
  readonly values?: readonly unknown[];
  readonly defaultValue?: unknown;
}

interface Place {
  readonly zodSchema: ZodSchema;
  readonly path: readonly (string | number)[];
}

/**
 * Options for zod's `jsonSchema.output`.
 *
 * @param path Where the schema stands in the whole.
 * @param open Schemas whose parts are being looked at, so that a circle ends.
 * @param structureOf Of a schema inside a Map or Set, which zod does not enter.
 */
export function zodOptions(
  path: string,
  open: Set<unknown>,
  structureOf: (schema: StandardSchema, path: string) => TypeSchema,
): Record<string, unknown> {
  const at = (place: Place) => path + pathText(place.path);
  return {
    unrepresentable: (place: Place) => {
      const { zodSchema } = place;
      if (open.has(zodSchema)) {
        throw noStructure(at(place), 'a type that is recursive through a Map or Set');
      }
      open.add(zodSchema);
      const type = typeOf(zodSchema, at(place), structureOf);
      open.delete(zodSchema);
      return type === undefined ? {} : { [TYPE_KEYWORD]: type };
    },
    override: (place: Place & { readonly jsonSchema: Record<string, unknown> }) => {
      const { jsonSchema } = place;
      const { type, defaultValue } = place.zodSchema._zod.def;
      if (type === 'promise' || type === 'file') throw noStructure(at(place), `z.${type}()`);
      if (type === 'optional') jsonSchema[UNDEFINED_KEYWORD] = true;
      if (type === 'default' || type === 'prefault' || type === 'nonoptional') {
        Reflect.deleteProperty(jsonSchema, UNDEFINED_KEYWORD);
      }
      // zod writes a Date as text, which another member of a union may well take.
      if (type === 'default' && !isJson(defaultValue))
        Reflect.deleteProperty(jsonSchema, 'default');
    },
  };
}

function isJson(value: unknown): boolean {
  if (typeof value === 'number') return Number.isFinite(value);
  if (typeof value !== 'object' || value === null) {
    return value === null || typeof value === 'string' || typeof value === 'boolean';
  }
  if (!Array.isArray(value) && !isPlainObject(value)) return false;
  return Object.values(value).every(isJson);
}

/** `undefined` where zod only wants to say a default that JSON cannot hold. */
function typeOf(
  { _zod: { def, bag } }: ZodSchema,
  path: string,
  structureOf: (schema: StandardSchema, path: string) => TypeSchema,
): TypeSchema | undefined {
  const part = (schema: ZodSchema | undefined, step: string): TypeSchema =>
    schema === undefined ? { kind: 'any' } : structureOf(schema, path + step);
  switch (def.type) {
    case 'bigint':
    case 'date':
      return { kind: def.type };
    case 'undefined':
    case 'void':
      return { kind: 'undefined' };
    case 'nan':
      return { kind: 'float64' };
    case 'map':
      return {
        kind: 'map',
        key: part(def.keyType, '.keys()[]'),
        value: part(def.valueType, '.get()'),
      };
    case 'set':
      return { kind: 'set', of: part(def.valueType, '[]') };
    case 'literal':
      return literalsOf(def.values ?? []);
    case 'default':
    case 'prefault':
    case 'catch':
      return undefined;
    case 'custom':
      if (bag.Class === Uint8Array) return { kind: 'bytes' };
      if (bag.Class === Date) return { kind: 'date' };
      throw noStructure(path, 'z.custom() or z.instanceof()');
    case 'transform':
      throw noStructure(path, 'the result of .transform()');
    default:
      throw noStructure(path, `z.${def.type}()`);
  }
}

function literalsOf(values: readonly unknown[]): TypeSchema {
  const of = values.map((value): TypeSchema => {
    if (value === undefined) return { kind: 'undefined' };
    if (typeof value === 'bigint') return { kind: 'bigint' };
    return { kind: 'enum', values: [value as EnumValue] };
  });
  return { kind: 'union', of };
}

/** zod's path goes through the JSON Schema; users know their fields. */
function pathText(path: readonly (string | number)[]): string {
  let text = '';
  for (let i = 0; i < path.length; i++) {
    const step = path[i];
    if (step === 'properties') text += memberPath(String(path[++i]));
    else if (step === 'items' || step === 'additionalProperties') text += '[]';
    else if (step === 'prefixItems') text += `[${path[++i] ?? ''}]`;
  }
  return text;
}

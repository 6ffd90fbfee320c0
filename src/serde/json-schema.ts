/**
 * The structure that a JSON Schema tells, as a `TypeSchema`. What only limits values (patterns,
 * bounds, formats) has no part in it. What JSON Schema cannot say, `zod-structure.ts` says in
 * keywords of ours.
 */
import {
  membersOf,
  normalizeSchema,
  type EnumValue,
  type FieldSchema,
  type TypeSchema,
} from './type-schema.ts';
import { noStructure } from './errors.ts';

/** Holds the `TypeSchema` of a type that JSON Schema has no word for. */
export const TYPE_KEYWORD = 'x-tidemark-type';
/** Says that the value may also be `undefined`. */
export const UNDEFINED_KEYWORD = 'x-tidemark-undefined';

/** The keywords that tell structure, of draft 2020-12. */
interface JsonSchema {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly const?: EnumValue;
  readonly enum?: readonly EnumValue[];
  readonly anyOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
  readonly allOf?: readonly JsonSchema[];
  readonly not?: unknown;
  readonly items?: JsonSchema | boolean;
  readonly prefixItems?: readonly JsonSchema[];
  readonly minItems?: number;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly patternProperties?: Readonly<Record<string, JsonSchema>>;
  readonly additionalProperties?: JsonSchema | boolean;
  readonly required?: readonly string[];
  readonly default?: unknown;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly [TYPE_KEYWORD]?: TypeSchema;
  readonly [UNDEFINED_KEYWORD]?: boolean;
}

/**
 * @throws {EngineError} `SER-006` (`invalid`) where the structure cannot be told.
 */
export function typeSchemaFromJsonSchema(root: Readonly<Record<string, unknown>>): TypeSchema {
  return normalizeSchema(new Converter(root).convert({ $ref: '#' }, ''));
}

const INT32_MIN = -(2 ** 31);
const INT32_MAX = 2 ** 31 - 1;

class Converter {
  readonly #root: unknown;
  /** References that are being followed; one that is met again is a recursive type. */
  readonly #open = new Map<string, { isRecursive: boolean }>();

  constructor(root: unknown) {
    this.#root = root;
  }

  convert(json: JsonSchema | boolean, path: string): TypeSchema {
    if (typeof json === 'boolean') return json ? { kind: 'any' } : { kind: 'union', of: [] };
    const type = this.#convertKnown(json, path);
    return json[UNDEFINED_KEYWORD] ? { kind: 'union', of: [{ kind: 'undefined' }, type] } : type;
  }

  #convertKnown(json: JsonSchema, path: string): TypeSchema {
    const own = json[TYPE_KEYWORD];
    if (own !== undefined) return own;
    if (json.$ref !== undefined) return this.#follow(json.$ref, path);
    if (json.const !== undefined) return { kind: 'enum', values: [json.const] };
    if (json.enum !== undefined) return { kind: 'enum', values: json.enum };
    const members = json.anyOf ?? json.oneOf;
    if (members !== undefined) {
      return { kind: 'union', of: members.map((member) => this.convert(member, path)) };
    }
    if (json.allOf !== undefined) return this.#intersection(json, path);
    if (typeof json.type === 'object') {
      const { type: types, ...others } = json;
      return { kind: 'union', of: types.map((type) => this.#ofType(type, others, path)) };
    }
    if (json.type !== undefined) return this.#ofType(json.type, json, path);
    if (json.properties !== undefined || json.additionalProperties !== undefined) {
      return this.#object(json, path);
    }
    return json.not === undefined ? { kind: 'any' } : { kind: 'union', of: [] };
  }

  #ofType(type: string, json: JsonSchema, path: string): TypeSchema {
    switch (type) {
      case 'null':
      case 'boolean':
      case 'string':
        return { kind: type };
      case 'number':
        return { kind: 'float64' };
      case 'integer': {
        const { minimum = -Infinity, maximum = Infinity } = json;
        return { kind: minimum >= INT32_MIN && maximum <= INT32_MAX ? 'int32' : 'float64' };
      }
      case 'array':
        return this.#array(json, path);
      case 'object':
        return this.#object(json, path);
      default:
        throw noStructure(path, `JSON Schema type "${type}"`);
    }
  }

  #array(json: JsonSchema, path: string): TypeSchema {
    const { prefixItems, items = prefixItems === undefined, minItems = 0 } = json;
    if (prefixItems === undefined) return { kind: 'array', of: this.convert(items, `${path}[]`) };
    const of = prefixItems.map((item, index) => this.convert(item, `${path}[${index}]`));
    const least = Math.min(minItems, of.length);
    const rest = items === false ? {} : { rest: this.convert(items, `${path}[]`) };
    return { kind: 'tuple', of, least, ...rest };
  }

  #object(json: JsonSchema, path: string): TypeSchema {
    const { properties = {}, required = [] } = json;
    const fields = Object.entries(properties).map(([name, property]): FieldSchema => {
      const type = this.convert(property, `${path}.${name}`);
      const initial = property.default === undefined ? {} : { default: property.default };
      return required.includes(name)
        ? { name, type, ...initial }
        : { name, type: withoutUndefined(type), optional: true, ...initial };
    });
    const rest = this.#rest(json, path);
    if (fields.length === 0 && rest !== undefined) return { kind: 'record', of: rest };
    return { kind: 'object', fields, ...(rest === undefined ? {} : { rest }) };
  }

  /** JSON Schema lets other fields in unless it says otherwise. */
  #rest(json: JsonSchema, path: string): TypeSchema | undefined {
    const { additionalProperties = json.patternProperties === undefined } = json;
    const patterns = Object.values(json.patternProperties ?? {});
    const others = additionalProperties === false ? [] : [additionalProperties];
    const of = [...patterns, ...others].map((other) => this.convert(other, `${path}[]`));
    return of.length === 0 ? undefined : { kind: 'union', of };
  }

  #intersection({ allOf = [], ...others }: JsonSchema, path: string): TypeSchema {
    // An intersection's own keywords are one more part; parts that only limit values say nothing.
    const parts = [others, ...allOf].map((part) => this.convert(part, path));
    const [first, ...rest] = parts.filter(({ kind }) => kind !== 'any');
    return rest.reduce((a, b) => intersect(a, b, path), first ?? { kind: 'any' });
  }

  #follow(reference: string, path: string): TypeSchema {
    const open = this.#open.get(reference);
    if (open !== undefined) {
      open.isRecursive = true;
      return { kind: 'ref', name: reference };
    }
    const opened = { isRecursive: false };
    this.#open.set(reference, opened);
    const of = this.convert(this.#resolve(reference, path), path);
    this.#open.delete(reference);
    return opened.isRecursive ? { kind: 'recursive', name: reference, of } : of;
  }

  #resolve(reference: string, path: string): JsonSchema {
    const [base, ...steps] = reference.split('/');
    let at: unknown = base === '#' ? this.#root : undefined;
    for (const step of steps) {
      const name = decodeURIComponent(step).replaceAll('~1', '/').replaceAll('~0', '~');
      at =
        typeof at === 'object' && at !== null ? (at as Record<string, unknown>)[name] : undefined;
    }
    if (typeof at !== 'object' || at === null) throw noStructure(path, `reference "${reference}"`);
    return at;
  }
}

/** A field that may be missing says so itself. */
function withoutUndefined(type: TypeSchema): TypeSchema {
  if (type.kind !== 'union') return type;
  return { kind: 'union', of: membersOf(type).filter(({ kind }) => kind !== 'undefined') };
}

function intersect(a: TypeSchema, b: TypeSchema, path: string): TypeSchema {
  if (a.kind === 'object' && b.kind === 'object') {
    const names = new Set(a.fields.map(({ name }) => name));
    const both = b.fields.find(({ name }) => names.has(name));
    if (both !== undefined) {
      throw noStructure(`${path}.${both.name}`, 'an intersection that has this field twice');
    }
    const rest = a.rest && b.rest;
    const fields = [...a.fields, ...b.fields];
    return { kind: 'object', fields, ...(rest === undefined ? {} : { rest }) };
  }
  if (a.kind === 'enum') return a;
  if (b.kind === 'enum' || (b.kind === 'int32' && a.kind === 'float64')) return b;
  if (a.kind === b.kind || (a.kind === 'int32' && b.kind === 'float64')) return a;
  throw noStructure(path, 'an intersection');
}

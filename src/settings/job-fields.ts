import { z } from 'zod';
import { EngineError } from '../common/errors.ts';

/** A Standard Schema with its JSON Schema, as far as settings need it. */
export interface SettingsSchema<T> {
  readonly '~standard': {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => Checked<T> | Promise<Checked<T>>;
    readonly jsonSchema?: {
      readonly input: (options: { readonly target: 'draft-2020-12' }) => Record<string, unknown>;
    };
  };
}

type Checked<T> =
  | { readonly value: T; readonly issues?: undefined }
  | {
      readonly issues: readonly {
        readonly message: string;
        readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
      }[];
    };

/** One setting of a job, as its schema describes it. */
export interface SettingField {
  readonly name: string;
  /** JSON Schema's types; several for a union; none if it says nothing. */
  readonly types: readonly string[];
  /** The type of a list's elements. */
  readonly items: readonly string[];
  readonly values: readonly unknown[] | undefined;
  readonly least: number | undefined;
  readonly most: number | undefined;
  readonly default: unknown;
  readonly doc: string | undefined;
  readonly required: boolean;
}

const Property: z.ZodType<PropertySchema> = z.lazy(() =>
  z.object({
    type: z.union([z.string(), z.array(z.string())]).optional(),
    enum: z.array(z.unknown()).optional(),
    const: z.unknown().optional(),
    anyOf: z.array(Property).optional(),
    items: Property.optional(),
    minimum: z.number().optional(),
    maximum: z.number().optional(),
    default: z.unknown().optional(),
    description: z.string().optional(),
  }),
);

interface PropertySchema {
  readonly type?: string | string[] | undefined;
  readonly enum?: unknown[] | undefined;
  readonly const?: unknown;
  readonly anyOf?: PropertySchema[] | undefined;
  readonly items?: PropertySchema | undefined;
  readonly minimum?: number | undefined;
  readonly maximum?: number | undefined;
  readonly default?: unknown;
  readonly description?: string | undefined;
}

const ObjectSchema = z.object({
  type: z.literal('object'),
  properties: z.record(z.string(), Property).default({}),
  required: z.array(z.string()).default([]),
});

/** @throws {EngineError} `SET-004` (`invalid`) for a schema that cannot be filled from texts. */
export function fieldsOf(schema: SettingsSchema<unknown>): readonly SettingField[] {
  const { vendor, jsonSchema } = schema['~standard'];
  let described: unknown;
  try {
    described = jsonSchema?.input({ target: 'draft-2020-12' });
  } catch (cause) {
    throw unusable(vendor, cause);
  }
  const object = ObjectSchema.safeParse(described);
  if (!object.success) throw unusable(vendor, object.error);
  const { properties, required } = object.data;
  return Object.entries(properties).map(([name, property]): SettingField => ({
    name,
    types: typesOf(property),
    items: property.items === undefined ? [] : typesOf(property.items),
    values: valuesOf(property),
    least: property.minimum === Number.MIN_SAFE_INTEGER ? undefined : property.minimum,
    most: property.maximum === Number.MAX_SAFE_INTEGER ? undefined : property.maximum,
    default: property.default,
    doc: property.description,
    required: required.includes(name),
  }));
}

/** What a text means for a field. A text that fits no type stays as it is, for the schema to refuse. */
export function coerce(texts: readonly string[], field: SettingField): unknown {
  const [text = ''] = texts.slice(-1);
  if (field.types.includes('array')) {
    const parts = texts.flatMap((each) => (each === '' ? [] : each.split(',')));
    return parts.map((part) => coerceOne(part.trim(), field.items));
  }
  return coerceOne(text, field.types);
}

function coerceOne(text: string, types: readonly string[]): unknown {
  const said = text.trim();
  if (types.includes('null') && said === 'null') return null;
  const isNumber = types.includes('number') || types.includes('integer');
  if (isNumber && said !== '' && Number.isFinite(Number(said))) return Number(said);
  if (types.includes('boolean') && (said === 'true' || said === 'false')) return said === 'true';
  if (!types.includes('object') || types.includes('string')) return text;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

/** In words: `a number of at least 0`, `one of files, iceberg`. */
export function accepts(field: SettingField): string {
  const { types, values, least, most } = field;
  if (values !== undefined) return `one of ${values.map(String).join(', ')}`;
  const words = types.filter((type) => type !== 'null').map((type) => WORDS[type] ?? type);
  const range =
    least !== undefined && most !== undefined
      ? ` from ${least} to ${most}`
      : least !== undefined
        ? ` of at least ${least}`
        : most !== undefined
          ? ` of at most ${most}`
          : '';
  return `${words.join(' or ') || 'text'}${range}`;
}

const WORDS: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  integer: 'a whole number',
  boolean: 'true or false',
  array: 'a list with commas',
  object: 'JSON',
};

function typesOf({ type, anyOf, enum: values }: PropertySchema): readonly string[] {
  if (anyOf !== undefined) return [...new Set(anyOf.flatMap(typesOf))];
  if (type !== undefined) return typeof type === 'string' ? [type] : type;
  return [...new Set((values ?? []).map((value) => (value === null ? 'null' : typeof value)))];
}

function valuesOf(property: PropertySchema): readonly unknown[] | undefined {
  if (property.const !== undefined) return [property.const];
  if (property.anyOf === undefined) return property.enum;
  const each = property.anyOf.map(valuesOf);
  return each.every((values) => values !== undefined) ? each.flat() : undefined;
}

function unusable(vendor: string, cause: unknown): EngineError {
  return new EngineError('SET-004', 'invalid', 'the settings schema cannot be filled from texts', {
    details: { vendor },
    hint: 'Use an object schema of a library with Standard JSON Schema, such as z.object, with plain fields.',
    cause,
  });
}

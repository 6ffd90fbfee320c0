/**
 * The structure of a type, as data: small enough to be stored in every snapshot, and complete
 * enough to read the snapshot's bytes without the program that wrote them.
 *
 * Always holds: a schema is JSON, apart from the defaults of its fields, which the canonical form
 * leaves out. Two schemas with one canonical form have the same bytes for the same value.
 */
export type TypeSchema =
  | ScalarSchema
  /** One of a few values, written as its position among the sorted values. */
  | { readonly kind: 'enum'; readonly values: readonly EnumValue[] }
  | { readonly kind: 'array'; readonly of: TypeSchema }
  | { readonly kind: 'set'; readonly of: TypeSchema }
  /** A plain object with any names, in the order of insertion. */
  | { readonly kind: 'record'; readonly of: TypeSchema }
  | { readonly kind: 'map'; readonly key: TypeSchema; readonly value: TypeSchema }
  | TupleSchema
  | ObjectSchema
  /** Nothing fits a union of nothing. */
  | { readonly kind: 'union'; readonly of: readonly TypeSchema[] }
  /** Names its own type, so that a `ref` inside can mean it: trees and lists. */
  | { readonly kind: 'recursive'; readonly name: string; readonly of: TypeSchema }
  | { readonly kind: 'ref'; readonly name: string }
  /** The bytes of a hand-written serializer. Only its own name and version are known. */
  | { readonly kind: 'custom'; readonly name: string; readonly version: number };

export type ScalarKind =
  | 'null'
  | 'undefined'
  | 'boolean'
  | 'int32'
  /** Any number. */
  | 'float64'
  | 'string'
  | 'bigint'
  | 'date'
  /** A `Uint8Array`. */
  | 'bytes'
  /** Whatever msgpack can hold. */
  | 'any';

export interface ScalarSchema {
  readonly kind: ScalarKind;
}

export type EnumValue = string | number | boolean | null;

export interface TupleSchema {
  readonly kind: 'tuple';
  readonly of: readonly TypeSchema[];
  /** The type of further elements. Default: there are none. */
  readonly rest?: TypeSchema;
  /** Fewest elements. Default: as many as `of` has. */
  readonly least?: number;
}

/** Fields as they were declared, which is also the order in which objects are built. */
export interface ObjectSchema {
  readonly kind: 'object';
  readonly fields: readonly FieldSchema[];
  /** The type of fields that are not declared. Default: there must be none. */
  readonly rest?: TypeSchema;
}

export interface FieldSchema {
  readonly name: string;
  readonly type: TypeSchema;
  /** May be missing, which is the same as `undefined`. */
  readonly optional?: boolean;
  /** What an object written before this field existed gets. */
  readonly default?: unknown;
}

type UnionSchema = Extract<TypeSchema, { kind: 'union' }>;
type EnumSchema = Extract<TypeSchema, { kind: 'enum' }>;

/**
 * The form that decides about bytes: unions flat, sorted and without doubles, enums sorted, recursive
 * types named by their depth. Fields keep their declared order and defaults.
 */
export function normalizeSchema(schema: TypeSchema): TypeSchema {
  return normalize(schema, { depth: 0, names: new Map() });
}

/** One text per meaning of bytes: what `describe` stores, what hashes are made of. */
export function canonicalJson(schema: TypeSchema): string {
  return JSON.stringify(sortFields(normalizeSchema(schema)));
}

/** Whether the two write the same bytes. */
export function sameSchema(a: TypeSchema, b: TypeSchema): boolean {
  return a === b || canonicalJson(a) === canonicalJson(b);
}

/** The schema without the defaults of its fields, which need not be JSON, nor the same each time. */
export function withoutDefaults(schema: TypeSchema): TypeSchema {
  return mapFields(schema, (fields) =>
    fields.map(({ name, type, optional }) => ({ name, type, ...(optional ? { optional } : {}) })),
  );
}

/** The members of a union; of anything else, itself alone. */
export function membersOf(schema: TypeSchema): readonly TypeSchema[] {
  return schema.kind === 'union' ? schema.of : [schema];
}

/** The schemas that a schema is made of. */
export function childrenOf(schema: TypeSchema): readonly TypeSchema[] {
  const children: TypeSchema[] = [];
  mapChildren(schema, (child) => {
    children.push(child);
    return child;
  });
  return children;
}

/** The schema, or `null`. */
export function nullable(schema: TypeSchema): TypeSchema {
  return normalizeSchema({ kind: 'union', of: [{ kind: 'null' }, schema] });
}

/** An object whose fields are all there. */
export function objectOf(fields: Readonly<Record<string, TypeSchema>>): ObjectSchema {
  const entries = Object.entries(fields);
  return { kind: 'object', fields: entries.map(([name, type]) => ({ name, type })) };
}

/** Sorts as bytes and hashes do: by UTF-16 code unit, whatever the machine's language. */
export function byName(a: { readonly name: string }, b: { readonly name: string }): number {
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
}

function sortFields(schema: TypeSchema): TypeSchema {
  return mapFields(withoutDefaults(schema), (fields) => fields.toSorted(byName));
}

function mapFields(
  schema: TypeSchema,
  change: (fields: readonly FieldSchema[]) => readonly FieldSchema[],
): TypeSchema {
  if (schema.kind !== 'object') return mapChildren(schema, (child) => mapFields(child, change));
  const { kind, fields, rest } = schema;
  return {
    kind,
    fields: change(fields.map((field) => ({ ...field, type: mapFields(field.type, change) }))),
    ...(rest === undefined ? {} : { rest: mapFields(rest, change) }),
  };
}

/** Rebuilds a schema with other children and nothing that the type does not name. */
function mapChildren(schema: TypeSchema, change: (child: TypeSchema) => TypeSchema): TypeSchema {
  switch (schema.kind) {
    case 'array':
    case 'set':
    case 'record':
      return { kind: schema.kind, of: change(schema.of) };
    case 'map':
      return { kind: 'map', key: change(schema.key), value: change(schema.value) };
    case 'tuple':
      return tupleOf(schema.of.map(change), schema.rest && change(schema.rest), schema.least);
    case 'object':
      return {
        kind: 'object',
        fields: schema.fields.map((field) => ({ ...field, type: change(field.type) })),
        ...(schema.rest === undefined ? {} : { rest: change(schema.rest) }),
      };
    case 'union':
      return { kind: 'union', of: schema.of.map(change) };
    case 'recursive':
      return { kind: 'recursive', name: schema.name, of: change(schema.of) };
    case 'ref':
      return { kind: 'ref', name: schema.name };
    case 'enum':
      return { kind: 'enum', values: schema.values };
    case 'custom':
      return { kind: 'custom', name: schema.name, version: schema.version };
    default:
      return { kind: schema.kind };
  }
}

function tupleOf(
  of: readonly TypeSchema[],
  rest: TypeSchema | undefined,
  least: number | undefined,
): TupleSchema {
  return {
    kind: 'tuple',
    of,
    ...(rest === undefined ? {} : { rest }),
    ...(least === undefined || least === of.length ? {} : { least }),
  };
}

/** The recursive types around a schema. */
interface Around {
  /** How many there are: a name may hide another. */
  readonly depth: number;
  /** Their normal names, by those that the schema gave them. */
  readonly names: ReadonlyMap<string, string>;
}

function normalize(schema: TypeSchema, around: Around): TypeSchema {
  const rename = (child: TypeSchema) => normalize(child, around);
  switch (schema.kind) {
    case 'enum':
      return normalizeEnum(schema);
    case 'union':
      return normalizeUnion({ kind: 'union', of: schema.of.map(rename) });
    case 'ref':
      return { kind: 'ref', name: around.names.get(schema.name) ?? schema.name };
    case 'recursive': {
      // One that nobody means is no binder, and must not count in the names of those inside.
      if (!refersTo(schema.of, schema.name)) return rename(schema.of);
      const name = `r${around.depth}`;
      const names = new Map([...around.names, [schema.name, name]]);
      return {
        kind: 'recursive',
        name,
        of: normalize(schema.of, { depth: around.depth + 1, names }),
      };
    }
    default:
      return mapChildren(schema, rename);
  }
}

function refersTo(schema: TypeSchema, name: string): boolean {
  if (schema.kind === 'ref') return schema.name === name;
  if (schema.kind === 'recursive' && schema.name === name) return false;
  return childrenOf(schema).some((child) => refersTo(child, name));
}

function normalizeEnum(schema: EnumSchema): TypeSchema {
  if (schema.values.length === 0) return { kind: 'union', of: [] };
  const values = new Map(schema.values.map((value) => [JSON.stringify(value), value]));
  const texts = [...values.keys()].sort();
  if (texts.length === 1 && texts[0] === 'null') return { kind: 'null' };
  return { kind: 'enum', values: texts.map((text) => values.get(text) ?? null) };
}

/** Rarely more than one fits a value; where two do, the one that comes first here is taken. */
const UNION_ORDER: readonly TypeSchema['kind'][] = [
  'undefined',
  'null',
  'boolean',
  'enum',
  'int32',
  'float64',
  'string',
  'bigint',
  'date',
  'bytes',
  'tuple',
  'array',
  'set',
  'map',
  'object',
  'record',
  'recursive',
  'ref',
  'custom',
  'any',
];

/** @param schema A union whose members are normal. */
function normalizeUnion(schema: UnionSchema): TypeSchema {
  const flat = schema.of.flatMap(membersOf);
  const kinds = new Set(flat.map(({ kind }) => kind));
  if (kinds.has('any') && !kinds.has('custom')) return { kind: 'any' };
  const members = new Map<string, TypeSchema>();
  for (const member of mergeEnums(flat, kinds)) {
    if (member.kind === 'int32' && kinds.has('float64')) continue;
    members.set(JSON.stringify(sortFields(member)), member);
  }
  const sorted = [...members].sort(
    ([a, { kind: kindA }], [b, { kind: kindB }]) =>
      UNION_ORDER.indexOf(kindA) - UNION_ORDER.indexOf(kindB) || (a < b ? -1 : 1),
  );
  const of = sorted.map(([, member]) => member);
  return of.length === 1 && of[0] !== undefined ? of[0] : { kind: 'union', of };
}

/** All enums as one, without the values that another member holds anyway. */
function mergeEnums(
  members: readonly TypeSchema[],
  kinds: ReadonlySet<TypeSchema['kind']>,
): readonly TypeSchema[] {
  const values = members.flatMap((member) => (member.kind === 'enum' ? member.values : []));
  const own = values.filter((value) => {
    if (value === null) return !kinds.has('null');
    if (typeof value === 'number') return !kinds.has('float64');
    return !kinds.has(typeof value as 'string' | 'boolean');
  });
  const others = members.filter(({ kind }) => kind !== 'enum');
  return own.length === 0 ? others : [...others, normalizeEnum({ kind: 'enum', values: own })];
}

/**
 * The type of the values of a schema that is written as a literal. `unknown` where the schema is
 * only known at run time, and for recursive and custom types.
 */
export type ValueOf<S> = [TypeSchema] extends [S]
  ? unknown
  : S extends { readonly kind: 'object'; readonly fields: infer F }
    ? ObjectValue<F>
    : S extends { readonly kind: 'union'; readonly of: readonly (infer M)[] }
      ? ValueOf<M>
      : S extends { readonly kind: 'array'; readonly of: infer E }
        ? ValueOf<E>[]
        : S extends { readonly kind: 'set'; readonly of: infer E }
          ? Set<ValueOf<E>>
          : S extends { readonly kind: 'record'; readonly of: infer E }
            ? Record<string, ValueOf<E>>
            : S extends { readonly kind: 'map'; readonly key: infer K; readonly value: infer V }
              ? Map<ValueOf<K>, ValueOf<V>>
              : S extends { readonly kind: 'tuple'; readonly of: infer E }
                ? { -readonly [I in keyof E]: ValueOf<E[I]> }
                : S extends { readonly kind: 'enum'; readonly values: readonly (infer V)[] }
                  ? V
                  : S extends { readonly kind: infer K extends keyof ScalarValues }
                    ? ScalarValues[K]
                    : unknown;

interface ScalarValues {
  null: null;
  undefined: undefined;
  boolean: boolean;
  int32: number;
  float64: number;
  string: string;
  bigint: bigint;
  date: Date;
  bytes: Uint8Array;
}

type ObjectValue<F> = F extends readonly FieldSchema[]
  ? { [E in F[number] as E extends { optional: true } ? never : E['name']]: ValueOf<E['type']> } & {
      [E in F[number] as E extends { optional: true } ? E['name'] : never]?: ValueOf<E['type']>;
    }
  : never;

/** Drawn schemas with drawn values, for property tests. */
import { fc } from './property.ts';
import type { FieldSchema, TypeSchema } from '../../src/serde/type-schema.ts';

export interface TypedValue {
  readonly schema: TypeSchema;
  readonly value: unknown;
}

interface Typed {
  readonly schema: TypeSchema;
  readonly values: fc.Arbitrary<unknown>;
}

const names = fc.oneof(
  fc.constantFrom('a', 'b', 'kind', 'id', '__proto__', 'constructor', 'toString', 'a b', '0', ''),
  fc.string({ unit: 'binary', maxLength: 4 }),
);
/** With lone surrogates, which UTF-8 cannot say. */
const texts = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string(),
  fc
    .array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 60 })
    .map((units) => String.fromCharCode(...units)),
);
const numbers = fc.oneof(fc.double(), fc.integer(), fc.maxSafeInteger(), fc.constant(-0));
const bigints = fc.oneof(fc.bigInt(), fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }));
const bytes = fc.uint8Array({ maxLength: 20 });
const dates = fc.date({ noInvalidDate: false });

const anything = fc.anything({
  key: names,
  values: [texts, numbers, bigints, fc.boolean(), dates, fc.constantFrom(null, undefined)],
  withMap: true,
  withSet: true,
  withTypedArray: true,
  withSparseArray: false,
  withNullPrototype: false,
  maxDepth: 3,
});

const scalars: fc.Arbitrary<Typed> = fc.constantFrom(
  { schema: { kind: 'null' }, values: fc.constant(null) },
  { schema: { kind: 'undefined' }, values: fc.constant(undefined) },
  { schema: { kind: 'boolean' }, values: fc.boolean() },
  { schema: { kind: 'int32' }, values: fc.integer() },
  { schema: { kind: 'float64' }, values: numbers },
  { schema: { kind: 'string' }, values: texts },
  { schema: { kind: 'bigint' }, values: bigints },
  { schema: { kind: 'date' }, values: dates },
  { schema: { kind: 'bytes' }, values: bytes },
  { schema: { kind: 'any' }, values: anything },
);

const enums: fc.Arbitrary<Typed> = fc
  .uniqueArray(fc.oneof(fc.integer(), fc.string(), fc.boolean(), fc.constant(null)), {
    minLength: 1,
    maxLength: 4,
  })
  .map((values) => ({ schema: { kind: 'enum', values }, values: fc.constantFrom(...values) }));

const { typed } = fc.letrec<{ typed: Typed }>((tie) => {
  const part = tie('typed');
  const composites: fc.Arbitrary<Typed>[] = [
    part.map(({ schema, values }) => ({
      schema: { kind: 'array', of: schema },
      values: fc.array(values, { maxLength: 3 }),
    })),
    part.map(({ schema, values }) => ({
      schema: { kind: 'set', of: schema },
      values: fc.array(values, { maxLength: 3 }).map((items) => new Set(items.map(plusZero))),
    })),
    part.map(({ schema, values }) => ({
      schema: { kind: 'record', of: schema },
      values: fc.dictionary(names, values, { maxKeys: 3, noNullPrototype: true }),
    })),
    fc.tuple(part, part).map(([key, value]) => ({
      schema: { kind: 'map', key: key.schema, value: value.schema },
      values: fc
        .array(fc.tuple(key.values.map(plusZero), value.values), { maxLength: 3 })
        .map((entries) => new Map(entries)),
    })),
    fc.array(part, { maxLength: 3 }).map((parts) => ({
      schema: { kind: 'tuple', of: parts.map(({ schema }) => schema) },
      values: fc.tuple(...parts.map(({ values }) => values)),
    })),
    fc.array(part, { minLength: 1, maxLength: 3 }).map((parts) => ({
      schema: { kind: 'union', of: parts.map(({ schema }) => schema) },
      values: fc.oneof(...parts.map(({ values }) => values)),
    })),
    objects(part),
    part.map(trees),
  ];
  return { typed: fc.oneof({ depthSize: 'small', maxDepth: 3 }, scalars, enums, ...composites) };
});

/** A value, and a schema that it fits. */
export const typedValue: fc.Arbitrary<TypedValue> = typed.chain(({ schema, values }) =>
  values.map((value) => ({ schema, value })),
);

function objects(part: fc.Arbitrary<Typed>): fc.Arbitrary<Typed> {
  const field = fc.record({ name: names, type: part, isOptional: fc.boolean() });
  const fields = fc.uniqueArray(field, { selector: ({ name }) => name, maxLength: 5 });
  return fc.tuple(fields, fc.option(part)).map(([declared, rest]) => {
    const schemas = declared.map(({ name, type, isOptional }): FieldSchema => ({
      name,
      type: type.schema,
      ...(isOptional ? { optional: true } : {}),
    }));
    const known = new Set(declared.map(({ name }) => name));
    const others =
      rest === null
        ? fc.constant([])
        : fc.array(
            fc.tuple(
              names.filter((name) => !known.has(name)),
              rest.values,
            ),
            { maxLength: 2 },
          );
    const own = fc.tuple(
      ...declared.map(({ name, type, isOptional }) =>
        (isOptional ? fc.option(type.values, { nil: undefined }) : type.values).map(
          // A field that may be missing is missing when it is undefined.
          (value) => (isOptional && value === undefined ? [] : [[name, value] as const]),
        ),
      ),
    );
    return {
      schema: {
        kind: 'object',
        fields: schemas,
        ...(rest === null ? {} : { rest: rest.schema }),
      },
      values: fc
        .tuple(own, others)
        .map(([some, more]): unknown => Object.fromEntries([...some.flat(), ...more])),
    };
  });
}

function trees({ schema, values }: Typed): Typed {
  const fields: FieldSchema[] = [
    { name: 'leaf', type: schema },
    { name: 'inner', type: { kind: 'array', of: { kind: 'ref', name: 'tree' } } },
  ];
  let tree = fc.record(
    { leaf: values, inner: fc.constant<unknown[]>([]) },
    { noNullPrototype: true },
  );
  for (let level = 0; level < 3; level++) {
    const inner = fc.array<unknown>(tree, { maxLength: 2 });
    tree = fc.record({ leaf: values, inner }, { noNullPrototype: true });
  }
  return {
    schema: { kind: 'recursive', name: 'tree', of: { kind: 'object', fields } },
    values: tree,
  };
}

/** Sets and Maps hold no -0. */
function plusZero(value: unknown): unknown {
  return value === 0 ? 0 : value;
}

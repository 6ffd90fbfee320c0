import { describe, expect, expectTypeOf, it } from 'vitest';
import { z } from 'zod';
import { ByteReader, ByteWriter } from './bytes.ts';
import { typeSchemaFrom, validate } from './schema-structure.ts';
import type { Serializer } from './serializer.ts';
import type { InferInput, InferOutput, StandardSchema } from './standard-schema.ts';
import { serializerOf } from './structural-serializer.ts';
import { toSerializer, withMigration, type SchemaOf } from './to-serializer.ts';
import { canonicalJson, type TypeSchema } from './type-schema.ts';

interface Tree {
  readonly value: Date;
  readonly inner: readonly Tree[];
}
const Tree: z.ZodType<Tree> = z.object({
  value: z.date(),
  get inner() {
    return z.array(Tree);
  },
});

const text: TypeSchema = { kind: 'string' };
const number: TypeSchema = { kind: 'float64' };
const date: TypeSchema = { kind: 'date' };
const maybe = (...of: TypeSchema[]): TypeSchema => ({ kind: 'union', of });
const fields = (...of: [name: string, type: TypeSchema, more?: object][]): TypeSchema => ({
  kind: 'object',
  fields: of.map(([name, type, more]) => ({ name, type, ...more })),
});

describe('the structure of a zod schema', () => {
  it.each<[string, z.ZodType, TypeSchema]>([
    ['number', z.number().min(3), number],
    ['int', z.int(), number],
    ['int32', z.int32(), { kind: 'int32' }],
    ['int within int32', z.int().min(0).max(100), { kind: 'int32' }],
    ['string', z.string().min(3).regex(/x/).regex(/y/), text],
    ['string format', z.iso.datetime(), text],
    ['boolean', z.boolean(), { kind: 'boolean' }],
    ['bigint', z.bigint(), { kind: 'bigint' }],
    ['date', z.date(), date],
    ['bytes', z.instanceof(Uint8Array), { kind: 'bytes' }],
    ['null', z.null(), { kind: 'null' }],
    ['undefined', z.undefined(), { kind: 'undefined' }],
    ['NaN', z.nan(), number],
    ['any', z.any(), { kind: 'any' }],
    ['never', z.never(), maybe()],
    ['literal', z.literal('a'), { kind: 'enum', values: ['a'] }],
    ['literals', z.literal(['a', 1, null]), { kind: 'enum', values: ['a', 1, null] }],
    [
      'literal undefined',
      z.literal(['a', undefined]),
      maybe({ kind: 'undefined' }, { kind: 'enum', values: ['a'] }),
    ],
    ['literal bigint', z.literal([1n]), { kind: 'bigint' }],
    ['enum', z.enum(['y', 'x']), { kind: 'enum', values: ['x', 'y'] }],
    ['nullable', z.string().nullable(), maybe(text, { kind: 'null' })],
    ['optional alone', z.string().optional(), maybe(text, { kind: 'undefined' })],
    ['nullish', z.date().nullish(), maybe(date, { kind: 'null' }, { kind: 'undefined' })],
    ['nonoptional', z.string().optional().nonoptional(), text],
    ['default', z.string().optional().default('x'), text],
    ['prefault', z.string().prefault('x'), text],
    ['catch', z.number().catch(() => 5), number],
    ['readonly', z.string().readonly(), text],
    ['brand', z.string().brand('id'), text],
    [
      'pipe',
      z
        .string()
        .transform((s) => s.length)
        .pipe(z.number()),
      number,
    ],
    ['preprocess', z.preprocess((v) => v, z.date()), date],
    [
      'codec',
      z.codec(z.string(), z.date(), { decode: (s) => new Date(s), encode: (d) => d.toISOString() }),
      date,
    ],
    ['coerce', z.coerce.date(), date],
    ['refine', z.number().refine((n) => n > 1), number],
    ['template literal', z.templateLiteral(['a', z.number()]), text],
    ['union', z.union([z.string(), z.date()]), maybe(text, date)],
    ['array', z.array(z.date()), { kind: 'array', of: date }],
    [
      'array of optional',
      z.array(z.string().optional()),
      { kind: 'array', of: maybe(text, { kind: 'undefined' }) },
    ],
    ['tuple', z.tuple([z.string(), z.date()]), { kind: 'tuple', of: [text, date] }],
    ['tuple with rest', z.tuple([z.string()], z.date()), { kind: 'tuple', of: [text], rest: date }],
    [
      'tuple that may end early',
      z.tuple([z.string(), z.date().optional()]),
      { kind: 'tuple', of: [text, maybe(date, { kind: 'undefined' })], least: 1 },
    ],
    ['record', z.record(z.string(), z.date()), { kind: 'record', of: date }],
    [
      'map',
      z.map(z.string(), z.object({ at: z.date() })),
      { kind: 'map', key: text, value: fields(['at', date]) },
    ],
    ['set', z.set(z.bigint()), { kind: 'set', of: { kind: 'bigint' } }],
    [
      'object',
      z.object({ b: z.string(), a: z.number().optional() }),
      fields(['b', text], ['a', number, { optional: true }]),
    ],
    ['strict object', z.strictObject({ a: z.string() }), fields(['a', text])],
    [
      'loose object',
      z.looseObject({ a: z.string() }),
      { ...fields(['a', text]), rest: { kind: 'any' } } as TypeSchema,
    ],
    [
      'catchall',
      z.object({ a: z.string() }).catchall(z.date()),
      { ...fields(['a', text]), rest: date } as TypeSchema,
    ],
    [
      'intersection',
      z.object({ a: z.string() }).and(z.object({ b: z.date() })),
      fields(['a', text], ['b', date]),
    ],
    [
      'named schemas',
      z.object({ a: z.object({ d: z.date() }).meta({ id: 'Inner' }) }),
      fields(['a', fields(['d', date])]),
    ],
    [
      'recursive',
      Tree,
      {
        kind: 'recursive',
        name: 't',
        of: fields(['value', date], ['inner', { kind: 'array', of: { kind: 'ref', name: 't' } }]),
      },
    ],
  ])('%s', (_, schema, expected) => {
    expect(canonicalJson(typeSchemaFrom(schema))).toBe(canonicalJson(expected));
  });

  it('keeps the declared order of fields, and defaults that JSON can hold', () => {
    const schema = z.object({
      z: z.string().default('x'),
      a: z.date().default(new Date(0)),
      m: z.union([z.string(), z.date()]).default(new Date(0)),
    });

    expect(typeSchemaFrom(schema)).toEqual({
      kind: 'object',
      fields: [
        { name: 'z', type: text, default: 'x' },
        { name: 'a', type: date },
        { name: 'm', type: maybe(text, date) },
      ],
    });
  });

  it.each<[string, z.ZodType, string, string]>([
    [
      'a transform',
      z.object({ a: z.array(z.string().transform(Number)) }),
      'value.a[]',
      'the result of .transform()',
    ],
    [
      'a transform in a Map',
      z.object({ a: z.map(z.string(), z.string().transform(Number)) }),
      'value.a.get()',
      'the result of .transform()',
    ],
    [
      'a custom type',
      z.object({ a: z.custom<string>() }),
      'value.a',
      'z.custom() or z.instanceof()',
    ],
    ['a class', z.instanceof(URL), 'value', 'z.custom() or z.instanceof()'],
    ['a promise', z.object({ a: z.promise(z.string()) }), 'value.a', 'z.promise()'],
    ['a symbol', z.symbol(), 'value', 'z.symbol()'],
  ])('refuses %s', (_, schema, at, what) => {
    expect(() => typeSchemaFrom(schema)).toThrow(
      expect.objectContaining({ code: 'SER-006', kind: 'invalid', details: { at, what } }),
    );
  });
});

describe('the structure of another library', () => {
  const standard = (output?: () => Record<string, unknown>): StandardSchema<string, string> => ({
    '~standard': {
      version: 1,
      vendor: 'other',
      validate: (value) => ({ value: String(value) }),
      ...(output === undefined ? {} : { jsonSchema: { input: output, output } }),
    },
  });

  it('is what its JSON Schema says', () => {
    const schema = standard(() => ({
      type: 'object',
      properties: {
        a: { type: ['string', 'null'] },
        b: { $ref: '#/$defs/x~1y' },
        c: { allOf: [{ type: 'integer' }, { minimum: 1 }] },
      },
      patternProperties: { '^x': { const: 1 } },
      additionalProperties: false,
      required: ['a', 'b', 'c'],
      $defs: { 'x/y': { items: { type: 'boolean' }, type: 'array' } },
    }));

    expect(typeSchemaFrom(schema)).toEqual({
      ...fields(
        ['a', maybe({ kind: 'null' }, text)],
        ['b', { kind: 'array', of: { kind: 'boolean' } }],
        ['c', number],
      ),
      rest: { kind: 'enum', values: [1] },
    });
  });

  it('lets other fields in unless it says otherwise, as JSON Schema does', () => {
    expect(typeSchemaFrom(standard(() => ({ type: 'object', properties: {} })))).toEqual({
      kind: 'record',
      of: { kind: 'any' },
    });
  });

  it('is refused where there is none', () => {
    const cause = new TypeError('no dates');
    const throwing = standard(() => {
      throw cause;
    });

    expect(() => typeSchemaFrom(standard())).toThrow(/SER-006.*a schema of other/);
    expect(() => typeSchemaFrom(throwing)).toThrow(
      expect.objectContaining({ code: 'SER-006', cause }),
    );
    expect(() => typeSchemaFrom(standard(() => ({ type: 'odd' })))).toThrow(/SER-006/);
    expect(() => typeSchemaFrom(standard(() => ({ $ref: '#/$defs/none' })))).toThrow(/SER-006/);
  });
});

describe('toSerializer', () => {
  it('writes and reads what a schema describes', () => {
    const tree = toSerializer(Tree);
    const value: Tree = { value: new Date(5), inner: [{ value: new Date(6), inner: [] }] };

    expect(tree.read(readerOf(tree, value))).toEqual(value);
  });

  it('takes a serializer as it is', () => {
    const own = serializerOf({ kind: 'float64' });

    expect(toSerializer(own)).toBe(own);
  });

  it('refuses anything else', () => {
    for (const value of [undefined, null, 5, 'string', {}, { write: () => 1 }, String]) {
      expect(() => toSerializer(value as never)).toThrow(
        expect.objectContaining({ code: 'SER-007', kind: 'invalid' }),
      );
    }
  });

  it('infers the type of the values', () => {
    const User = z.object({ id: z.string(), age: z.number().default(0) });

    expectTypeOf(toSerializer(User)).toEqualTypeOf<Serializer<{ id: string; age: number }>>();
    expectTypeOf(toSerializer(serializerOf({ kind: 'date' }))).toEqualTypeOf<Serializer<Date>>();
    expectTypeOf<InferOutput<typeof User>>().toEqualTypeOf<{ id: string; age: number }>();
    expectTypeOf<InferInput<typeof User>>().toEqualTypeOf<{
      id: string;
      age?: number | undefined;
    }>();
    const take = <T>(schema: SchemaOf<T>, value: T) => [schema, value];
    take(z.literal(['a', 'b']), 'a');
    // @ts-expect-error a value of another type
    take(z.string(), 5);
    // @ts-expect-error a migration to another type
    toSerializer(z.string(), { migrate: () => 5 });
  });
});

describe('a migration', () => {
  const before = toSerializer(z.object({ name: z.string(), age: z.string() }));
  const now = z.object({ name: z.string(), age: z.number() });
  const migrated = toSerializer(now, {
    migrate: (old, written) => {
      expect(canonicalJson(written)).toBe(canonicalJson(before.describe()));
      const { name, age } = old as { name: string; age: string };
      if (age === 'old') throw new RangeError('how old?');
      return { name, age: Number(age) };
    },
  });

  it('reads what the structure alone refuses', () => {
    const resolution = migrated.resolve(before.describe());

    expect(toSerializer(now).resolve(before.describe())).toMatchObject({ kind: 'refuse' });
    if (resolution.kind !== 'migrate') expect.fail(resolution.kind);
    expect(resolution.read(readerOf(before, { name: 'a', age: '7' }))).toEqual({
      name: 'a',
      age: 7,
    });
    expect(() => resolution.read(readerOf(before, { name: 'a', age: 'old' }))).toThrow(
      expect.objectContaining({
        code: 'SER-010',
        kind: 'user-code',
        cause: new RangeError('how old?'),
      }),
    );
  });

  it('is not asked where the structure knows the way', () => {
    const value = { name: 'a', age: 1 };

    expect(migrated.resolve(migrated.describe())).toEqual({ kind: 'same' });
    expect(migrated.copy(value)).toEqual(value);
    expect(migrated.read(readerOf(migrated, value))).toEqual(value);
  });

  it('cannot read bytes of a hand-written serializer', () => {
    expect(
      withMigration(before, () => ({ name: '', age: '' })).resolve({
        kind: 'custom',
        name: 'x',
        version: 1,
      }),
    ).toMatchObject({ kind: 'refuse' });
  });
});

describe('validate', () => {
  const Row = z.object({ a: z.object({ b: z.coerce.number() }), c: z.string().default('x') });

  it('gives the value with defaults and transforms', () => {
    expect(validate(Row, { a: { b: '7' } })).toEqual({ a: { b: 7 }, c: 'x' });
    expectTypeOf(validate<z.output<typeof Row>>).returns.toEqualTypeOf<{
      a: { b: number };
      c: string;
    }>();
    expectTypeOf(validate(Row, { a: { b: 7 } })).toEqualTypeOf<{ a: { b: number }; c: string }>();
  });

  it('says where and why a value is refused', () => {
    expect(() => validate(Row, { a: { b: 'no number' } })).toThrow(
      expect.objectContaining({
        code: 'SER-008',
        kind: 'invalid',
        details: expect.objectContaining({
          at: 'value.a.b',
          issue: expect.stringMatching(/number/),
        }),
      }),
    );
  });

  it('refuses to wait', () => {
    expect(() =>
      validate(
        z.string().refine(async () => true),
        'a',
      ),
    ).toThrow(expect.objectContaining({ code: 'SER-009' }));
  });
});

function readerOf<T>(serializer: Serializer<T>, value: T): ByteReader {
  const to = new ByteWriter();
  serializer.write(value, to);
  return new ByteReader(to.finish());
}

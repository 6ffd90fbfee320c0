import { isDeepStrictEqual } from 'node:util';
import { describe, expect, it } from 'vitest';
import { fc } from '../../test/support/property.ts';
import { ByteReader, ByteWriter } from './bytes.ts';
import { misfitOf } from './misfit.ts';
import { resolveSchemas } from './schema-evolution.ts';
import { serializerOf } from './structural-serializer.ts';
import { typedValue } from '../../test/support/type-schema-arbitrary.ts';
import {
  normalizeSchema,
  nullable,
  objectOf,
  sameSchema,
  type FieldSchema,
  type TypeSchema,
} from './type-schema.ts';

// Goal: what was written is read under a later schema, whole, or refused before it is read.
// Method: any two schemas; each schema against itself, wider ones and `any`; then each rule by name.
// Replay: vitest prints fast-check's seed and path.

const text: TypeSchema = { kind: 'string' };
const number: TypeSchema = { kind: 'float64' };
const int: TypeSchema = { kind: 'int32' };
const date: TypeSchema = { kind: 'date' };

it('makes a value that fits, or refuses, for any two schemas', () => {
  fc.assert(
    fc.property(typedValue, typedValue, ({ schema: before, value }, { schema: now }) => {
      const resolution = resolveSchemas(before, now);
      if (resolution.kind !== 'migrate') {
        expect(resolution.kind === 'same').toBe(sameSchema(before, now));
        return;
      }
      const from = readerOf(before, value);
      const read = resolution.read(from);

      expect(from.remaining).toBe(0);
      expect(misfitOf(normalizeSchema(now), read)).toBeUndefined();
    }),
    { numRuns: 1000 },
  );
});

it('reads every value under a wider schema as it was', () => {
  fc.assert(
    fc.property(typedValue, ({ schema, value }) => {
      const wider: TypeSchema[] = [
        { kind: 'any' },
        nullable(schema),
        { kind: 'union', of: [schema, date, { kind: 'array', of: { kind: 'any' } }] },
      ];
      const read = serializerOf(schema).read(readerOf(schema, value));
      for (const now of wider)
        expect(isDeepStrictEqual(evolve(schema, now, value), read)).toBe(true);
    }),
    { numRuns: 300 },
  );
});

describe('is read', () => {
  const before = object(field('a', text), field('b', int), field('c', text, { optional: true }));
  const value = { a: 'x', b: 7, c: 'y' };

  it.each<[string, TypeSchema, unknown]>([
    [
      'an added optional field',
      object(...before.fields, field('d', date, { optional: true })),
      value,
    ],
    [
      'an added field with a default',
      object(...before.fields, field('d', number, { default: 5 })),
      { ...value, d: 5 },
    ],
    [
      'an added field that may be undefined',
      object(...before.fields, field('d', { kind: 'union', of: [date, { kind: 'undefined' }] })),
      { ...value, d: undefined },
    ],
    ['a removed field', object(field('b', int)), { b: 7 }],
    ['reordered fields', object(...before.fields.toReversed()), value],
    [
      'int32 as number',
      object(field('a', text), field('b', number), field('c', text, { optional: true })),
      value,
    ],
    [
      'a field that has become nullable',
      object(field('a', nullable(text)), field('b', int), field('c', text, { optional: true })),
      value,
    ],
    [
      'a field that has become optional',
      object(
        field('a', text, { optional: true }),
        field('b', int),
        field('c', text, { optional: true }),
      ),
      value,
    ],
    [
      'an optional field that has a default now',
      object(field('a', text), field('b', int), field('c', text, { default: 'z' })),
      value,
    ],
    [
      'an object as one with room for others',
      { ...object(field('a', text)), rest: { kind: 'any' } },
      value,
    ],
    ['an object as a record', { kind: 'record', of: { kind: 'union', of: [int, text] } }, value],
  ])('%s', (_, now, expected) => {
    expect(evolve(before, now, value)).toStrictEqual(expected);
  });

  it.each<[string, TypeSchema, TypeSchema, unknown]>([
    ['a grown set of literals', oneOf('b', 'd'), oneOf('a', 'b', 'c', 'd'), 'd'],
    ['literals as their type', oneOf('a', 'b'), text, 'b'],
    ['number literals as numbers', oneOf(1, 2), number, 2],
    ['null literals among others as a union', oneOf('a', null), nullable(text), null],
    [
      'a grown union',
      { kind: 'union', of: [text, int] },
      { kind: 'union', of: [date, text, number] },
      7,
    ],
    ['a union that has become one wider type', { kind: 'union', of: [oneOf(1), int] }, number, 5],
    [
      'a tuple as an array',
      { kind: 'tuple', of: [int, int] },
      { kind: 'array', of: number },
      [1, 2],
    ],
    [
      'a tuple that may be longer',
      { kind: 'tuple', of: [int] },
      { kind: 'tuple', of: [int, text], least: 1 },
      [1],
    ],
    [
      'an array as a tuple with a rest',
      { kind: 'array', of: int },
      { kind: 'tuple', of: [number], rest: nullable(int), least: 0 },
      [1, 2, 3],
    ],
    [
      'the items of an array',
      { kind: 'array', of: int },
      { kind: 'array', of: nullable(number) },
      [1, 2],
    ],
    ['the items of a set', { kind: 'set', of: int }, { kind: 'set', of: number }, new Set([1, 2])],
    [
      'keys and values of a map',
      { kind: 'map', key: int, value: int },
      { kind: 'map', key: number, value: nullable(int) },
      new Map([[1, 2]]),
    ],
    [
      'a record',
      { kind: 'record', of: int },
      { kind: 'record', of: number },
      { a: 1, __proto__x: 2 },
    ],
  ])('%s', (_, before, now, value) => {
    expect(evolve(before, now, value)).toStrictEqual(value);
  });

  it('a recursive type', () => {
    const value = { leaf: 1, inner: [{ leaf: 2, inner: [] }] };
    const now = tree(number, field('note', text, { default: '' }));

    expect(evolve(tree(int), now, value)).toStrictEqual({
      leaf: 1,
      inner: [{ leaf: 2, inner: [], note: '' }],
      note: '',
    });
  });

  it('as the member of a union that has room for all of it', () => {
    const smaller = objectOf({ a: text });
    const larger = objectOf({ a: text, b: int });
    const now: TypeSchema = { kind: 'union', of: [smaller, objectOf({ a: text, b: number })] };

    expect(evolve(larger, now, { a: 'x', b: 1 })).toEqual({ a: 'x', b: 1 });
    expect(evolve(larger, nullable(smaller), { a: 'x', b: 1 })).toEqual({ a: 'x' });
  });

  it('with a default of its own for each value', () => {
    const now = object(
      field('a', text),
      field('tags', { kind: 'array', of: text }, { default: [] }),
    );
    const first = evolve(object(field('a', text)), now, { a: 'x' }) as { tags: string[] };
    first.tags.push('mine');

    expect(evolve(object(field('a', text)), now, { a: 'y' })).toEqual({ a: 'y', tags: [] });
  });
});

describe('is refused with the path', () => {
  it.each<[string, TypeSchema, TypeSchema, RegExp]>([
    [
      'a field of another type',
      objectOf({ a: text }),
      objectOf({ a: number }),
      /^value\.a was string and is now number: keep it as it was, or give a migrate function$/,
    ],
    [
      'a new field without default',
      objectOf({ a: text }),
      objectOf({ a: text, b: text }),
      /^value\.b is new: make it optional, give it a default, or give a migrate function$/,
    ],
    [
      'a default of another type',
      objectOf({}),
      object(field('a', date, { default: '2024' })),
      /^value\.a is new/,
    ],
    [
      'an optional field that is none',
      object(field('a', text, { optional: true })),
      objectOf({ a: text }),
      /^value\.a was optional and no longer is/,
    ],
    ['number as int32', number, int, /^value was number and is now int32/],
    ['fewer literals', oneOf('a', 'b'), oneOf('a'), /^value was "a" \| "b" and is now "a"/],
    ['null that is no longer allowed', nullable(text), text, /^value was null and is now string/],
    [
      'a member that is gone',
      { kind: 'union', of: [text, date] },
      { kind: 'union', of: [text, int] },
      /^value was date and is now int32 \| string/,
    ],
    [
      'something deep',
      { kind: 'array', of: objectOf({ a: { kind: 'map', key: text, value: text } }) },
      { kind: 'array', of: objectOf({ a: { kind: 'map', key: text, value: int } }) },
      /^value\[\]\.a\.get\(\) was string/,
    ],
    ['any as something', { kind: 'any' }, text, /^value was any and is now string/],
    [
      'an array as a tuple',
      { kind: 'array', of: int },
      { kind: 'tuple', of: [int] },
      /^value was a tuple of 0 or more/,
    ],
    [
      'room for others that is gone',
      { kind: 'record', of: text },
      objectOf({}),
      /^value had room for fields of any name/,
    ],
    [
      'others of another type',
      { kind: 'record', of: text },
      { kind: 'object', fields: [field('a', int, { optional: true })], rest: text },
      /^value\.a was string/,
    ],
    [
      'another serializer',
      { kind: 'custom', name: 'money', version: 1 },
      { kind: 'custom', name: 'money', version: 2 },
      /^value was money version 1/,
    ],
    ['a recursive type that ends elsewhere', tree(int), tree(text), /^value\.leaf was int32/],
  ])('%s', (_, before, now, why) => {
    expect(resolveSchemas(before, now)).toEqual({
      kind: 'refuse',
      why: expect.stringMatching(why),
    });
  });
});

it('is the same whatever the order of fields, members and literals, and whatever the defaults', () => {
  const before = object(
    field('a', { kind: 'union', of: [text, int] }),
    field('b', oneOf('x', 'y')),
  );
  const now = object(
    field('b', oneOf('y', 'x'), { default: 'x' }),
    field('a', { kind: 'union', of: [int, text] }),
  );

  expect(resolveSchemas(before, now)).toEqual({ kind: 'same' });
});

function field(
  name: string,
  type: TypeSchema,
  more: { readonly optional?: boolean; readonly default?: unknown } = {},
): FieldSchema {
  return { name, type, ...more };
}

function object(...fields: FieldSchema[]) {
  return { kind: 'object' as const, fields };
}

function oneOf(...values: (string | number | null)[]): TypeSchema {
  return { kind: 'enum', values };
}

function tree(leaf: TypeSchema, ...more: FieldSchema[]): TypeSchema {
  const inner = field('inner', { kind: 'array', of: { kind: 'ref', name: 'tree' } });
  return { kind: 'recursive', name: 'tree', of: object(field('leaf', leaf), inner, ...more) };
}

function readerOf(schema: TypeSchema, value: unknown): ByteReader {
  const to = new ByteWriter();
  serializerOf(schema).write(value, to);
  return new ByteReader(to.finish());
}

function evolve(before: TypeSchema, now: TypeSchema, value: unknown): unknown {
  const resolution = serializerOf(now).resolve(serializerOf(before).describe());
  if (resolution.kind === 'refuse') expect.fail(resolution.why);
  const from = readerOf(before, value);
  const read = resolution.kind === 'same' ? serializerOf(now).read(from) : resolution.read(from);
  expect(from.remaining).toBe(0);
  return read;
}

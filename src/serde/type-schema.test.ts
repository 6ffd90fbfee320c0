import { describe, expect, it } from 'vitest';
import { fc } from '../../test/support/property.ts';
import { typedValue } from '../../test/support/type-schema-arbitrary.ts';
import {
  canonicalJson,
  normalizeSchema,
  nullable,
  objectOf,
  sameSchema,
  withoutDefaults,
  type TypeSchema,
} from './type-schema.ts';

const text: TypeSchema = { kind: 'string' };
const int: TypeSchema = { kind: 'int32' };
const union = (...of: TypeSchema[]): TypeSchema => ({ kind: 'union', of });
const oneOf = (...values: (string | number | null)[]): TypeSchema => ({ kind: 'enum', values });
const list = (name: string): TypeSchema => ({
  kind: 'recursive',
  name,
  of: union({ kind: 'null' }, objectOf({ next: { kind: 'ref', name } })),
});
/** Recursive types in each other, the first one outermost. */
const nested = (...names: string[]): TypeSchema =>
  names.reduceRight<TypeSchema>(
    (leaf, name) => ({
      kind: 'recursive',
      name,
      of: objectOf({ leaf, next: nullable({ kind: 'ref', name }) }),
    }),
    text,
  );

it('is JSON in its canonical form, and stays what it is', () => {
  fc.assert(
    fc.property(typedValue, ({ schema }) => {
      const json = canonicalJson(schema);

      expect(canonicalJson(JSON.parse(json) as TypeSchema)).toBe(json);
      expect(canonicalJson(normalizeSchema(schema))).toBe(json);
    }),
  );
});

describe('mean the same', () => {
  it.each<[string, TypeSchema, TypeSchema]>([
    ['fields in another order', objectOf({ a: text, b: int }), objectOf({ b: int, a: text })],
    ['members in another order', union(text, int), union(int, text)],
    [
      'a nested union',
      union(text, union(int, { kind: 'null' })),
      union({ kind: 'null' }, int, text),
    ],
    ['a member twice', union(text, text), text],
    ['literals in another order', oneOf('a', 'b'), oneOf('b', 'a')],
    ['enums of one union', union(oneOf('a'), oneOf('b')), oneOf('a', 'b')],
    ['literals of a type that is there', union(oneOf('a', 1), text), union(oneOf(1), text)],
    ['int32 beside number', union(int, { kind: 'float64' }), { kind: 'float64' }],
    ['anything beside any', union(text, { kind: 'any' }), { kind: 'any' }],
    ['the literal null', oneOf(null), { kind: 'null' }],
    ['no literal', oneOf(), union()],
    ['the name of a recursive type', list('a'), list('b')],
    ['names that hide those of the types around', nested('a', 'a', 'a'), nested('a', 'b', 'c')],
    ['a recursive type that never means itself', { kind: 'recursive', name: 'a', of: text }, text],
    [
      'a default',
      { kind: 'object', fields: [{ name: 'a', type: int, default: 1 }] },
      objectOf({ a: int }),
    ],
    [
      'optional: false',
      { kind: 'object', fields: [{ name: 'a', type: int, optional: false }] },
      objectOf({ a: int }),
    ],
    [
      'the least length that a tuple has anyway',
      { kind: 'tuple', of: [int], least: 1 },
      { kind: 'tuple', of: [int] },
    ],
  ])('%s', (_, a, b) => {
    expect(canonicalJson(a)).toBe(canonicalJson(b));
    expect(sameSchema(a, b)).toBe(true);
  });
});

it('tells different schemas apart', () => {
  const schemas: TypeSchema[] = [
    text,
    union(text, { kind: 'null' }),
    objectOf({ a: text }),
    { kind: 'object', fields: [{ name: 'a', type: text, optional: true }] },
    { kind: 'object', fields: [{ name: 'a', type: text }], rest: text },
    { kind: 'array', of: text },
    { kind: 'set', of: text },
    list('a'),
    { kind: 'array', of: list('a') },
    { kind: 'custom', name: 'a', version: 1 },
    { kind: 'custom', name: 'a', version: 2 },
  ];

  expect(new Set(schemas.map(canonicalJson)).size).toBe(schemas.length);
});

it('keeps the declared order where it leaves out defaults', () => {
  const schema: TypeSchema = {
    kind: 'object',
    fields: [
      { name: 'b', type: int, default: new Date(0) },
      { name: 'a', type: objectOf({ z: text, y: int }), optional: true },
    ],
  };

  expect(withoutDefaults(schema)).toEqual({
    kind: 'object',
    fields: [
      { name: 'b', type: int },
      { name: 'a', type: objectOf({ z: text, y: int }), optional: true },
    ],
  });
});

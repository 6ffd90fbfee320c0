import { inspect, isDeepStrictEqual } from 'node:util';
import { runInNewContext } from 'node:vm';
import { describe, expect, expectTypeOf, it } from 'vitest';
import { fc } from '../../test/support/property.ts';
import { ByteReader, ByteWriter } from './bytes.ts';
import type { Serializer } from './serializer.ts';
import { serializerOf } from './structural-serializer.ts';
import { typedValue, type TypedValue } from '../../test/support/type-schema-arbitrary.ts';
import { canonicalJson, nullable, objectOf, type TypeSchema } from './type-schema.ts';

// Goal: every value of every schema comes back exactly, and what would not is refused.
// Method: drawn schemas with drawn values; then examples of what must be refused.
// Replay: vitest prints fast-check's seed and path.

describe('every value of every schema', () => {
  it('comes back exactly, and all its bytes are read', () => {
    fc.assert(
      fc.property(typedValue, ({ schema, value }) => {
        expectSame(
          withoutLiberties(roundTrip(serializerOf(schema), value), true),
          withoutLiberties(value, true),
        );
      }),
      { numRuns: 500 },
    );
  });

  it('is copied whole, without a shared part', () => {
    fc.assert(
      fc.property(typedValue, ({ schema, value }) => {
        const copy = serializerOf(schema).copy(value);

        expectSame(withoutLiberties(copy, true), withoutLiberties(value, true));
        expect(sharedParts(value, copy)).toEqual([]);
      }),
      { numRuns: 300 },
    );
  });

  it('has the same bytes however the schema is put', () => {
    fc.assert(
      fc.property(typedValue, ({ schema, value }) => {
        const put = JSON.parse(canonicalJson(schema)) as TypeSchema;

        expect(bytesOf(serializerOf(put), value)).toEqual(bytesOf(serializerOf(schema), value));
      }),
      { numRuns: 300 },
    );
  });

  it('is either written and read, or refused with nothing written, by another schema', () => {
    fc.assert(
      fc.property(typedValue, typedValue, ({ schema }: TypedValue, { value }) => {
        const to = new ByteWriter();
        to.uint8(7);
        try {
          serializerOf(schema).write(value, to);
        } catch (error) {
          expect(error).toMatchObject({ kind: 'invalid', code: /^SER-00[234]$/ });
          expect(to.finish()).toEqual(Uint8Array.of(7));
          return;
        }
        const from = new ByteReader(to.finish(), 1);
        expectSame(withoutLiberties(serializerOf(schema).read(from)), withoutLiberties(value));
      }),
      { numRuns: 500 },
    );
  });
});

describe('what is refused', () => {
  class Money {
    readonly cents = 1;
  }
  const order = serializerOf({
    kind: 'object',
    fields: [
      { name: 'id', type: { kind: 'string' } },
      {
        name: 'items',
        type: { kind: 'array', of: objectOf({ price: { kind: 'float64' } }) },
      },
      { name: 'note', type: { kind: 'string' }, optional: true },
    ],
  });
  const fits = { id: 'a', items: [{ price: 1 }] };

  it.each([
    ['another type', { ...fits, id: 7 }, 'SER-002', 'value.id'],
    ['a missing field', { items: [] }, 'SER-002', 'value.id'],
    ['null for a missing field', { ...fits, note: null }, 'SER-002', 'value.note'],
    [
      'a part of another type',
      { id: 'a', items: [{ price: '1' }] },
      'SER-002',
      'value.items[0].price',
    ],
    ['no object', 'a', 'SER-002', 'value'],
    ['an array for an object', [], 'SER-002', 'value'],
    ['a field that the schema lacks', { ...fits, extra: 1 }, 'SER-003', 'value.extra'],
    [
      'such a field further in',
      { id: 'a', items: [{ price: 1, tax: 2 }] },
      'SER-003',
      'value.items[0].tax',
    ],
    ['one for another that is missing', { id: 'a', 'item s': [] }, 'SER-002', 'value.items'],
    ['a function', { ...fits, id: () => 'a' }, 'SER-004', 'value.id'],
    ['a symbol', { ...fits, id: Symbol('a') }, 'SER-004', 'value.id'],
    ['a promise', { ...fits, items: Promise.resolve([]) }, 'SER-004', 'value.items'],
    ['an instance of a class', { ...fits, items: [new Money()] }, 'SER-004', 'value.items[0]'],
    ['an instance in the place of the whole', new Money(), 'SER-004', 'value'],
    ['a field named by a symbol', { ...fits, [Symbol('x')]: 1 }, 'SER-004', 'value[Symbol(x)]'],
  ])('%s', (_, value, code, at) => {
    const invalid = expect.objectContaining({
      code,
      kind: 'invalid',
      details: expect.objectContaining({ at }),
    });
    expect(() => bytesOf(order, value as never)).toThrow(invalid);
    expect(() => order.copy(value as never)).toThrow(invalid);
  });

  it('is told with what to do', () => {
    expect(() => bytesOf(order, { ...fits, extra: 1 } as never)).toThrow(
      /SER-003: value has a field that its schema lacks, at=`value\.extra`\n {2}Add "extra" to the schema/,
    );
  });

  it('ends circles', () => {
    const list = serializerOf({
      kind: 'recursive',
      name: 'list',
      of: nullable({
        kind: 'object',
        fields: [{ name: 'next', type: { kind: 'ref', name: 'list' } }],
      }),
    });
    const circle: { next: unknown } = { next: null };
    circle.next = circle;

    expect(() => bytesOf(list, circle)).toThrow(
      expect.objectContaining({ code: 'SER-004', kind: 'invalid' }),
    );
    expect(roundTrip(list, { next: { next: null } })).toEqual({ next: { next: null } });
  });
});

describe('objects', () => {
  const point = serializerOf({
    kind: 'object',
    fields: [
      { name: 'y', type: { kind: 'int32' } },
      { name: 'x', type: { kind: 'int32' } },
      { name: 'label', type: { kind: 'string' }, optional: true },
    ],
  });

  it('come back in declared order, as the program makes them', () => {
    expect(Object.keys(roundTrip(point, { x: 1, label: 'a', y: 2 }))).toEqual(['y', 'x', 'label']);
    expect(Object.keys(roundTrip(point, { x: 1, y: 2 }))).toEqual(['y', 'x']);
  });

  it('lose a field that is undefined where it may be missing', () => {
    expect(Object.keys(roundTrip(point, { x: 1, y: 2, label: undefined as never }))).toEqual([
      'y',
      'x',
    ]);
  });

  it('keep fields that the schema lets in', () => {
    const loose = serializerOf({
      kind: 'object',
      fields: [{ name: 'a', type: { kind: 'string' }, optional: true }],
      rest: { kind: 'any' },
    });

    expect(roundTrip(loose, { b: [1], a: 'x' } as never)).toEqual({ a: 'x', b: [1] });
    expect(roundTrip(loose, { a: undefined, b: undefined } as never)).toStrictEqual({
      b: undefined,
    });
  });

  it('lack no field in exchange for one that nobody knows', () => {
    const holder = serializerOf(
      objectOf({ a: { kind: 'union', of: [{ kind: 'undefined' }, { kind: 'string' }] } }),
    );

    expect(() => bytesOf(holder, { b: 1 })).toThrow(/SER-003.*value\.b/);
    expect(() => holder.copy({ b: 1 })).toThrow(/SER-003/);
    expect(roundTrip(holder, {})).toStrictEqual({ a: undefined });
  });

  it('may come from another realm', () => {
    const value = runInNewContext('({ x: 1, y: 2 })') as { x: number; y: number };

    expect(roundTrip(point, value)).toEqual({ x: 1, y: 2 });
  });

  it('take -0 for 0 in an int32', () => {
    expect(roundTrip(point, { x: -0, y: 0 }).x).toBe(0);
  });
});

describe('unions', () => {
  it('choose by a field that tells them apart, and say what is wrong in that member', () => {
    const shape = serializerOf({
      kind: 'union',
      of: [
        objectOf({ kind: { kind: 'enum', values: ['circle'] }, r: { kind: 'float64' } }),
        objectOf({ kind: { kind: 'enum', values: ['square'] }, side: { kind: 'float64' } }),
        { kind: 'null' },
      ],
    });

    expect(roundTrip(shape, { kind: 'square', side: 2 })).toEqual({
      kind: 'square',
      side: 2,
    });
    expect(roundTrip(shape, null)).toBe(null);
    expect(() => bytesOf(shape, { kind: 'square', r: 2 })).toThrow(/SER-002/);
    expect(() => bytesOf(shape, { kind: 'line' })).toThrow(/SER-002/);
  });

  it('take a number where there is also a whole number', () => {
    const number = serializerOf({ kind: 'union', of: [{ kind: 'int32' }, { kind: 'float64' }] });

    expect(number.describe()).toEqual({ kind: 'float64' });
  });
});

it('reads no more than it wrote, and says so', () => {
  const bytes = bytesOf(serializerOf({ kind: 'string' }), 'hello');

  expect(() => serializerOf({ kind: 'string' }).read(new ByteReader(bytes, 0, 3))).toThrow(
    expect.objectContaining({ code: 'SER-001', kind: 'corrupt' }),
  );
  expect(() => serializerOf({ kind: 'boolean' }).read(new ByteReader(Uint8Array.of(9)))).toThrow(
    /SER-001/,
  );
});

it('infers the type of the values', () => {
  const serializer = serializerOf({
    kind: 'object',
    fields: [
      { name: 'id', type: { kind: 'string' } },
      { name: 'tags', type: { kind: 'array', of: { kind: 'enum', values: ['a', 'b'] } } },
      { name: 'at', type: { kind: 'date' }, optional: true },
    ],
  });

  expectTypeOf(serializerOf({ kind: 'float64' })).toEqualTypeOf<Serializer<number>>();
  expectTypeOf(serializer.read).returns.toExtend<{
    id: string;
    tags: ('a' | 'b')[];
    at?: Date;
  }>();
  const known = (schema: TypeSchema) => serializerOf(schema);
  expectTypeOf(known).returns.toEqualTypeOf<Serializer<unknown>>();
});

function bytesOf<T>(serializer: Serializer<T>, value: T): Uint8Array {
  const to = new ByteWriter();
  serializer.write(value, to);
  return to.finish();
}

function roundTrip<T>(serializer: Serializer<T>, value: T): T {
  const from = new ByteReader(bytesOf(serializer, value));
  const read = serializer.read(from);
  expect(from.remaining).toBe(0);
  return read;
}

/** Objects that are reachable from both. */
function sharedParts(a: unknown, b: unknown): object[] {
  const partsOf = (value: unknown, parts = new Set<object>()): Set<object> => {
    if (typeof value !== 'object' || value === null || parts.has(value)) return parts;
    parts.add(value);
    const inner =
      value instanceof Map
        ? [...value].flat()
        : value instanceof Set
          ? [...value]
          : ArrayBuffer.isView(value)
            ? []
            : Object.values(value);
    for (const part of inner) partsOf(part, parts);
    return parts;
  };
  const ours = partsOf(a);
  return [...partsOf(b)].filter((part) => ours.has(part));
}

/** What a schema may change: a field that is undefined is a missing one, an int32 has no -0. */
function withoutLiberties(value: unknown, isZeroSigned = false): unknown {
  if (value === 0) return isZeroSigned ? value : 0;
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return value;
  if (value instanceof Date) return value;
  const inner = (item: unknown) => withoutLiberties(item, isZeroSigned);
  if (Array.isArray(value)) return value.map(inner);
  if (value instanceof Set) return new Set([...value].map(inner));
  const entriesOf = (entries: [unknown, unknown][]) =>
    entries.map(([key, item]) => [inner(key), inner(item)] as const);
  if (value instanceof Map) return new Map(entriesOf([...value]));
  const fields = Object.entries(value).filter(([, item]) => item !== undefined);
  return Object.fromEntries(entriesOf(fields) as [string, unknown][]);
}

/** vitest's own comparison is led astray by a field named `constructor`. */
function expectSame(a: unknown, b: unknown): void {
  if (!isDeepStrictEqual(a, b)) expect.fail(`${inspect(a)} is not ${inspect(b)}`);
}

import { isDeepStrictEqual } from 'node:util';
import { describe, expect, it } from 'vitest';
import { fc } from '../../test/support/property.ts';
import { keysEqual } from '../common/key-hash.ts';
import { ByteReader, ByteWriter } from './bytes.ts';
import {
  ColumnBuilder,
  ColumnReader,
  decodeColumn,
  encodeColumn,
  readColumn,
  writeColumn,
  type ColumnCodec,
} from './columns.ts';
import { serializerOf } from './structural-serializer.ts';
import { nullable, objectOf, type TypeSchema } from './type-schema.ts';

// Goal: a column gives back the values it was given, exactly, whatever they are and come in.
// Replay: vitest prints fast-check's seed and path.

const numbers = fc.oneof(fc.integer(), fc.maxSafeInteger(), fc.double(), fc.constantFrom(0, -0));
const texts = fc.oneof(
  fc.string({ unit: 'binary-ascii' }),
  fc.array(fc.integer({ min: 0, max: 255 })).map((units) => String.fromCharCode(...units)),
  fc.array(fc.integer({ min: 0, max: 0xffff })).map((units) => String.fromCharCode(...units)),
  fc.string({ maxLength: 400, minLength: 200 }),
);

const values: Record<string, readonly [TypeSchema, fc.Arbitrary<unknown>]> = {
  int32: [{ kind: 'int32' }, fc.integer()],
  number: [{ kind: 'float64' }, numbers],
  text: [{ kind: 'string' }, texts],
  'number or null': [nullable({ kind: 'float64' }), fc.option(numbers, { freq: 20 })],
  'number or text': [
    { kind: 'union', of: [{ kind: 'float64' }, { kind: 'string' }] },
    fc.oneof(numbers, texts),
  ],
  any: [
    { kind: 'any' },
    fc.oneof(numbers, texts, fc.constantFrom(undefined, null, true), fc.array(numbers)),
  ],
  object: [
    objectOf({ a: { kind: 'float64' } }),
    fc.record({ a: numbers }, { noNullPrototype: true }),
  ],
};

describe.each(Object.entries(values))('%s', (_, [schema, value]) => {
  it('comes back exactly, from any sequence', () => {
    fc.assert(
      fc.property(fc.array(value, { maxLength: 80 }), (given) => {
        const codec = serializerOf(schema);
        const to = new ByteWriter();
        writeColumn(encodeColumn(given, given.length, codec), to);
        const from = new ByteReader(to.finish());
        const column = readColumn(from);

        expect(from.remaining).toBe(0);
        expect(column.count).toBe(given.length);
        expect(isDeepStrictEqual(decodeColumn(column, codec), given)).toBe(true);
      }),
    );
  });
});

it('gives keys back', () => {
  const keys = fc.array(fc.oneof(numbers, texts, fc.tuple(texts, numbers), fc.constant(null)));
  fc.assert(
    fc.property(keys, (given) => {
      expect(keysEqual(decodeColumn(encodeColumn(given, given.length, 'key'), 'key'), given)).toBe(
        true,
      );
    }),
  );
});

describe('a column', () => {
  const any = serializerOf({ kind: 'any' });
  const number = serializerOf({ kind: 'float64' });

  it.each<[string, readonly unknown[], ColumnCodec, string]>([
    ['whole numbers', [1, -5, 2 ** 31 - 1], number, 'int32'],
    ['a whole number beyond int32', [1, 2 ** 31], number, 'float64'],
    ['-0', [1, -0], number, 'float64'],
    ['-0 first', [-0, 1], number, 'float64'],
    ['-0 as a key', [1, -0], 'key', 'int32'],
    ['-0 as an int32', [-0, 1], serializerOf({ kind: 'int32' }), 'int32'],
    ['NaN', [NaN, 1], number, 'float64'],
    ['Latin-1', ['a', 'é'], serializerOf({ kind: 'string' }), 'latin1'],
    ['text beyond Latin-1', ['a', 'é', 'ł'], serializerOf({ kind: 'string' }), 'utf8'],
    ['mixed values', [1, 'a'], any, 'bytes'],
    ['undefined', [1, undefined], any, 'bytes'],
    ['a number and null', [1, null], serializerOf(nullable({ kind: 'float64' })), 'bytes'],
    ['numbers that could be null', [1, 2], serializerOf(nullable({ kind: 'float64' })), 'int32'],
    [
      'int32s of a custom serializer',
      [1, 2],
      {
        ...any,
        describe: () => ({ kind: 'custom', name: 'x', version: 1 }),
        write: (v, to) => any.write(v, to),
        read: (from) => any.read(from),
        copy: (v) => v,
        resolve: () => ({ kind: 'same' }),
      },
      'bytes',
    ],
    ['tuples as keys', [[1, 'a']], 'key', 'bytes'],
  ])('of %s', (_, given, codec, kind) => {
    const column = encodeColumn(given, given.length, codec);

    expect(column.kind).toBe(kind);
    expect(keysEqual(decodeColumn(column, codec).map(String), given.map(String))).toBe(true);
  });

  it('takes four bytes for an int32, eight for a float64, one more than its text for text', () => {
    expect(encodeColumn([1, 2, 3], 3, number).bytes.length).toBe(12);
    expect(encodeColumn([1, 2, 0.5], 3, number).bytes.length).toBe(24);
    expect(encodeColumn(['ab', 'c'], 2, 'key').bytes.length).toBe(1 + 2 + 3);
    expect(encodeColumn(['x'.repeat(300)], 1, 'key').bytes.length).toBe(1 + 2 + 300);
  });

  it('is read in any order', () => {
    const reader = new ColumnReader(encodeColumn(['a', 'bc', 'ł'], 3, 'key'), 'key');

    expect([2, 0, 1, 2].map((index) => reader.at(index))).toEqual(['ł', 'a', 'bc', 'ł']);
  });

  it('may be empty', () => {
    expect(decodeColumn(encodeColumn([], 0, number), number)).toEqual([]);
  });
});

describe('a builder', () => {
  it('is as before when a value does not fit', () => {
    const builder = new ColumnBuilder(serializerOf({ kind: 'int32' }));
    expect(() => builder.append('first')).toThrow(/SER-002/);
    builder.append(1);
    for (const value of ['a', 0.5, 2 ** 40, undefined, null]) {
      expect(() => builder.append(value)).toThrow(/SER-002/);
    }
    builder.append(2);

    expect(builder.count).toBe(2);
    expect(builder.finish()).toMatchObject({ kind: 'int32', count: 2 });
  });

  it('refuses undefined as a key', () => {
    expect(() => encodeColumn(['a', undefined], 2, 'key')).toThrow(/COM-001/);
  });

  it('begins anew after its end', () => {
    const builder = new ColumnBuilder('key');
    builder.append('a');
    builder.finish();
    builder.append(1);

    expect(builder.sizeBytes).toBe(4);
    expect(decodeColumn(builder.finish(), 'key')).toEqual([1]);
  });
});

describe('older values', () => {
  it.each<[string, TypeSchema, TypeSchema, readonly unknown[]]>([
    ['int32 as number', { kind: 'int32' }, { kind: 'float64' }, [1, 2]],
    ['number as nullable', { kind: 'float64' }, nullable({ kind: 'float64' }), [1, 0.5]],
    ['text as nullable', { kind: 'string' }, nullable({ kind: 'string' }), ['a', 'ł']],
    [
      'objects',
      objectOf({ a: { kind: 'int32' } }),
      objectOf({ a: { kind: 'float64' } }),
      [{ a: 1 }],
    ],
  ])('%s are read', (_, before, now, given) => {
    const column = encodeColumn(given, given.length, serializerOf(before));

    expect(decodeColumn(column, serializerOf(now), before)).toEqual(given);
  });

  it('are converted even where they are laid out plainly', () => {
    const now = serializerOf({ kind: 'string' });
    const codec: ColumnCodec = {
      write: (value, to) => now.write(value as string, to),
      read: (from) => now.read(from),
      copy: (value) => value,
      describe: () => ({ kind: 'string' }),
      resolve: () => ({ kind: 'migrate', read: (from) => `was ${from.float64()}` }),
    };
    const column = encodeColumn([1, 2], 2, serializerOf({ kind: 'float64' }));

    expect(decodeColumn(column, codec, { kind: 'float64' })).toEqual(['was 1', 'was 2']);
  });

  it('are refused where they do not fit', () => {
    const column = encodeColumn([1], 1, serializerOf({ kind: 'float64' }));

    expect(() =>
      decodeColumn(column, serializerOf({ kind: 'string' }), { kind: 'float64' }),
    ).toThrow(expect.objectContaining({ code: 'SER-011', kind: 'invalid' }));
  });
});

it('finds damage', () => {
  const text = encodeColumn(['ab', 'c'], 2, 'key');
  for (const column of [
    { ...text, bytes: text.bytes.slice(1) },
    { ...text, bytes: text.bytes.slice(0, -1) },
    { ...text, count: 3 },
    { kind: 'int32', count: 2, bytes: new Uint8Array(7) } as const,
  ]) {
    expect(() => decodeColumn(column, 'key')).toThrow(expect.objectContaining({ code: 'SER-001' }));
  }
  expect(() => readColumn(new ByteReader(Uint8Array.of(9, 0, 0)))).toThrow(/SER-001/);
});

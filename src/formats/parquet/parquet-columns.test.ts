import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { decode, encode } from '../../../test/support/parquet-rows.ts';
import { typeSchemaFrom } from '../../serde/schema-structure.ts';
import { parquetColumns, type AskedTypes } from './parquet-columns.ts';
import type { ParquetColumnType } from './parquet-leaves.ts';

const columnsOf = (shape: z.ZodRawShape, types?: AskedTypes) =>
  parquetColumns(typeSchemaFrom(z.object(shape)), types);
const taken = (shape: z.ZodRawShape, row: unknown, types?: AskedTypes) =>
  columnsOf(shape, types).take(row, { bytes: 0 });
const bytes = z.instanceof(Uint8Array);

describe('the columns', () => {
  test('follow from the schema', () => {
    const { schema, names } = columnsOf(
      {
        id: z.int32(),
        price: z.number(),
        text: z.string().nullable(),
        at: z.date(),
        count: z.int(),
        tags: z.array(z.string()).optional(),
        blob: bytes,
      },
      { at: 'timestamp-micros', count: 'int64' },
    );
    expect(names).toEqual(['id', 'price', 'text', 'at', 'count', 'tags', 'blob']);
    const shown = schema.map(({ name, type, repetition_type, converted_type }) =>
      [name, type, repetition_type, converted_type].filter((part) => part !== undefined).join(' '),
    );
    expect(shown).toEqual([
      'root',
      'id INT32 REQUIRED',
      'price DOUBLE REQUIRED',
      'text BYTE_ARRAY OPTIONAL UTF8',
      'at INT64 REQUIRED TIMESTAMP_MICROS',
      'count INT64 REQUIRED',
      'tags OPTIONAL LIST',
      'list REPEATED',
      'element BYTE_ARRAY REQUIRED UTF8',
      'blob BYTE_ARRAY REQUIRED',
    ]);
  });

  test.each([
    ['a', z.union([z.string(), z.number()]), 'a union of types'],
    ['a', z.any(), 'the type any'],
    ['a', z.null(), 'a value that is always null'],
    ['a', z.set(z.string()), 'a set'],
    ['a', z.tuple([z.string()]), 'a tuple'],
    ['a', z.map(z.string(), z.string()), 'a Map'],
    ['a', z.literal(['x', 1]), 'values of different types'],
    ['a', z.object({}), 'an object without fields'],
    ['a', z.looseObject({ b: z.string() }), 'an object with any further fields'],
    ['a.b[]', z.object({ b: z.array(z.set(z.string())) }), 'a set'],
  ])('are refused with their path: %s %o', (path, type, what) => {
    expect(() => columnsOf({ a: type })).toThrow(
      expect.objectContaining({ code: 'FMT-008', details: { column: path, what } }) as Error,
    );
  });

  test('are refused for rows that are no objects', () => {
    expect(() => parquetColumns({ kind: 'string' })).toThrow('FMT-008');
  });

  test.each<[AskedTypes, string]>([
    [{ b: 'int64' }, 'FMT-003'],
    [{ a: 'timestamp-millis' }, 'FMT-008'],
  ])('are refused as %o', (types, code) => {
    expect(() => columnsOf({ a: z.string() }, types)).toThrow(code);
  });
});

describe('a value', () => {
  test.each<[z.ZodType, unknown]>([
    [z.int32(), 2 ** 31],
    [z.int32(), -(2 ** 31) - 1],
    [z.int32(), 1.5],
    [z.number(), '1'],
    [z.bigint(), 2n ** 63n],
    [z.string(), null],
    [z.boolean(), 0],
    [z.date(), new Date(NaN)],
    [bytes, [1]],
    [z.array(z.string()), 'a'],
    [z.array(z.string()), [1]],
    [z.record(z.string(), z.number()), []],
    [z.record(z.string(), z.number()), JSON.parse('{"__proto__":1}')],
    [z.object({ b: z.string() }), undefined],
    [z.object({ b: z.string() }), {}],
  ])('that does not fit is refused: %o %o', (type, value) => {
    expect(() => taken({ a: type }, { a: value })).toThrow('FMT-009');
  });

  test.each<[ParquetColumnType, z.ZodType, unknown, unknown]>([
    ['int64', z.number(), 5, 5n],
    ['int32', z.number(), 5, 5],
    ['timestamp-millis', z.number(), 5.4, 5n],
    ['timestamp-micros', z.number(), -0.001, -1n],
    ['timestamp-micros', z.number(), 5.4, 5400n],
    ['timestamp-micros', z.bigint(), 5n, 5n],
    ['timestamp-micros', z.date(), new Date(5), 5000n],
  ])('as %s: %o %o', (asked, type, value, expected) => {
    expect(taken({ a: type }, { a: value }, { a: asked })).toEqual([expected]);
  });

  test.each<[ParquetColumnType, unknown]>([
    ['int64', 0.5],
    ['int64', 2 ** 53],
    ['int32', 2 ** 31],
    ['timestamp-millis', Infinity],
  ])('that is no %s is refused: %o', (asked, value) => {
    expect(() => taken({ a: z.number() }, { a: value }, { a: asked })).toThrow('FMT-009');
  });

  test('counts for the memory that it takes', () => {
    const size = { bytes: 0 };
    columnsOf({ a: z.string() }).take({ a: 'x'.repeat(1000) }, size);
    expect(size.bytes).toBeGreaterThanOrEqual(1000);
  });

  test('of an optional field is null or missing, as the schema has it', async () => {
    const row = z.object({ a: z.string().optional(), b: z.string().nullish() });
    const type = typeSchemaFrom(row);
    const read = await decode(encode(type, [{}, { a: 'x', b: null }]), { wanted: type });
    expect(read).toEqual([{ b: null }, { a: 'x', b: null }]);
  });
});

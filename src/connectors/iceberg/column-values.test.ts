import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { typeSchemaFrom } from '../../serde/schema-structure.ts';
import { columnsOf, icebergSchema, t, type Columns, withIds } from './columns.ts';
import { toDatum } from './column-values.ts';
import { primitiveOf, type StructType } from './iceberg-type.ts';

const taken = (type: string, value: unknown) => {
  const primitive = primitiveOf(type);
  if (primitive === undefined) expect.unreachable(type);
  return toDatum(primitive)(value);
};
const at = Date.UTC(2026, 0, 2, 3, 4, 5, 678);

describe('a value', () => {
  test.each<[string, unknown, unknown]>([
    ['int', -(2 ** 31), -(2 ** 31)],
    ['long', 5, 5n],
    ['long', 2n ** 63n - 1n, 2n ** 63n - 1n],
    ['float', 0.1, Math.fround(0.1)],
    ['double', NaN, NaN],
    ['date', new Date(-1), -1],
    ['date', 20, 20],
    ['date', '2026-01-31', Date.UTC(2026, 0, 31) / 86_400_000],
    ['time', '13:05:09.25', 47_109_250_000n],
    ['time', '00:00', 0n],
    ['time', 1, 1000n],
    ['timestamptz', new Date(at), BigInt(at) * 1000n],
    ['timestamptz', at + 0.001, BigInt(at) * 1000n + 1n],
    ['timestamptz', 7n, 7n],
    ['timestamptz', '2026-01-02T03:04:05.678901Z', BigInt(at) * 1000n + 901n],
    ['timestamptz', '2026-01-02T04:04:05.678+01:00', BigInt(at) * 1000n],
    ['timestamp', '2026-01-02T03:04:05.678901', BigInt(at) * 1000n + 901n],
    ['decimal(9,2)', '12.5', 1250n],
    ['decimal(9,2)', -0.01, -1n],
    ['decimal(9,2)', '7.100', 710n],
    ['decimal(38,0)', '9'.repeat(38), 10n ** 38n - 1n],
    [
      'uuid',
      'F79C3E09-677C-4BBD-A479-3F349CB785E7',
      Buffer.from('f79c3e09677c4bbda4793f349cb785e7', 'hex'),
    ],
  ])('of %s: %s', (type, value, expected) => {
    const datum = taken(type, value);
    if (datum instanceof Uint8Array) expect(Buffer.from(datum)).toEqual(expected);
    else expect(datum).toBe(expected);
  });

  test.each<[string, unknown]>([
    ['boolean', 1],
    ['int', 2 ** 31],
    ['int', 1.5],
    ['int', 1n],
    ['long', 2 ** 53],
    ['long', 2n ** 63n],
    ['double', '1'],
    ['date', '2026-02-30'],
    ['date', new Date(NaN)],
    ['time', '24:00'],
    ['time', -1],
    ['time', 86_400_000],
    ['timestamptz', '2026-01-02T03:04:05'],
    ['timestamp', '2026-01-02T03:04:05Z'],
    ['timestamptz', 'yesterday'],
    ['timestamptz', Infinity],
    ['decimal(9,2)', '0.001'],
    ['decimal(4,2)', '100'],
    ['decimal(9,2)', NaN],
    ['decimal(9,2)', '1e3'],
    ['uuid', 'x'],
    ['fixed[2]', Uint8Array.of(1)],
    ['string', 1],
  ])('that is no %s is refused: %s', (type, value) => {
    expect(taken(type, value)).toBeUndefined();
  });
});

const shown = (columns: Columns) => {
  const { fields } = withIds(columns, 0).type as StructType;
  return fields.map(({ id, name, required, type }) => ({ id, name, required, type }));
};

describe('columns', () => {
  test('follow from zod, and what it does not tell is said', () => {
    const columns = columnsOf(
      typeSchemaFrom(
        z.object({
          id: z.bigint(),
          n: z.int32().optional(),
          price: z.number().nullable(),
          at: z.number(),
          when: z.date(),
          kind: z.enum(['a', 'b']),
          tags: z.array(z.string()),
          counts: z.record(z.string(), z.int32()),
          where: z.object({ x: z.number(), y: z.string().optional() }),
        }),
      ),
      { at: t.timestamptz() },
    );
    const kinds = shown(columns).map(({ name, required, type }) => [
      name,
      required,
      typeof type === 'string' ? type : type.type,
    ]);
    expect(kinds).toEqual([
      ['id', true, 'long'],
      ['n', false, 'int'],
      ['price', false, 'double'],
      ['when', true, 'timestamptz'],
      ['kind', true, 'string'],
      ['tags', true, 'list'],
      ['counts', true, 'map'],
      ['where', true, 'struct'],
      ['at', true, 'timestamptz'],
    ]);
  });

  test('get their ids level by level, as other engines give them', () => {
    const columns = icebergSchema({
      a: t.struct({ b: t.int(), c: t.struct({ d: t.int() }) }),
      e: t.list(t.string()),
      f: t.map(t.string(), t.int().optional()),
    }).columns;
    expect(withIds(columns, 0)).toEqual({
      lastId: 9,
      type: {
        type: 'struct',
        fields: [
          {
            ...{ id: 1, name: 'a', required: true },
            type: {
              type: 'struct',
              fields: [
                { id: 4, name: 'b', required: true, type: 'int' },
                {
                  ...{ id: 5, name: 'c', required: true },
                  type: {
                    type: 'struct',
                    fields: [{ id: 6, name: 'd', required: true, type: 'int' }],
                  },
                },
              ],
            },
          },
          {
            ...{ id: 2, name: 'e', required: true },
            type: { type: 'list', 'element-id': 7, element: 'string', 'element-required': true },
          },
          {
            ...{ id: 3, name: 'f', required: true },
            type: {
              ...{ type: 'map', 'key-id': 8, key: 'string', 'value-id': 9 },
              ...{ value: 'int', 'value-required': false },
            },
          },
        ],
      },
    });
  });

  test.each<[string, () => unknown]>([
    ['a union', () => columnsOf(typeSchemaFrom(z.object({ a: z.union([z.string(), z.int()]) })))],
    ['a set', () => columnsOf(typeSchemaFrom(z.object({ a: z.set(z.string()) })))],
    ['no object', () => columnsOf({ kind: 'string' })],
    ['no fields', () => icebergSchema({})],
    ['a wide decimal', () => icebergSchema({ a: t.decimal(39, 0) })],
    ['an empty fixed', () => icebergSchema({ a: t.list(t.fixed(0)) })],
  ])('are refused for %s', (_what, make) => {
    expect(make).toThrow(expect.objectContaining({ code: 'ICE-005' }) as Error);
  });
});

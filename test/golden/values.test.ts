import { isDeepStrictEqual } from 'node:util';
import { describe, expect, it } from 'vitest';
import { ByteReader, ByteWriter } from '../../src/serde/bytes.ts';
import { decodeColumn, encodeColumn, readColumn, writeColumn } from '../../src/serde/columns.ts';
import { serializerOf } from '../../src/serde/structural-serializer.ts';
import type { TypeSchema } from '../../src/serde/type-schema.ts';

// Goal: bytes of docs/formats/values.md that a release has written are read forever.
// Method: values beside their bytes. Lines may be added, never changed. Keys have theirs beside the code.

const POINT: TypeSchema = {
  kind: 'object',
  fields: [
    { name: 'y', type: { kind: 'int32' } },
    { name: 'x', type: { kind: 'int32' } },
    { name: 'label', type: { kind: 'string' }, optional: true },
  ],
};
const LIST: TypeSchema = {
  kind: 'recursive',
  name: 'list',
  of: {
    kind: 'union',
    of: [
      { kind: 'null' },
      { kind: 'object', fields: [{ name: 'next', type: { kind: 'ref', name: 'list' } }] },
    ],
  },
};

const values: readonly (readonly [schema: TypeSchema, value: unknown, hex: string])[] = [
  [{ kind: 'null' }, null, ''],
  [{ kind: 'boolean' }, true, '01'],
  [{ kind: 'int32' }, -2, 'feffffff'],
  [{ kind: 'float64' }, 0.5, '000000000000e03f'],
  [{ kind: 'float64' }, -0, '0000000000000080'],
  [{ kind: 'string' }, 'añ\ud800', '0661c3b1eda080'],
  [{ kind: 'bigint' }, -1n, '00ffffffffffffffff'],
  [{ kind: 'bigint' }, -(2n ** 64n), '020200000000000000000100000000000000'],
  [{ kind: 'date' }, new Date(1), '000000000000f03f'],
  [{ kind: 'bytes' }, Uint8Array.of(1, 2), '020102'],
  [{ kind: 'enum', values: ['b', 'a', 2, null] }, 'b', '01'],
  [{ kind: 'array', of: { kind: 'int32' } }, [1, 2], '020100000002000000'],
  [
    { kind: 'tuple', of: [{ kind: 'int32' }], rest: { kind: 'boolean' } },
    [1, true],
    '020100000001',
  ],
  [{ kind: 'set', of: { kind: 'boolean' } }, new Set([true]), '0101'],
  [
    { kind: 'map', key: { kind: 'string' }, value: { kind: 'boolean' } },
    new Map([['a', false]]),
    '01016100',
  ],
  [{ kind: 'record', of: { kind: 'boolean' } }, { b: true, a: false }, '02016201016100'],
  [POINT, { y: 2, x: 1 }, '000100000002000000'],
  [POINT, { label: 'a', y: 2, x: 1 }, '0101610100000002000000'],
  [{ kind: 'object', fields: [], rest: { kind: 'boolean' } }, { a: true }, '01016101'],
  [{ kind: 'union', of: [{ kind: 'string' }, { kind: 'null' }] }, 'a', '010161'],
  [{ kind: 'union', of: [{ kind: 'string' }, { kind: 'null' }] }, null, '00'],
  [LIST, { next: { next: null } }, '010100'],
  [
    { kind: 'any' },
    { a: [1, 'b', null, undefined, true, 0.5], d: new Date(1000) },
    '001d82a1619601a162c0d40000c3cb3fe0000000000000a164d6ff00000001',
  ],
  [
    { kind: 'any' },
    new Map<unknown, unknown>([[{ a: -0 }, [1n]]]),
    '012393a36d617093a66f626a656374a16191a22d3092a56172726179d30000000000000001',
  ],
];

const columns: readonly (readonly [
  schema: TypeSchema | 'key',
  values: readonly unknown[],
  hex: string,
])[] = [
  [{ kind: 'float64' }, [1, -2], '00020801000000feffffff'],
  [{ kind: 'float64' }, [1, 0.5], '010210000000000000f03f000000000000e03f'],
  [{ kind: 'string' }, ['a', 'é'], '02020501010161e9'],
  [{ kind: 'string' }, ['a', 'ł'], '03020601010261c582'],
  ['key', [['a', 1], null], '04020e010a010802070161030100000000'],
  [POINT, [{ y: 2, x: 1 }], '04010b0109000100000002000000'],
];

describe('values', () => {
  it.each(values)('%j: %o', (schema, value, hex) => {
    const serializer = serializerOf(schema);
    const to = new ByteWriter();
    serializer.write(value, to);

    expect(Buffer.from(to.finish()).toString('hex')).toBe(hex);
    const read = serializer.read(new ByteReader(Buffer.from(hex, 'hex')));
    expect(isDeepStrictEqual(read, value)).toBe(true);
  });
});

describe('columns', () => {
  it.each(columns)('%j: %o', (schema, items, hex) => {
    const codec = schema === 'key' ? schema : serializerOf(schema);
    const to = new ByteWriter();
    writeColumn(encodeColumn(items, items.length, codec), to);

    expect(Buffer.from(to.finish()).toString('hex')).toBe(hex);
    const column = readColumn(new ByteReader(Buffer.from(hex, 'hex')));
    expect(decodeColumn(column, codec)).toEqual(items);
  });
});

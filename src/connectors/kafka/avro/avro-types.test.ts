import { beforeAll, describe, expect, it } from 'vitest';
import { loadAvro } from './avro-library.ts';
import { type AvroLongs, avroType } from './avro-types.ts';

beforeAll(loadAvro);

function typeOf(schema: string | object, longs: AvroLongs = 'number') {
  return avroType(schema, { longs, where: 'here' });
}

function record(...fields: readonly object[]): object {
  return { type: 'record', name: 'R', fields };
}

function roundTrip(schema: object, value: unknown, longs?: AvroLongs): unknown {
  const type = typeOf(schema, longs);
  return type.fromBuffer(type.toBuffer(value));
}

describe('values', () => {
  it('are plain objects, at every depth', () => {
    const inner = { type: 'record', name: 'I', fields: [{ name: 'x', type: 'int' }] };
    const schema = record(
      { name: 'i', type: ['null', inner] },
      { name: 'is', type: { type: 'array', items: 'I' } },
    );
    const value = { i: { x: 1 }, is: [{ x: 2 }] };
    const back = roundTrip(schema, value) as typeof value;
    expect(back).toStrictEqual(value);
  });

  it('of a union whose branches look alike name the branch', () => {
    const value = { a: { long: 3 } };
    expect(roundTrip(record({ name: 'a', type: ['int', 'long'] }), value)).toStrictEqual(value);
  });

  it.each<[string, object, unknown]>([
    ['a time', { type: 'long', logicalType: 'timestamp-millis' }, new Date(-1)],
    ['a day', { type: 'int', logicalType: 'date' }, new Date('1969-12-31')],
    ['a decimal', { type: 'bytes', logicalType: 'decimal', precision: 5, scale: 2 }, '-12.30'],
    [
      'a decimal of a size',
      { type: 'fixed', name: 'D', size: 4, logicalType: 'decimal', precision: 9, scale: 0 },
      '-7',
    ],
    [
      'a UUID in bytes',
      { type: 'fixed', name: 'U', size: 16, logicalType: 'uuid' },
      'f81d4fae-7dec-11d0-a765-00a0c91e6bf6',
    ],
    ['microseconds', { type: 'long', logicalType: 'timestamp-micros' }, 1_764_460_800_000_001],
  ])('%s comes back', (_, schema, value) => {
    expect(roundTrip(schema, value)).toEqual(value);
    expect(roundTrip(record({ name: 'a', type: ['null', schema] }), { a: value })).toEqual({
      a: value,
    });
  });

  it('with keys that are names of JavaScript are data', () => {
    const type = typeOf({ type: 'map', values: { type: 'map', values: 'int' } });
    const bytes = Buffer.concat([
      Buffer.from([2, 18]),
      Buffer.from('__proto__'),
      Buffer.from([2, 2, 0x78, 2, 0, 0]),
    ]);
    const value = type.fromBuffer(bytes) as Record<string, unknown>;
    expect(Object.keys(value)).toEqual(['__proto__']);
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
  });

  it('of 64 bits are bigints if that is wanted, also where the schema spells it long', () => {
    const schema = record({ name: 'a', type: 'long' }, { name: 'b', type: { type: 'long' } });
    const value = { a: 2n ** 63n - 1n, b: -(2n ** 63n) };
    expect(roundTrip(schema, value, 'bigint')).toEqual(value);
    expect(() => roundTrip(schema, { a: 2 ** 60, b: 0 })).toThrow(/invalid "long"/);
  });
});

describe('a count that the bytes cannot hold', () => {
  const huge = Buffer.from([0x80, 0x80, 0x80, 0x80, 0x80, 0x40]);

  it.each([
    { type: 'array', items: 'int' },
    { type: 'array', items: 'null' },
    { type: 'map', values: 'int' },
  ])('is refused at once: %s', (schema) => {
    expect(() => typeOf(schema).fromBuffer(huge) as unknown).toThrow(/cut off/);
  });

  it('is refused in a field that is passed over', () => {
    const writer = typeOf(record({ name: 'a', type: { type: 'array', items: 'int' } }));
    const reader = typeOf(record());
    expect(() => reader.fromBuffer(huge, reader.createResolver(writer)) as unknown).toThrow(
      /cut off/,
    );
  });
});

describe('a schema', () => {
  it.each(['{', '{"type":"record"}', '"Unknown"', 'nothing'])('%s is refused', (schema) => {
    expect(() => typeOf(schema)).toThrow(expect.objectContaining({ code: 'KAF-035' }));
  });

  it('of another scale does not fit a decimal', () => {
    const decimal = (scale: number) =>
      typeOf({ type: 'bytes', logicalType: 'decimal', precision: 9, scale });
    expect(() => decimal(2).createResolver(decimal(3))).toThrow(/cannot read/);
    expect(() => decimal(2).createResolver(decimal(2))).not.toThrow();
  });
});

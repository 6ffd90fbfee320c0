import { describe, expect, test } from 'vitest';
import type { Datum } from './iceberg-type.ts';
import { murmur3 } from './murmur3.ts';
import { datumText, transformOf } from './transforms.ts';

const apply = (name: string, type: string, value: Datum) => transformOf(name, type)?.apply(value);
const at = (text: string) => BigInt(Date.parse(text)) * 1000n;
const day = (text: string) => Date.parse(text) / 86_400_000;
const bytes = (...values: number[]) => Uint8Array.from(values);
const uuid = bytes(
  ...[0xf7, 0x9c, 0x3e, 0x09, 0x67, 0x7c, 0x4b, 0xbd],
  ...[0xa4, 0x79, 0x3f, 0x34, 0x9c, 0xb7, 0x85, 0xe7],
);

/** The hash is what the bucket of 2^31 - 1 buckets tells, but for its sign. */
const LARGE = `bucket[${2 ** 31 - 1}]`;

describe('the hash of buckets', () => {
  // The table in appendix B of the specification.
  test.each<[string, Datum, number]>([
    ['int', 34, 2017239379],
    ['long', 34n, 2017239379],
    ['decimal(9,2)', 1420n, -500754589],
    ['date', day('2017-11-16'), -653330422],
    ['time', 81068000000n, -662762989],
    ['timestamp', at('2017-11-16T22:31:08Z'), -2047944441],
    ['timestamp', at('2017-11-16T22:31:08Z') + 1n, -1207196810],
    ['timestamptz', at('2017-11-16T14:31:08-08:00'), -2047944441],
    ['string', 'iceberg', 1210000089],
    ['uuid', uuid, 1488055340],
    ['fixed[4]', bytes(0, 1, 2, 3), -188683207],
    ['binary', bytes(0, 1, 2, 3), -188683207],
  ])('of a %s', (type, value, hash) => {
    expect(apply(LARGE, type, value)).toBe((hash & 0x7fffffff) % (2 ** 31 - 1));
  });

  test('is that of Murmur3, for every length of what is left over', () => {
    const text = (value: string) => murmur3(new TextEncoder().encode(value));
    expect(text('')).toBe(0);
    expect(text('iceberg')).toBe(1210000089);
    expect(text('a') >>> 0).toBe(0x3c2569b2);
    expect(text('ab') >>> 0).toBe(0x9bbfd75f);
    expect(text('abc') >>> 0).toBe(0xb3dd93fa);
    expect(text('abcd') >>> 0).toBe(0x43ed676a);
  });

  test('is of one value, however wide its type is', () => {
    expect(apply('bucket[16]', 'int', -5)).toBe(apply('bucket[16]', 'long', -5n));
  });
});

describe('times', () => {
  test.each<[string, string, Datum, number]>([
    ['year', 'date', day('1969-12-31'), -1],
    ['year', 'timestamptz', at('2017-11-16T22:31:08Z'), 47],
    ['month', 'date', day('1969-12-31'), -1],
    ['month', 'timestamp', at('2017-11-16T22:31:08Z'), 574],
    ['day', 'timestamptz', -1n, -1],
    ['day', 'timestamptz', 0n, 0],
    ['day', 'timestamp', at('2017-11-16T22:31:08Z'), 17486],
    ['hour', 'timestamptz', -1n, -1],
    ['hour', 'timestamptz', at('2017-11-16T22:31:08Z'), 419686],
  ])('%s of %s %s', (transform, type, value, expected) => {
    expect(apply(transform, type, value)).toBe(expected);
  });

  test('a day is a date, the others are numbers', () => {
    expect(transformOf('day', 'timestamptz')?.result).toEqual({ kind: 'date' });
    expect(transformOf('hour', 'timestamptz')?.result).toEqual({ kind: 'int' });
  });
});

describe('truncation', () => {
  test.each<[string, string, Datum, Datum]>([
    ['truncate[10]', 'int', 1, 0],
    ['truncate[10]', 'int', -1, -10],
    ['truncate[10]', 'long', -10n, -10n],
    ['truncate[50]', 'decimal(9,2)', 1065n, 1050n],
    ['truncate[3]', 'string', 'iceberg', 'ice'],
    ['truncate[2]', 'string', '🌊🌊🌊', '🌊🌊'],
    ['truncate[2]', 'binary', bytes(1, 2, 3), bytes(1, 2)],
  ])('%s of %s', (transform, type, value, expected) => {
    expect(apply(transform, type, value)).toEqual(expected);
  });
});

test('void makes null, identity nothing else', () => {
  expect(transformOf('void', 'string')?.apply('x')).toBeUndefined();
  expect(apply('identity', 'string', 'x')).toBe('x');
});

test.each([
  ['day', 'string'],
  ['hour', 'date'],
  ['bucket[16]', 'double'],
  ['truncate[3]', 'date'],
  ['bucket[0]', 'int'],
  ['zorder', 'int'],
  ['identity', 'variant'],
])('%s of %s is not there', (transform, type) => {
  expect(transformOf(transform, type)).toBeUndefined();
});

test.each<[string, string, Datum | undefined, string]>([
  ['day', 'date', -1, '1969-12-31'],
  ['month', 'date', 574, '2017-11'],
  ['year', 'date', 47, '2017'],
  ['hour', 'timestamptz', 419686, '2017-11-16-22'],
  ['identity', 'timestamptz', at('2017-11-16T22:31:08Z'), '2017-11-16T22:31:08.000Z'],
  ['identity', 'string', 'a b', 'a b'],
  ['identity', 'binary', bytes(255, 0), '_wA'],
  ['identity', 'int', undefined, 'null'],
])('%s of a %s in a path', (transform, type, value, text) => {
  const result = transformOf(transform, type === 'timestamptz' ? 'timestamptz' : type)?.result;
  if (result === undefined) expect.unreachable();
  expect(datumText(result, transform, value)).toBe(text);
});

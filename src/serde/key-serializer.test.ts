import { describe, expect, it } from 'vitest';
import { fc } from '../../test/support/property.ts';
import { keyHash, keysEqual } from '../common/key-hash.ts';
import { ByteReader, ByteWriter } from './bytes.ts';
import { compareKeyBytes, decodeKey, encodeKey, keySerializer } from './key-serializer.ts';

// Goal: equal keys have equal bytes, different keys different ones, and bytes give the key back.
// Replay: vitest prints fast-check's seed and path.

const texts = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 5 }),
  fc
    .array(fc.integer({ min: 0xd7f0, max: 0xe010 }), { maxLength: 4 })
    .map((units) => String.fromCharCode(...units)),
);
const primitive = fc.oneof(
  fc.integer(),
  fc.maxSafeInteger(),
  fc.double(),
  fc.constantFrom(0, -0, NaN, null, true, false, ''),
  texts,
  fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n }),
);
const { key: anyKey } = fc.letrec((tie) => ({
  key: fc.oneof({ depthSize: 'small' }, primitive, tie('tuple'), tie('object')),
  tuple: fc.array(tie('key'), { maxLength: 4 }),
  object: fc.dictionary(fc.oneof(texts, fc.constant('__proto__')), tie('key'), { maxKeys: 4 }),
}));

it('gives the key back, with its hash', () => {
  fc.assert(
    fc.property(anyKey, (key) => {
      const read = decodeKey(encodeKey(key));

      expect(keysEqual(read, key)).toBe(true);
      expect(keyHash(read)).toBe(keyHash(key));
    }),
  );
});

it('has the same bytes for equal keys, and only for them', () => {
  fc.assert(
    fc.property(anyKey, anyKey, (a, b) => {
      expect(encodeKey(reordered(a))).toEqual(encodeKey(a));
      expect(compareKeyBytes(encodeKey(a), encodeKey(b)) === 0).toBe(keysEqual(a, b));
    }),
  );
});

it('never begins with another key', () => {
  fc.assert(
    fc.property(anyKey, anyKey, (a, b) => {
      const [short, long] = [encodeKey(a), encodeKey(b)].sort((x, y) => x.length - y.length);
      if (short === undefined || long === undefined || short.length === long.length) return;
      expect(long.subarray(0, short.length)).not.toEqual(short);
    }),
  );
});

it('orders bytes as unsigned numbers', () => {
  const sorted = [[], [0], [0, 0], [0, 1], [1], [127], [128], [255], [255, 0]].map((bytes) =>
    Uint8Array.from(bytes),
  );

  expect([...sorted].reverse().sort(compareKeyBytes)).toEqual(sorted);
});

describe('the bytes of released formats', () => {
  it.each([
    [null, '00'],
    [false, '01'],
    [true, '02'],
    [0, '0300000000'],
    [-0, '0300000000'],
    [-2, '03feffffff'],
    [2 ** 31, '040000008000000000'],
    [0.5, '05000000000000e03f'],
    [NaN, '05000000000000f87f'],
    [1n, '06000100000000000000'],
    ['añ', '070361c3b1'],
    [['a', 1], '08020701610301000000'],
    [{ b: 1, a: null }, '090201610001620301000000'],
  ])('%o is %s', (key, hex) => {
    expect(Buffer.from(encodeKey(key)).toString('hex')).toBe(hex);
  });
});

it('refuses what is no key, and bytes that are none', () => {
  for (const key of [undefined, new Date(0), [undefined], { a: new Map() }]) {
    expect(() => encodeKey(key)).toThrow(expect.objectContaining({ code: 'COM-001' }));
  }
  for (const bytes of [[], [99], [3, 0], [8, 200, 1], [0, 0]]) {
    expect(() => decodeKey(Uint8Array.from(bytes))).toThrow(
      expect.objectContaining({ code: 'SER-001', kind: 'corrupt' }),
    );
  }
});

it('is a serializer for keys of map state', () => {
  const to = new ByteWriter();
  to.uint8(1);
  expect(() => keySerializer.write(['a', undefined], to)).toThrow(/COM-001/);
  expect(to.length).toBe(1);

  keySerializer.write({ a: [1] }, to);
  expect(keySerializer.read(new ByteReader(to.finish(), 1))).toEqual({ a: [1] });
  expect(keySerializer.copy({ a: [1] })).toEqual({ a: [1] });
  expect(keySerializer.resolve(keySerializer.describe())).toEqual({ kind: 'same' });
  expect(keySerializer.resolve({ kind: 'string' })).toMatchObject({ kind: 'refuse' });
});

function reordered(key: unknown): unknown {
  if (Array.isArray(key)) return key.map(reordered);
  if (typeof key !== 'object' || key === null) return key;
  const entries = Object.entries(key).map(([name, value]) => [name, reordered(value)]);
  return Object.fromEntries(entries.reverse()) as unknown;
}

import { describe, expect, it } from 'vitest';
import { fc } from '../../test/support/property.ts';
import { EngineError } from './errors.ts';
import { isPrimitiveKey, keyHash, keysEqual, murmur } from './key-hash.ts';

// Goal: equal keys hash alike and keys are what has value equality. That the hash is Flink's is
// shown in test/golden/flink-key-hash.test.ts.
// Replay: vitest prints fast-check's seed and path.

const primitive = fc.oneof(
  fc.integer(),
  fc.maxSafeInteger(),
  fc.double(),
  fc.constantFrom(0, -0, NaN, null, true, false),
  fc.string(),
  fc.bigInt(),
);
const { key: anyKey } = fc.letrec((tie) => ({
  key: fc.oneof({ depthSize: 'small' }, primitive, tie('tuple'), tie('object')),
  tuple: fc.array(tie('key'), { maxLength: 4 }),
  object: fc.dictionary(fc.string(), tie('key'), { maxKeys: 4 }),
}));

it('hashes equal keys alike', () => {
  fc.assert(
    fc.property(anyKey, (key) => {
      const twin = twinOf(key);

      expect(keysEqual(key, twin)).toBe(true);
      expect(keyHash(twin)).toBe(keyHash(key));
    }),
  );
});

it('finds different keys different, whichever comes first', () => {
  fc.assert(
    fc.property(anyKey, anyKey, (a, b) => {
      expect(keysEqual(a, b)).toBe(keysEqual(b, a));
      if (keysEqual(a, b)) expect(keyHash(a)).toBe(keyHash(b));
    }),
  );
});

it.each([
  [0, -0, true],
  [NaN, NaN, true],
  [1, 1n, false],
  [1, '1', false],
  [null, 0, false],
  [null, {}, false],
  [[], {}, false],
  [{}, [], false],
  [[1, 2], [1, 2], true],
  [[1, 2], [1, 2, 3], false],
  [{ a: 1 }, { a: 1, b: 2 }, false],
  [{ a: 1, b: 2 }, { a: 1 }, false],
  [{ a: 1 }, { b: 1 }, false],
  [{ a: -0, b: [NaN] }, { b: [NaN], a: 0 }, true],
])('keysEqual(%o, %o) is %s', (a, b, equal) => {
  expect(keysEqual(a, b)).toBe(equal);
});

describe('what is no key', () => {
  class Money {
    readonly cents = 1;
  }
  it.each([
    ['undefined', undefined],
    ['function', () => 1],
    ['symbol', Symbol('s')],
    ['Date', new Date(0)],
    ['Map', new Map()],
    ['Set', new Set()],
    ['Uint8Array', new Uint8Array(2)],
    ['Money', new Money()],
  ])('refuses a value of type %s, also inside', (type, value) => {
    for (const key of [value, ['a', value], { a: { b: value } }]) {
      expect(() => keyHash(key)).toThrow(
        expect.objectContaining({ code: 'COM-001', kind: 'invalid', details: { type } }),
      );
    }
  });

  it('says what to return instead', () => {
    expect(() => keyHash(new Date(0))).toThrow(/Return date\.getTime\(\)/);
    expect(() => keyHash([undefined])).toThrow(/Return null/);
    expect(() => keyHash(() => 1)).toThrow(EngineError);
  });
});

it('takes an object without a prototype', () => {
  expect(keyHash(Object.assign(Object.create(null), { a: 1 }))).toBe(keyHash({ a: 1 }));
});

it('knows which keys a Map can hold', () => {
  expect([1, NaN, 'a', true, 1n, null].every(isPrimitiveKey)).toBe(true);
  expect([[1], {}, undefined, Symbol('s')].some(isPrimitiveKey)).toBe(false);
});

it('mixes int32 one to one', () => {
  const hashes = new Set(Array.from({ length: 100_000 }, (_, index) => murmur(index * 7919)));

  expect(hashes.size).toBe(100_000);
});

/** An equal key that shares nothing with `key`: fields in another order, zero with its other sign. */
function twinOf(key: unknown): unknown {
  if (key === 0) return -key;
  if (Array.isArray(key)) return key.map(twinOf);
  if (typeof key !== 'object' || key === null) return key;
  return Object.fromEntries(
    Object.entries(key)
      .reverse()
      .map(([name, value]) => [name, twinOf(value)]),
  );
}

import { isDeepStrictEqual } from 'node:util';
import { Packr } from 'msgpackr';
import { describe, expect, it } from 'vitest';
import { fc } from '../../test/support/property.ts';
import { ByteReader, ByteWriter } from './bytes.ts';
import { ANY_DEPTH_MAX } from './misfit.ts';
import { readAny, writeAny } from './msgpack.ts';
import { serializerOf } from './structural-serializer.ts';

// Goal: any plain value comes back exactly; msgpackr's liberties never reach a user.
// Replay: vitest prints fast-check's seed and path.

const any = serializerOf({ kind: 'any' });

it('gives any plain value back exactly', () => {
  const anything = fc.anything({
    key: fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.constantFrom('__proto__', 'constructor', '\ud800'),
    ),
    withBigInt: true,
    withDate: true,
    withMap: true,
    withSet: true,
    withTypedArray: true,
    stringUnit: 'binary',
    maxDepth: 4,
  });
  fc.assert(
    fc.property(anything, (value) => {
      expect(isDeepStrictEqual(roundTrip(value), value)).toBe(true);
    }),
    { numRuns: 1000 },
  );
});

class Money {
  readonly cents = 1;
}
class Names extends Map<string, string> {}

describe('what msgpackr alone would change without a word', () => {
  const packr = new Packr({ useRecords: false, moreTypes: true });

  it.each<[string, unknown]>([
    ['-0', -0],
    ['-0 inside', { a: [-0] }],
    [
      'a Map',
      new Map<unknown, unknown>([
        [1, 'a'],
        [{ b: 1 }, new Map()],
      ]),
    ],
    ['a field named __proto__', JSON.parse('{"__proto__":1}')],
    ['a lone surrogate', 'a\ud800b'],
    ['a lone surrogate in a name', { '\udc00': 1 }],
  ])('%s comes back', (_, value) => {
    expect(isDeepStrictEqual(roundTrip(value), value)).toBe(true);
    let alone: unknown;
    try {
      alone = packr.unpack(packr.pack(value));
    } catch {
      return;
    }
    // If this fails, msgpackr has learned it, and the detour may go.
    expect(isDeepStrictEqual(alone, value)).toBe(false);
  });

  it.each<[string, unknown, string]>([
    ['a function', () => 1, 'function'],
    ['a symbol', Symbol('s'), 'symbol'],
    ['an instance of a class', new Money(), 'instance of Money'],
    ['an instance of a class that extends Map', new Names(), 'instance of Names'],
    ['a RegExp', /x/, 'instance of RegExp'],
    ['an Error', new TypeError('x'), 'instance of TypeError'],
    ['a promise', Promise.resolve(1), 'instance of Promise'],
    ['a WeakMap', new WeakMap(), 'instance of WeakMap'],
    ['a boxed number', Object(5), 'instance of Number'],
    ['an ArrayBuffer', new ArrayBuffer(2), 'instance of ArrayBuffer'],
    ['a URL', new URL('http://a'), 'instance of URL'],
  ])('%s is refused, with its place', (_, value, found) => {
    for (const [holder, at] of [
      [value, 'value'],
      [{ a: [1, value] }, 'value.a[1]'],
      [new Map([['k', value]]), 'value.get("k")'],
      [new Set([value]), 'value[0]'],
    ]) {
      const refusal = expect.objectContaining({ code: 'SER-004', details: { at, found } });
      expect(() => roundTrip(holder)).toThrow(refusal);
      expect(() => any.copy(holder)).toThrow(refusal);
    }
  });
});

describe('also come back', () => {
  it.each<[string, unknown]>([
    ['undefined', undefined],
    ['undefined inside', { a: undefined, b: [undefined] }],
    ['NaN and infinities', [NaN, Infinity, -Infinity]],
    ['large numbers', [2 ** 53 - 1, -(2 ** 53 - 1), 2 ** 53, 1e300, 4294967295]],
    ['bigints', [0n, 5n, -(2n ** 63n), 2n ** 63n, 2n ** 200n, -(2n ** 200n)]],
    ['dates', [new Date(0), new Date(8.64e15), new Date(-8.64e15), new Date(NaN), new Date(-1)]],
    ['typed arrays', [new Uint8Array([1, 2]), new Float64Array([1.5]), new Int32Array([-1])]],
    ['an object without a prototype', Object.assign(Object.create(null), { a: 1 })],
    ['names that look like numbers', { 1: 'a', '01': 'b' }],
    ['an empty object', {}],
  ])('%s', (_, value) => {
    const plain =
      value !== null && typeof value === 'object' && Object.getPrototypeOf(value) === null;
    expect(isDeepStrictEqual(roundTrip(value), plain ? { ...value } : value)).toBe(true);
  });
});

it('needs no other bytes than its own', () => {
  const first = bytesOf({ a: 1, b: 2 });

  expect(bytesOf({ a: 1, b: 2 })).toEqual(first);
});

it('refuses circles, and what is as deep as one', () => {
  const circle: { self?: unknown } = {};
  circle.self = circle;
  let deep: unknown = 1;
  for (let level = 0; level < ANY_DEPTH_MAX; level++) deep = [deep];

  expect(() => roundTrip(circle)).toThrow(expect.objectContaining({ code: 'SER-004' }));
  expect(roundTrip(deep)).toEqual(deep);
  expect(() => roundTrip([[deep]])).toThrow(/SER-004.*circle/);
});

it('says alone what a serializer says, and leaves nothing written', () => {
  const to = new ByteWriter();

  expect(() => writeAny({ a: new Money() }, to)).toThrow(/SER-004.*value\.a/);
  expect(to.length).toBe(0);
  writeAny([1], to);
  expect(readAny(new ByteReader(to.finish()))).toEqual([1]);
});

it('survives any bytes', () => {
  fc.assert(
    fc.property(fc.uint8Array(), (bytes) => {
      try {
        any.read(new ByteReader(bytes));
      } catch (error) {
        expect(error).toMatchObject({ code: 'SER-001', kind: 'corrupt' });
      }
    }),
  );
});

function bytesOf(value: unknown): Uint8Array {
  const to = new ByteWriter();
  any.write(value, to);
  return to.finish();
}

function roundTrip(value: unknown): unknown {
  const from = new ByteReader(bytesOf(value));
  const read = any.read(from);
  expect(from.remaining).toBe(0);
  return read;
}

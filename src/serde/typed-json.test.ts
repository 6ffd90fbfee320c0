import { describe, expect, it } from 'vitest';
import { fc } from '../../test/support/property.ts';
import { fromTypedJson, toTypedJson } from './typed-json.ts';

const plain = fc.anything({
  withBigInt: true,
  withDate: true,
  withMap: true,
  withSet: true,
  withNullPrototype: false,
  stringUnit: 'binary',
});

describe('typed JSON', () => {
  it('gives back any plain data', () => {
    fc.assert(
      fc.property(plain, (value) => {
        const { text, exact } = toTypedJson(value);
        expect(exact).toBe(true);
        expect(fromTypedJson(text)).toStrictEqual(value);
      }),
    );
  });

  it.each([
    ['a number that JSON lacks', [NaN, -0, Infinity, -Infinity]],
    ['half of a character', ['\ud800', 'a\udc00b']],
    ['bytes', new Uint8Array([0, 255, 7])],
    ['a date that is none', new Date(NaN)],
    ['a field called $type', { $type: 'date', value: 3, deep: { $type: undefined } }],
    ['a field called __proto__', JSON.parse('{"__proto__": 1, "a": {"__proto__": {"b": 2}}}')],
    ['holes', [undefined, [undefined]]],
  ])('gives back %s', (_, value: unknown) => {
    expect(fromTypedJson(toTypedJson(value).text)).toStrictEqual(value);
  });

  it('reads as people would write it', () => {
    const value = { n: 1, big: 12n, at: new Date(0), none: undefined };
    expect(toTypedJson(value).text).toBe(
      '{"n":1,"big":{"$type":"bigint","value":"12"},"at":{"$type":"date","value":"1970-01-01T00:00:00.000Z"},"none":{"$type":"undefined"}}',
    );
  });

  it.each([
    ['a function', { f: () => 1 }],
    ['an instance', { e: new URL('http://localhost') }],
    ['a symbol', Symbol('s')],
    ['a getter that throws', Object.defineProperty({}, 'x', { enumerable: true, get: thrown })],
    ['a circle', circle()],
  ])('notes %s and says that it is not all', (_, value: unknown) => {
    const { text, exact } = toTypedJson(value);
    expect(exact).toBe(false);
    expect(() => fromTypedJson(text)).toThrow(/DLQ-005/);
  });

  it('cuts what is too long', () => {
    const { text, exact } = toTypedJson({ text: 'x'.repeat(1_000) }, 100);
    expect(exact).toBe(false);
    expect(text.length).toBeLessThan(200);
    expect(JSON.parse(text)).toMatchObject({ $type: 'cut' });
  });

  it.each(['', '{', '{"$type":"date","value":3}', '{"$type":"bigint","value":"x"}', '{"$type":7}'])(
    'refuses %s',
    (text) => {
      expect(() => fromTypedJson(text)).toThrow(/DLQ-005/);
    },
  );
});

function thrown(): never {
  // eslint-disable-next-line @typescript-eslint/only-throw-error -- what users' getters may do.
  throw 'no';
}

function circle(): unknown {
  const ring: Record<string, unknown> = {};
  ring['self'] = ring;
  return ring;
}

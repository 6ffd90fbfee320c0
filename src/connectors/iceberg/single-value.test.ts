import { describe, expect, test } from 'vitest';
import { fc } from '../../../test/support/property.ts';
import { ColumnStats } from './column-stats.ts';
import { type Datum, decimalBytes, primitiveOf, type Primitive } from './iceberg-type.ts';
import { compareDatum, lowerBound, singleValueBytes, upperBound } from './single-value.ts';

function primitive(name: string): Primitive {
  const type = primitiveOf(name);
  if (type === undefined) expect.unreachable(name);
  return type;
}

const hex = (bytes: Uint8Array | undefined) => bytes && Buffer.from(bytes).toString('hex');
const text = (bytes: Uint8Array | undefined) => bytes && new TextDecoder().decode(bytes);

describe('a value as bytes', () => {
  test.each<[string, Datum, string]>([
    ['boolean', true, '01'],
    ['int', 1, '01000000'],
    ['date', -1, 'ffffffff'],
    ['long', -2n, 'feffffffffffffff'],
    ['time', 1n, '0100000000000000'],
    ['timestamptz', 1510871468000001n, '01e5b74c235e0500'],
    ['float', -4.5, '000090c0'],
    ['double', 6, '0000000000001840'],
    ['string', 'ABC', '414243'],
    ['decimal(9,2)', 345n, '0159'],
    ['decimal(9,2)', -1n, 'ff'],
    ['decimal(9,2)', 128n, '0080'],
    ['binary', Uint8Array.of(1, 0), '0100'],
  ])('%s', (type, value, expected) => {
    const bytes = singleValueBytes(primitive(type), value);
    if (type === 'timestamptz') expect(Buffer.from(bytes).readBigInt64LE()).toBe(value);
    else expect(hex(bytes)).toBe(expected);
  });

  test('decimals have the fewest bytes of two’s complement', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(10n ** 38n) + 1n, max: 10n ** 38n - 1n }), (value) => {
        const bytes = singleValueBytes(primitive('decimal(38,0)'), value);
        expect(bytes.length).toBeLessThanOrEqual(decimalBytes(38));
        const read = BigInt.asIntN(8 * bytes.length, BigInt(`0x${hex(bytes) ?? ''}`));
        expect(read).toBe(value);
        if (bytes.length > 1) expect(BigInt.asIntN(8 * (bytes.length - 1), value)).not.toBe(value);
      }),
    );
  });
});

describe('bounds', () => {
  test('of texts are in the order of UTF-8, which is not that of UTF-16', () => {
    // By UTF-16 units the wave (d83c …) comes before the full-width letter (ff21).
    expect(['Ａ', '🌊'].sort()).toEqual(['🌊', 'Ａ']);
    const stats = new ColumnStats(1, primitive('string'));
    for (const value of ['Ａ', '🌊']) stats.add(value);
    expect([text(stats.lower), text(stats.upper)]).toEqual(['Ａ', '🌊']);
  });

  test('of long texts are cut at 16 code points, and the upper one goes up', () => {
    const long = '🌊'.repeat(20);
    expect(text(lowerBound(primitive('string'), long))).toBe('🌊'.repeat(16));
    const next = String.fromCodePoint(0x1f30a + 1);
    expect(text(upperBound(primitive('string'), long))).toBe('🌊'.repeat(15) + next);
    const last = `a${'\u{10ffff}'.repeat(20)}`;
    expect(text(upperBound(primitive('string'), last))).toBe('b');
    expect(text(upperBound(primitive('string'), `${'x'.repeat(15)}\ud7ffyy`))).toBe(
      `${'x'.repeat(15)}\ue000`,
    );
    expect(upperBound(primitive('string'), '\u{10ffff}'.repeat(17))).toBeUndefined();
  });

  test('of long bytes as well', () => {
    const long = new Uint8Array(20).fill(7);
    expect(hex(lowerBound(primitive('binary'), long))).toBe('07'.repeat(16));
    expect(hex(upperBound(primitive('binary'), long))).toBe(`${'07'.repeat(15)}08`);
    expect(upperBound(primitive('binary'), new Uint8Array(20).fill(255))).toBeUndefined();
  });

  test('leave NaN out and count it, and know one zero', () => {
    const stats = new ColumnStats(1, primitive('double'));
    for (const value of [0, NaN, null]) stats.add(value);
    expect(stats).toMatchObject({ values: 3, nulls: 1, nans: 1, nanCount: 1 });
    expect(Buffer.from(stats.lower ?? []).readDoubleLE()).toBe(-0);
    expect(Buffer.from(stats.upper ?? []).readDoubleLE()).toBe(0);
    const nothing = new ColumnStats(1, primitive('double'));
    nothing.add(NaN);
    expect([nothing.lower, nothing.upper]).toEqual([undefined, undefined]);
    expect(new ColumnStats(1, primitive('int')).nanCount).toBeUndefined();
  });

  test('enclose every text', () => {
    const type = primitive('string');
    fc.assert(
      fc.property(
        fc.array(fc.string({ unit: 'grapheme', maxLength: 40 }), { minLength: 1 }),
        (all) => {
          const stats = new ColumnStats(1, type);
          for (const value of all) stats.add(value);
          for (const value of all) {
            const bytes = singleValueBytes(type, value);
            expect(Buffer.compare(stats.lower ?? bytes, bytes)).toBeLessThanOrEqual(0);
            expect(Buffer.compare(stats.upper ?? bytes, bytes)).toBeGreaterThanOrEqual(0);
          }
        },
      ),
    );
  });
});

test('bytes are unsigned in their order', () => {
  expect(compareDatum(Uint8Array.of(0x80), Uint8Array.of(0x7f))).toBeGreaterThan(0);
});

import { expect, it } from 'vitest';
import { fc } from '../../../../test/support/property.ts';
import { decimalBytes, decimalText, unscaledOf } from './decimal.ts';

const PRECISION = 30;

it('comes back as it was', () => {
  const unscaled = fc.bigInt({ min: -(10n ** 29n), max: 10n ** 29n });
  fc.assert(
    fc.property(unscaled, fc.nat(12), (value, scale) => {
      const bytes = decimalBytes(value, undefined) ?? Buffer.alloc(0);
      const text = decimalText(bytes, scale);
      expect(unscaledOf(text, scale, PRECISION)).toBe(value);
      expect(decimalText(decimalBytes(value, 16) ?? Buffer.alloc(0), scale)).toBe(text);
    }),
  );
});

it.each([
  [[0x04, 0xce], 2, '12.30'],
  [[0xff], 2, '-0.01'],
  [[], 2, '0.00'],
  [[0x80], 0, '-128'],
] as const)('%s with scale %i is %s', (bytes, scale, text) => {
  expect(decimalText(Uint8Array.from(bytes), scale)).toBe(text);
});

it.each([
  ['1.234', 2],
  ['x', 2],
  ['', 0],
  [NaN, 2],
  ['123456', 2],
  [null, 2],
] as const)('%s does not fit scale %i', (value, scale) => {
  expect(unscaledOf(value, scale, 6)).toBeUndefined();
});

it('does not fit bytes that are too few', () => {
  expect(decimalBytes(128n, 1)).toBeUndefined();
  expect(decimalBytes(-128n, 1)).toEqual(Buffer.from([0x80]));
});

import { expect, it } from 'vitest';
import { fc } from '../../../test/support/property.ts';
import { decodeReplaceable, encodeReplaceable, mayBeReplaceable } from './replaceable-object.ts';

const NONCE = '0123456789abcdef0123456789abcdef';

it('gives back any bytes, in a whole number of units', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 700 }), (bytes) => {
      const object = encodeReplaceable(bytes, NONCE);
      expect(mayBeReplaceable(object.length)).toBe(true);
      const decoded = decodeReplaceable(object);
      expect(decoded?.nonce).toBe(NONCE);
      expect(Buffer.compare(decoded?.bytes ?? Buffer.of(), bytes)).toBe(0);
    }),
  );
});

it('is another object for another nonce', () => {
  const other = encodeReplaceable(Buffer.from('same'), NONCE.replace('0', '1'));
  expect(Buffer.compare(encodeReplaceable(Buffer.from('same'), NONCE), other)).not.toBe(0);
});

it('takes nothing else for one', () => {
  const object = encodeReplaceable(Buffer.from('a version'), NONCE);
  expect(decodeReplaceable(object.subarray(1))).toBeUndefined();
  expect(decodeReplaceable(Buffer.alloc(256, 'x'))).toBeUndefined();
  expect(decodeReplaceable(Buffer.alloc(0))).toBeUndefined();
  const tooLong = Buffer.from(
    Buffer.from(object).toString().replace('000000000009', '000000000999'),
  );
  expect(decodeReplaceable(tooLong)).toBeUndefined();
});

import { expect, it } from 'vitest';
import { fc } from '../../test/support/property.ts';
import { crc32, crc32Combine } from './crc32.ts';

const bytes = new TextEncoder().encode('123456789');

it('is the CRC-32 of gzip', () => {
  expect(crc32(bytes)).toBe(0xcbf43926);
  expect(crc32(new Uint8Array())).toBe(0);
});

it('goes on where it stopped', () => {
  for (let cut = 0; cut <= bytes.length; cut++) {
    expect(crc32(bytes.subarray(cut), crc32(bytes.subarray(0, cut)))).toBe(0xcbf43926);
  }
});

it('of two parts makes that of both', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.uint8Array({ maxLength: 300 }), (a, b) => {
      expect(crc32Combine(crc32(a), crc32(b), b.length)).toBe(crc32(b, crc32(a)));
    }),
  );
});

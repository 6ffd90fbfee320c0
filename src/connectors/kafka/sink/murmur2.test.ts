import { describe, expect, test } from 'vitest';
import { fc } from '../../../../test/support/property.ts';
import { murmur2, partitionOfKey, partitionOfText } from './murmur2.ts';

describe('murmur2', () => {
  // The values of Kafka's own test of its Java implementation.
  test.each([
    ['21', -973932308],
    ['foobar', -790332482],
    ['a-little-bit-long-string', -985981536],
    ['a-little-bit-longer-string', -1486304829],
    ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
    ['abc', 479470107],
  ])('of %s', (text, hash) => {
    expect(murmur2(Buffer.from(text))).toBe(hash);
  });

  test('of text is that of its bytes', () => {
    const ascii = fc.string({ unit: 'binary-ascii', maxLength: 40 });
    fc.assert(
      fc.property(ascii, fc.integer({ min: 1, max: 1000 }), (text, partitions) => {
        expect(partitionOfText(text, partitions)).toBe(
          partitionOfKey(Buffer.from(text), partitions),
        );
      }),
    );
  });

  test.each(['ä', 'abcä', 'abcdä', 'ä234', '12ä', '123456\u20ac8'])(
    'of %s needs its bytes',
    (text) => {
      expect(partitionOfText(text, 10)).toBe(-1);
    },
  );
});

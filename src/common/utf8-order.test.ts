import { expect, it } from 'vitest';
import { fc } from '../../test/support/property.ts';
import { compareUtf8 } from './utf8-order.ts';

it('orders as the UTF-8 bytes do', () => {
  const text = fc.string({
    unit: fc.constantFrom('a', 'z', 'é', '\uffee', '\u{10000}', '\u{1f30a}'),
  });
  fc.assert(
    fc.property(text, text, (left, right) => {
      const bytes = Buffer.compare(Buffer.from(left), Buffer.from(right));
      expect(Math.sign(compareUtf8(left, right))).toBe(bytes);
    }),
  );
});

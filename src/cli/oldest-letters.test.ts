import { describe, expect, it } from 'vitest';
import { fc } from '../../test/support/property.ts';
import type { ListedLetter } from './dlq-letters.ts';
import { OldestLetters } from './oldest-letters.ts';

const letters = fc.array(
  fc.record({ id: fc.string({ maxLength: 2 }), failedAt: fc.constantFrom('a', 'b', 'c') }),
);

describe('the oldest of many letters', () => {
  it('are the first ones of all in order', () => {
    fc.assert(
      fc.property(letters, fc.nat(5), (all, max) => {
        const oldest = new OldestLetters(max);
        for (const letter of all) oldest.add(letter as ListedLetter);
        const inOrder = all.toSorted((a, b) =>
          `${a.failedAt}/${a.id}` < `${b.failedAt}/${b.id}` ? -1 : 1,
        );
        expect(oldest.count).toBe(all.length);
        expect(oldest.letters().map(({ id, failedAt }) => ({ id, failedAt }))).toEqual(
          inOrder.slice(0, max),
        );
      }),
    );
  });
});

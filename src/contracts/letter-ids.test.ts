import { describe, expect, it } from 'vitest';
import { fc } from '../../test/support/property.ts';
import { LetterIds } from './letter-ids.ts';

const id = fc.oneof(
  fc.tuple(fc.constantFrom('a-', 'a-1-', '', '-'), fc.nat(3000)).map(([a, n]) => `${a}${n}`),
  fc.constantFrom(
    'a-01',
    'a-00',
    'a',
    '',
    'a-',
    'a-1e3',
    'a--1',
    'a-999999999999999',
    'a-9999999999999999',
  ),
  fc.string({ maxLength: 4 }),
);

describe('a set of ids', () => {
  it('is a set', () => {
    fc.assert(
      fc.property(fc.array(id), fc.array(id), (added, asked) => {
        const ids = new LetterIds();
        const model = new Set<string>();
        for (const one of added) {
          expect(ids.add(one)).toBe(!model.has(one));
          model.add(one);
        }
        expect(ids.size).toBe(model.size);
        for (const one of [...added, ...asked]) expect(ids.has(one)).toBe(model.has(one));
      }),
    );
  });

  it('keeps millions of ids in little memory', () => {
    const ids = new LetterIds();
    const before = process.memoryUsage();
    for (let n = 0; n < 2_000_000; n += 1) ids.add(`lineage-0123456789ab-1-0-2-1-parse-${n}`);
    const after = process.memoryUsage();
    const growth = after.arrayBuffers - before.arrayBuffers;
    expect(ids.size).toBe(2_000_000);
    expect(growth).toBeLessThan(2e6);
  });
});

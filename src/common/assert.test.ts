import { expect, expectTypeOf, it } from 'vitest';
import { assert, AssertionError } from './assert.ts';

it('is silent about what holds', () => {
  expect(() => assert(true, 'one is one')).not.toThrow();
});

it('calls a broken promise a bug of the engine', () => {
  expect(() => assert([].length > 0, 'an empty list has an entry')).toThrow(
    new AssertionError('an empty list has an entry'),
  );
  expect(new AssertionError('an empty list has an entry').message).toBe(
    'bug in the engine: an empty list has an entry',
  );
});

it('narrows what it checked', () => {
  const value = JSON.parse('7') as number | undefined;
  assert(value !== undefined, 'seven is a number');
  expectTypeOf(value).toEqualTypeOf<number>();
});

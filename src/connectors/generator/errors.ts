import { EngineError } from '../../common/errors.ts';

export function badCount(count: number) {
  return new EngineError('GEN-001', 'invalid', 'a generator cannot make so many elements', {
    details: { count },
    hint: 'Give a whole number from 0 on, or Infinity.',
  });
}

export function badRate(rowsPerSecond: number) {
  return new EngineError('GEN-002', 'invalid', 'the rate of a source cannot be used', {
    details: { rowsPerSecond },
    hint: 'Set rowsPerSecond to a number above 0, such as 1000.',
  });
}

import { expect, it } from 'vitest';
import { receiveError, transferError } from './error-transfer.ts';
import { EngineError } from './errors.ts';

it('carries an engine error with its code, kind, text and causes', () => {
  const cause = new TypeError('x is not a function');
  const error = new EngineError('RUN-001', 'user-code', 'a function threw', {
    details: { uid: 'count' },
    hint: 'Mend it.',
    cause,
  });
  const there = receiveError(structuredClone(transferError(error)));
  expect(there).toBeInstanceOf(EngineError);
  expect(there).toMatchObject({ code: 'RUN-001', kind: 'user-code', details: { uid: 'count' } });
  expect(there.message).toBe(error.message);
  expect(there.stack).toBe(error.stack);
  expect(there.cause).toMatchObject({ name: 'TypeError', message: 'x is not a function' });
});

it('carries what is no error, and a ring of causes', () => {
  expect(receiveError(transferError('just text')).message).toBe('just text');
  const ring = new Error('round');
  ring.cause = ring;
  expect(receiveError(transferError(ring)).message).toBe('round');
});

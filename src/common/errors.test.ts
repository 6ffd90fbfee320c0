import { expect, it } from 'vitest';
import { EngineError } from './errors.ts';

it('says what happened, the facts, what to do, and where to read on', () => {
  const error = new EngineError('STA-002', 'invalid', 'ttlMs is not a whole number of at least 1', {
    details: { state: 'total', ttlMs: 0.5 },
    hint: 'Give milliseconds, or leave ttlMs out.',
  });

  expect(error.message).toMatchInlineSnapshot(`
    "STA-002: ttlMs is not a whole number of at least 1, state=\`total\`, ttlMs=\`0.5\`
      Give milliseconds, or leave ttlMs out.
      docs/errors/STA-002.md"
  `);
});

it('leaves out the lines it has nothing for', () => {
  const error = new EngineError('STO-001', 'unavailable', 'store did not answer');

  expect(error.message).toBe('STO-001: store did not answer\n  docs/errors/STO-001.md');
  expect(error.details).toEqual({});
});

it('keeps code, kind and cause as data', () => {
  const cause = new TypeError('x is not a function');

  const error = new EngineError('OPR-001', 'user-code', 'a user function threw', { cause });

  expect(error).toMatchObject({ code: 'OPR-001', kind: 'user-code', name: 'EngineError', cause });
  expect(error.message).not.toContain('x is not');
});

it('has no cause unless one was given', () => {
  expect('cause' in new EngineError('STO-001', 'unavailable', 'store did not answer')).toBe(false);
});

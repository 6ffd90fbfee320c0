import { EngineError } from '../common/errors.ts';

export function asyncCallFailed(uid: string, cause: unknown): EngineError {
  return new EngineError('OPR-104', 'user-code', 'a call of asyncMap failed', {
    details: { operator: uid, error: cause instanceof Error ? cause.name : typeof cause },
    hint: `Catch in the function of '${uid}' what may fail for one element, and return a value that says so; the cause tells what was thrown.`,
    cause,
  });
}

export function asyncCallTimedOut(uid: string, timeoutMs: number): EngineError {
  return new EngineError('OPR-105', 'user-code', 'a call of asyncMap did not end in time', {
    details: { operator: uid, timeoutMs },
    hint: `Raise timeoutMs of '${uid}', lower its capacity, or give the call a shorter timeout of its own and handle it.`,
  });
}

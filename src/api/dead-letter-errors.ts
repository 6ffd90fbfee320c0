import { EngineError } from '../common/errors.ts';

export function noDeadLettersOf(uid: string, kind: string): EngineError {
  return new EngineError('DLQ-001', 'invalid', 'this kind of operator has no dead letters', {
    details: { uid, kind },
    hint: "Call onError on a map, filter, flatMap, process or asyncMap; check a window's elements in one before it.",
  });
}

export function deadLettersUnread(uid: string): EngineError {
  return new EngineError('DLQ-002', 'invalid', 'nobody reads the dead letters of an operator', {
    details: { uid },
    hint: 'Call env.deadLetters() after all calls of onError, and end it with sinkTo.',
  });
}

export function noDeadLetters(): EngineError {
  return new EngineError('DLQ-003', 'invalid', 'no operator has dead letters so far', {
    hint: "Call onError('dead-letter') on the streams of operators before env.deadLetters().",
  });
}

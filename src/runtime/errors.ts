import { EngineError } from '../common/errors.ts';
import { AssertionError } from '../common/assert.ts';

/** Names the operator of an error that a user's function threw. Errors of our own stay as they are. */
export function userCodeError(uid: string, cause: unknown): unknown {
  if (cause instanceof EngineError || cause instanceof AssertionError) return cause;
  return new EngineError('RUN-001', 'user-code', 'a function of the job threw', {
    details: { operator: uid, error: cause instanceof Error ? cause.name : typeof cause },
    hint: `Fix the function of operator '${uid}', or filter the record out before it; the cause tells where it threw.`,
    cause,
  });
}

/** Whether an error only says that another task is gone. */
export function isChannelBroken(error: unknown): boolean {
  return error instanceof EngineError && error.code === 'RUN-002';
}

export function channelBroken(channel: string, cause?: Error): EngineError {
  return new EngineError('RUN-002', 'unavailable', 'a task that sends records here is gone', {
    details: { channel },
    hint: 'Look for the first failure of this attempt: this one only follows from it.',
    ...(cause === undefined ? {} : { cause }),
  });
}

export function overtaken(checkpointId: number): EngineError {
  return new EngineError(
    'RUN-006',
    'unavailable',
    'a newer checkpoint came before all barriers of this one',
    {
      details: { checkpoint: checkpointId },
      hint: 'Nothing needs to be done: the newer one replaces it. If it happens often, raise execution.checkpointing.interval.',
    },
  );
}

export function badTimestamp(uid: string, timestamp: unknown): EngineError {
  return new EngineError('RUN-003', 'user-code', 'a timestamp function returned no time', {
    details: { operator: uid, returned: describe(timestamp) },
    hint: 'Return milliseconds since 1970 as a number: date.getTime(), not the Date; filter out records without a time first.',
  });
}

export function cannotTravel(why: string): EngineError {
  return new EngineError(
    'RUN-004',
    'user-code',
    'an emitted value could not be sent to another task',
    {
      details: { why },
      hint: 'Emit plain data: no functions, symbols or instances of classes.',
    },
  );
}

export function undeclaredState(uid: string, state: string): EngineError {
  return new EngineError(
    'RUN-005',
    'invalid',
    'the snapshot holds a state that the operator does not have',
    {
      details: { operator: uid, state },
      hint: `Declare the state '${state}' again, or pass --allowNonRestoredState to drop it.`,
    },
  );
}

function describe(value: unknown): string {
  if (typeof value === 'number' || value === undefined || value === null) return String(value);
  return value instanceof Date ? 'Date' : typeof value;
}

import { EngineError } from '../../common/errors.ts';
import type { SlotEnd } from './slot-host.ts';

/** Which slot of which TaskManager, and what ran there. */
export interface SlotPlace {
  readonly taskManager: string;
  readonly slot: number;
  /** The tasks that ran when it happened, or just before. */
  readonly operators: string;
}

export function stuckError(place: SlotPlace, stuckMs: number): EngineError {
  return new EngineError('JOB-010', 'user-code', 'a slot is stuck', {
    details: { ...place, stuckMs },
    hint: 'Look for an endless or very long loop in a function of these operators, or raise tidemark.task.stuck-timeout.',
  });
}

/** A slot that did not let a cancelled attempt go. */
export function killedError(place: SlotPlace): EngineError {
  return new EngineError('JOB-015', 'user-code', 'a slot did not stop and was ended', {
    details: { ...place },
    hint: 'Look for a function of these operators that runs, or waits, for many seconds: open and close must come to an end, too.',
  });
}

export function endError(place: SlotPlace, { exitCode, error }: SlotEnd): EngineError {
  const details = { ...place };
  if (error instanceof Error && 'code' in error && error.code === 'ERR_WORKER_OUT_OF_MEMORY') {
    return new EngineError('JOB-007', 'unavailable', 'a slot ran out of memory', {
      details,
      hint: 'Give the state fewer keys per slot with a higher parallelism, or give Node more memory with NODE_OPTIONS=--max-old-space-size=<MiB>.',
      cause: error,
    });
  }
  if (error !== undefined) {
    return new EngineError(
      'JOB-008',
      'user-code',
      'something threw outside of any record in a slot',
      {
        details,
        hint: 'Look at the cause: a promise that nobody waits for, or a callback of a timer or a client.',
        cause: error,
      },
    );
  }
  return new EngineError('JOB-009', 'user-code', 'a slot ended by itself', {
    details: { ...details, exitCode },
    hint: 'Do not call process.exit() in the functions of a job; throw an error to fail it.',
  });
}

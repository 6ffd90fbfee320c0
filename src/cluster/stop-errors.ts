import { EngineError } from '../common/errors.ts';

/** The input was ended to stop the job, and the savepoint behind it failed. */
export function drainFailed(message: string): EngineError {
  return new EngineError('JOB-040', 'unavailable', 'the savepoint of a drained job failed', {
    details: { savepoint: message },
    hint: 'Mend what it names and stop the job again: it goes on from its last checkpoint.',
  });
}

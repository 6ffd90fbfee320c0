import { EngineError } from '../../common/errors.ts';

export const NAME_TAKEN = 'JOB-031';

/** Two jobs of one name would take their checkpoints from each other. */
export function nameTakenError(jobName: string, jobId: string): EngineError {
  return new EngineError('JOB-031', 'invalid', 'a job of this name is running', {
    details: { jobName, jobId },
    hint: 'Stop or cancel it first; or give the new job another name in defineJob.',
  });
}

export function savepointInUseError(path: string, jobId: string): EngineError {
  return new EngineError('JOB-032', 'invalid', 'a running job goes on from this savepoint', {
    details: { path, jobId },
    hint: 'Wait until the job has completed a checkpoint of its own and dropped this one, or cancel it first.',
  });
}

export function noSavepointError(path: string): EngineError {
  return new EngineError('JOB-037', 'invalid', 'there is no savepoint at this path', {
    details: { path },
    hint: 'Give the path that the savepoint was reported with; checkpoints are removed by the retention.',
  });
}

export function endingError(): EngineError {
  return new EngineError('JOB-033', 'unavailable', 'the service is ending', {
    hint: 'Submit the job again when the service has started.',
  });
}

export function lostBundleError(path: string): EngineError {
  return new EngineError('JOB-036', 'corrupt', 'the code of a job is gone or damaged', {
    details: { path },
    hint: 'Submit the job again: it goes on from its latest checkpoint.',
  });
}

export function storeTakenError(
  index: string,
  own: number,
  found: number | undefined,
): EngineError {
  return new EngineError('JOB-035', 'fenced', 'another JobManager has the store of jobs', {
    details: { index, ownEpoch: own, foundEpoch: found ?? 'none' },
    hint: 'Stop this service, or start it again with --standby: the other one has its jobs.',
  });
}

export function jobStoreBusyError(index: string, cause: unknown): EngineError {
  return new EngineError('JOB-054', 'unavailable', 'the store of jobs could not be changed', {
    details: { index },
    hint: 'Look whether high-availability.storageDir can be written, and try again.',
    cause,
  });
}

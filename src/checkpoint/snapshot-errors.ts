import { EngineError } from '../common/errors.ts';

/** `-s latest`, and there is nothing. */
export function noSnapshotError(jobName: string, where: string): EngineError {
  return new EngineError('CHK-020', 'invalid', 'there is no snapshot of this job to restore', {
    details: { job: jobName, where },
    hint: 'Pass the path of a savepoint to -s, or leave -s out.',
  });
}

/** Only what the user asked for, and owns, is disposed of. */
export function notASavepointError(url: string, kind: string): EngineError {
  return new EngineError('CHK-021', 'invalid', 'this is not a savepoint', {
    details: { path: url, kind },
    hint: 'Name the folder of a savepoint: checkpoints are removed by the job that they belong to.',
  });
}

/** Somebody has said that it is to stay. */
export function pinnedError(url: string, label: string | undefined): EngineError {
  return new EngineError('CHK-022', 'invalid', 'the savepoint is pinned', {
    details: { path: url, ...(label === undefined ? {} : { label }) },
    hint: 'Force its removal if it may go all the same; it cannot be claimed by a job.',
  });
}

/** A job that fails now would go back to it. */
export function snapshotInUseError(url: string, jobId: string): EngineError {
  return new EngineError('CHK-023', 'invalid', 'a job would be restored from this savepoint', {
    details: { path: url, job: jobId },
    hint: 'Wait for the next checkpoint of the job, or for its end.',
  });
}

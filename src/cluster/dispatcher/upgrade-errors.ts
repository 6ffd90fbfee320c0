import { EngineError } from '../../common/errors.ts';

export function noRunningJobError(jobId: string): EngineError {
  return new EngineError('JOB-061', 'invalid', 'the job cannot be upgraded', {
    details: { jobId, why: 'it does not run' },
    hint: 'Start the new version with tidemark run -d -s latest, or -s <path of its savepoint>.',
  });
}

/** Another name is another job, with a history of its own. */
export function nameChangedError(before: string, after: string): EngineError {
  return new EngineError('JOB-062', 'invalid', 'the new version calls itself another job', {
    details: { running: before, new: after },
    hint: 'Keep the name in defineJob; for a job of its own use tidemark fork.',
  });
}

/** What says which output is committed is in the storage. */
export function storageChangedError(before: string, after: string): EngineError {
  return new EngineError('JOB-063', 'invalid', 'the new version has another checkpoint storage', {
    details: { running: before, new: after },
    hint: 'Leave execution.checkpointing.dir as it is; to move a job, stop it and start it with -s <savepoint>.',
  });
}

export function upgradeUnderWayError(jobName: string, upgradeId: string): EngineError {
  return new EngineError('JOB-064', 'invalid', 'the job is being upgraded', {
    details: { jobName, upgrade: upgradeId },
    hint: 'Wait for its end with tidemark upgrade --attach <upgrade>.',
  });
}

export function noCheckpointError(jobId: string, why: string): EngineError {
  return new EngineError('JOB-061', 'invalid', 'the job cannot be upgraded', {
    details: { jobId, why: `it has no checkpoint, and takes none: ${why}` },
    hint: 'Wait until the job runs and has a checkpoint; tidemark status shows what keeps it.',
  });
}

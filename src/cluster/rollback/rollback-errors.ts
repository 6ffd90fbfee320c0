import type { HeadCheckpoint } from '../../checkpoint/head.ts';
import { EngineError } from '../../common/errors.ts';

export function noJobToRollBack(jobName: string, storage: string): EngineError {
  return new EngineError('CLI-083', 'invalid', 'no run of this job is known', {
    details: { job: jobName, storage },
    hint: 'Give the settings that the job ran with: -D execution.checkpointing.dir=… says where its checkpoints are.',
  });
}

export function nothingBefore(
  jobName: string,
  beforeMs: number,
  oldest: HeadCheckpoint | undefined,
): EngineError {
  return new EngineError('CLI-084', 'invalid', 'no checkpoint of before is kept', {
    details: {
      job: jobName,
      before: new Date(beforeMs).toISOString(),
      oldest: oldest === undefined ? 'none' : new Date(oldest.completedMs).toISOString(),
    },
    hint: 'Give a later time, or start the job from a savepoint of before with -s; execution.checkpointing.num-retained says how many checkpoints are kept.',
  });
}

export function outputStays(uid: string, kind: string): EngineError {
  return new EngineError('CLI-085', 'invalid', 'the output of a sink cannot be taken back', {
    details: { sink: uid, kind },
    hint: `Pass --leave ${uid} if what it has written may stay, and some of it come again.`,
  });
}

export function jobStillRuns(jobName: string, owner: string): EngineError {
  return new EngineError('CLI-086', 'invalid', 'the job is running', {
    details: { job: jobName, owner },
    hint: 'Stop it first, or pass --cancel to have it cancelled.',
  });
}

export function doesNotEnd(jobName: string, owner: string): EngineError {
  return new EngineError('CLI-087', 'unavailable', 'the job does not end', {
    details: { job: jobName, owner },
    hint: 'Look what it waits for, end its process, and run the command again.',
  });
}

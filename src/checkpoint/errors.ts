import { EngineError } from '../common/errors.ts';

/** Bytes of a checkpoint, savepoint or of its bookkeeping that fail their checks. */
export function corruptFileError(path: string, problem: string, cause?: unknown): EngineError {
  return new EngineError('CHK-001', 'corrupt', 'a file of a snapshot fails its checks', {
    details: { path, problem },
    hint: 'Restore another checkpoint or savepoint with -s <path>, or give the state up with --fresh.',
    ...(cause === undefined ? {} : { cause }),
  });
}

/** A file of a later release that says that this one cannot read it. */
export function newerFormatError(path: string, minReader: number, reader: number): EngineError {
  return new EngineError('CHK-002', 'invalid', 'the file was written by a newer release', {
    details: { path, needsFormat: minReader, knowsFormat: reader },
    hint: 'Run the release that wrote it, or a later one.',
  });
}

/** Another JobManager took the job over. */
export function fencedError(path: string, own: number, found: number | undefined): EngineError {
  return new EngineError('CHK-003', 'fenced', 'another JobManager leads this job', {
    details: { head: path, ownEpoch: own, foundEpoch: found ?? 'none' },
    hint: 'Stop this process: the other one carries the job on from the last complete checkpoint.',
  });
}

export interface UnmatchedState {
  readonly snapshot: string;
  /** Uids in the snapshot that the job lacks; at least one. */
  readonly unmatched: readonly string[];
  readonly operators: readonly string[];
}

/** State in a snapshot that no operator of the job can take. */
export function unmatchedStateError(state: UnmatchedState): EngineError {
  const [first = ''] = state.unmatched;
  return new EngineError(
    'CHK-004',
    'invalid',
    `cannot map checkpoint/savepoint state for operator "${first}"`,
    {
      details: {
        snapshot: state.snapshot,
        unmatched: state.unmatched.join(', '),
        operatorsOfJob: state.operators.join(', '),
      },
      hint: `Give an operator of this job the uid '${first}', or pass --allowNonRestoredState to drop its state.`,
    },
  );
}

export interface TooParallel {
  readonly snapshot: string;
  readonly uid: string;
  readonly parallelism: number;
  readonly maxParallelism: number;
}

/** More subtasks than the snapshot has key groups. */
export function tooParallelError(problem: TooParallel): EngineError {
  const { snapshot, uid, parallelism, maxParallelism } = problem;
  return new EngineError(
    'CHK-005',
    'invalid',
    'the parallelism is above the maximum of the snapshot',
    {
      details: { snapshot, operator: uid, parallelism, maxParallelism },
      hint: `Start with -p ${maxParallelism} or less: the maximum is fixed when a job first starts.`,
    },
  );
}

/** A snapshot, or a part of one, that is not where it should be. */
export function missingFileError(path: string): EngineError {
  return new EngineError('CHK-006', 'corrupt', 'a file of a snapshot is missing', {
    details: { path },
    hint: 'Check the path; if it is right, restore another snapshot and look for what deletes files there.',
  });
}

/** The HEAD moved so often, or answered so seldom, that we gave up. */
export function headBusyError(path: string, tries: number, cause?: unknown): EngineError {
  return new EngineError('CHK-007', 'unavailable', 'the record of the job could not be updated', {
    details: { path, tries, ...answerOf(cause) },
    hint: 'Check that the checkpoint storage answers; the job goes on with its last complete checkpoint.',
    ...(cause === undefined ? {} : { cause }),
  });
}

/** Somebody else has changed what a submission had read before it decided what to do. */
export function submittedTwiceError(record: string, other: string): EngineError {
  return new EngineError('CHK-013', 'fenced', 'another submission of this job came first', {
    details: { record, other },
    hint: 'Look whether the other one runs; if it does not, submit the job again.',
  });
}

/** What the store said last, such as `ENOSPC`: the coordinator's history keeps the message alone. */
function answerOf(cause: unknown): { readonly answer?: string } {
  if (!(cause instanceof EngineError)) return {};
  return { answer: String(cause.details.errno ?? cause.code) };
}

/** A file that should be new is there already, with other content. */
export function takenFileError(path: string): EngineError {
  return new EngineError('CHK-008', 'invalid', 'a file of a new snapshot is there already', {
    details: { path },
    hint: 'Give each job a checkpoint directory that nothing else writes to.',
  });
}

/** One failed checkpoint too many in a row. The text is Flink's, which users search for. */
export function tooManyFailuresError(
  failures: number,
  tolerable: number,
  last: string,
): EngineError {
  return new EngineError(
    'CHK-009',
    'unavailable',
    'exceeded checkpoint tolerable failure threshold',
    {
      details: { consecutive: failures, tolerable, last },
      hint: 'Mend what the last failure names, or raise execution.checkpointing.tolerable-failed-checkpoints.',
    },
  );
}

/** The storage has not said within the limit whether HEAD was moved to a checkpoint. */
export function headInDoubtError(
  path: string,
  { checkpointId, waitedMs, last }: { checkpointId: number; waitedMs: number; last: string },
): EngineError {
  return new EngineError(
    'CHK-012',
    'unavailable',
    'it is not known whether a checkpoint is complete',
    {
      details: { head: path, checkpoint: checkpointId, waitedMs, last },
      hint: 'Check that the checkpoint storage can be read and written: the next attempt reads HEAD and goes on from what it names.',
    },
  );
}

/** Output that a complete checkpoint promised and that no commit can deliver any more. */
export function lostOutputError(
  lost: readonly { uid: string; checkpointId: number }[],
): EngineError {
  const ids = lost.map(({ checkpointId }) => checkpointId);
  return new EngineError('CHK-010', 'corrupt', 'output of a complete checkpoint is lost', {
    details: {
      sinks: [...new Set(lost.map(({ uid }) => uid))].join(', '),
      committables: lost.length,
      fromCheckpoint: Math.min(...ids),
      toCheckpoint: Math.max(...ids),
    },
    hint: 'Restore a checkpoint or savepoint from before that range with -s <path>, so that the output is made again.',
  });
}

/** A sink that has answered `retry`, or thrown, time after time. */
export function commitStuckError(batches: number, waiting: number, message: string): EngineError {
  return new EngineError('CHK-011', 'unavailable', 'a sink does not commit', {
    details: { batches, waiting, last: message },
    hint: 'Check that the system the sink writes to answers; the output stays in the checkpoints until then.',
  });
}

export function laterLeaderError(path: string, own: number, found: number): EngineError {
  return new EngineError('CHK-014', 'fenced', 'a later leader of the cluster has this job', {
    details: { path, ownLeaderEpoch: own, foundLeaderEpoch: found },
    hint: 'Stop this JobManager, which was replaced; the job goes on under the one that leads.',
  });
}

/** A process died in the middle of a rollback: tables may be behind the checkpoints, or not yet. */
export function rollbackPendingError(jobName: string, url: string): EngineError {
  return new EngineError('CHK-030', 'invalid', 'a rollback of the job is not done', {
    details: { job: jobName, to: url },
    hint: 'Run the same tidemark rollback again: it goes on where it was. Or start anew with --fresh.',
  });
}

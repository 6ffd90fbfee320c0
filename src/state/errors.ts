import { EngineError } from '../common/errors.ts';

const RESTORE_ANOTHER =
  'Restore an older checkpoint or a savepoint, and check the storage that held this one.';

export interface DamagedBytes {
  readonly file: string;
  /** Number of the damaged block, or which other part it is. */
  readonly block: number | string;
  readonly what: string;
  readonly cause?: unknown;
}

/** Bytes of a snapshot that fail their checks. */
export function corruptSnapshot({ file, block, what, cause }: DamagedBytes): EngineError {
  return new EngineError('STA-001', 'corrupt', `state in a snapshot is damaged: ${what}`, {
    details: { file, block },
    hint: RESTORE_ANOTHER,
    ...(cause === undefined ? {} : { cause }),
  });
}

export interface RefusedSchema {
  readonly uid: string;
  readonly state: string;
  readonly part: 'value' | 'map key';
  readonly why: string;
}

export function schemaRefused({ uid, state, part, why }: RefusedSchema): EngineError {
  return new EngineError('STA-002', 'invalid', 'stored state does not fit its new type', {
    details: { uid, state, part, why },
    hint: `Give the field that changed a default or make it optional, give the state "${state}" toSerializer(schema, { migrate }), or rename the state to start it empty.`,
  });
}

export interface ChangedKind {
  readonly uid: string;
  readonly state: string;
  readonly stored: string;
  readonly declared: string;
}

export function kindChanged({ uid, state, stored, declared }: ChangedKind): EngineError {
  return new EngineError('STA-003', 'invalid', 'a state was declared with another kind before', {
    details: { uid, state, stored, declared },
    hint: `Declare "${state}" as ${stored} again, or give the new state another name.`,
  });
}

export function declaredTwice(uid: string, state: string): EngineError {
  return new EngineError('STA-004', 'invalid', 'two states of one operator have the same name', {
    details: { uid, state },
    hint: `Rename one of the two states "${state}"; names are unique within an operator.`,
  });
}

export function valueNotStored(uid: string, state: string, cause: unknown): EngineError {
  return new EngineError('STA-005', 'invalid', 'a value of the state cannot be written', {
    details: { uid, state },
    hint: `Make the values given to "${state}" fit its schema, or widen the schema.`,
    cause,
  });
}

export function newerFormat(file: string, version: number, minReader: number): EngineError {
  return new EngineError('STA-006', 'invalid', 'a newer release wrote this snapshot', {
    details: { file, version, minReader },
    hint: 'Start the job with the release that wrote the snapshot, or a later one.',
  });
}

export function maxParallelismChanged(
  uid: string,
  stored: number,
  configured: number,
): EngineError {
  return new EngineError('STA-007', 'invalid', 'maxParallelism is not the one of the snapshot', {
    details: { uid, stored, configured },
    hint: `Set maxParallelism to ${stored}; it is fixed when a job's state is first written.`,
  });
}

export function snapshotGivenUp(uid: string, checkpointId: number): EngineError {
  return new EngineError('STA-008', 'unavailable', 'the snapshot was given up', {
    details: { uid, checkpointId },
    hint: 'Wait for the next checkpoint; look at the log for why this one was aborted.',
  });
}

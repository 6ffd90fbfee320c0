import { EngineError } from '../../../common/errors.ts';

export function deletedRows(table: string): EngineError {
  return new EngineError('DLQ-012', 'invalid', 'a table of dead letters has delete files', {
    details: { table },
    hint: 'Rewrite the data files of the table with the engine that has deleted rows in it.',
  });
}

export function replaySnapshotsGone(table: string, snapshot: string): EngineError {
  return new EngineError('DLQ-013', 'invalid', 'a job cannot go on in its table of replays', {
    details: { table, snapshot },
    hint: 'Roll the table forward to a descendant of this snapshot, or see the page of this error for how to go on without it.',
  });
}

export function tableBusy(table: string): EngineError {
  return new EngineError('DLQ-011', 'unavailable', 'other replays of these letters are under way', {
    details: { table },
    hint: 'Run the command again when the others are done; nothing is replayed twice.',
  });
}

/** @param row In the data file, from 0. */
export function badRecord(file: string, row: number, reason: string): EngineError {
  return new EngineError('DLQ-014', 'invalid', 'a replayed record does not fit its schema', {
    details: { file, row, reason },
    hint: 'Make the schema that the way back was given fit the records that were replayed.',
  });
}

import { EngineError } from '../../common/errors.ts';

export function badIcebergOption(option: string, value: unknown, good: string) {
  return new EngineError('ICE-001', 'invalid', 'an Iceberg option cannot be used', {
    details: { option, value: shown(value) },
    hint: `Set ${option} to something like ${good}.`,
  });
}

export function noSuchTable(table: string, catalog: string) {
  return new EngineError('ICE-002', 'invalid', 'there is no such Iceberg table', {
    details: { table, catalog },
    hint: 'Check the name and the catalog, or let the sink make the table.',
  });
}

/** @param why One clause: `it has the format version 3`. */
export function unsupportedTable(table: string, why: string) {
  return new EngineError('ICE-003', 'invalid', 'an Iceberg table uses what cannot be written', {
    details: { table, why },
    hint: 'Write to a table of format version 2 whose schema and partitions the guide lists.',
  });
}

export function schemaMisfit(table: string, column: string, why: string) {
  return new EngineError('ICE-004', 'invalid', 'the schema does not fit the Iceberg table', {
    details: { table, column, why },
    hint: "Change the sink's schema, change the table, or set evolve to true for what it can do.",
  });
}

export function noIcebergType(column: string, what: string, instead: string) {
  return new EngineError('ICE-005', 'invalid', 'a type has no column in Iceberg', {
    details: { column, what },
    hint: instead,
  });
}

export function rowMisfit(column: string, expected: string, found: unknown) {
  return new EngineError('ICE-006', 'invalid', 'a value does not fit its Iceberg column', {
    details: { column, expected, found: shown(found) },
    hint: "Correct the value, in toRow or before the sink, or the sink's schema.",
  });
}

/** @param what Names the file. */
export function corruptTable(what: string, why: string, cause?: unknown) {
  return new EngineError('ICE-007', 'corrupt', 'a file of an Iceberg table is damaged', {
    details: { file: what, why },
    hint: 'Put the file back, or roll the table back to a snapshot that does not need it.',
    cause,
  });
}

export function catalogUnavailable(catalog: string, doing: string, why: string, cause?: unknown) {
  return new EngineError('ICE-008', 'unavailable', 'the Iceberg catalog does not answer', {
    details: { catalog, doing, why },
    hint: 'Look at the catalog; what is to be committed stays, and is committed with a later checkpoint.',
    cause,
  });
}

export function catalogRefuses(catalog: string, doing: string, status: number, said: string) {
  return new EngineError('ICE-009', 'invalid', 'the Iceberg catalog refuses a request', {
    details: { catalog, doing, status, said },
    hint: 'Check the credentials and rights (401, 403), and that the names are right (400, 404).',
  });
}

export function tooManyConflicts(table: string, attempts: number) {
  return new EngineError('ICE-010', 'unavailable', 'other writers of a table are always first', {
    details: { table, attempts },
    hint: 'Let fewer jobs commit to the table, or less often; it is tried again with a later checkpoint.',
  });
}

export function outsideTable(location: string, root: string) {
  return new EngineError('ICE-011', 'invalid', 'a file is not where the catalog keeps its tables', {
    details: { location, root },
    hint: 'Move the table below the warehouse, or name the warehouse that holds it.',
  });
}

/** @param why One clause. */
export function cannotRollBack(table: string, why: string) {
  return new EngineError('ICE-012', 'invalid', 'the Iceberg table cannot be rolled back so', {
    details: { table, why },
    hint: 'Take a snapshot that `tidemark iceberg snapshots` lists as an ancestor of the current one.',
  });
}

/** A fork whose settings name the table of the original. */
export function sharedTable(uid: string, table: string) {
  return new EngineError('ICE-013', 'invalid', 'a fork would write into a table of the original', {
    details: { uid, table },
    hint: 'Give the fork another table or warehouse by its own settings, behind --, such as -- --out other.',
  });
}

/** The table of this name is not the one that was written to. */
export function anotherTable(table: string, expected: string, found: string) {
  return new EngineError('ICE-014', 'corrupt', 'an Iceberg table was replaced by another', {
    details: { table, expected, found },
    hint: 'Put the old table back under its name; or start the job again with the new one, without state or from a savepoint of before.',
  });
}

/** What was written before others changed the table cannot become part of it. @param why One clause. */
export function changedTable(table: string, column: string, why: string) {
  return new EngineError('ICE-015', 'invalid', 'an Iceberg table was changed under a running job', {
    details: { table, column, why },
    hint: 'Undo the change; what the job has written waits until then. Stop a job with a savepoint before such a change.',
  });
}

export function signsOnly(catalog: string, location: string) {
  return new EngineError('ICE-016', 'invalid', 'the Iceberg catalog hands out no keys for S3', {
    details: { catalog, location },
    hint: 'Let the catalog vend credentials instead of signing requests, or give keys in rest({ s3: … }).',
  });
}

const SHOWN_MAX = 100;

function shown(value: unknown): string {
  if (value instanceof Date) return String(value.getTime());
  if (typeof value === 'object' && value !== null) return Object.prototype.toString.call(value);
  return String(value).slice(0, SHOWN_MAX);
}

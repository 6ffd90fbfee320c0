/**
 * A record that an operator's function could not process, and why: what `env.deadLetters()` is a
 * stream of. Flat and of plain values, so that every sink can write it as it is.
 *
 * The format is `docs/formats/dead-letters.md`; a field is only ever added.
 */

export const DEAD_LETTER_VERSION = 1;

/** The side output on which operators send dead letters. No tag of a user can have this id. */
export const DEAD_LETTERS_TAG = '~dead-letters';

/** What becomes of a record on which the function of an operator throws. */
export type OnError = 'fail' | 'dead-letter';

/**
 * Where a record was read: `{ file, row }`, `{ topic, partition, offset }`. An offset that may pass
 * 2^53 is a text.
 */
export type RecordPosition = Readonly<Record<string, string | number>>;

export interface DeadLetter {
  readonly version: typeof DEAD_LETTER_VERSION;
  /** Unique for ever. Begins with the job's lineage and the first 12 digits of its id. */
  readonly id: string;
  readonly job: string;
  /** The uid of the operator whose function threw. */
  readonly operator: string;
  readonly subtask: number;
  /** Counts executions of the task, from 0. */
  readonly attempt: number;
  /** By the wall clock, as `2026-01-31T12:00:00.000Z`. */
  readonly failedAt: string;
  /** The class: `TypeError`. */
  readonly errorName: string;
  /** The error's `code`, if it has one. */
  readonly errorCode: string | null;
  readonly errorMessage: string;
  readonly errorStack: string | null;
  /** The record's timestamp; null if it has none. */
  readonly eventTime: string | null;
  /** The current key as typed JSON; null where the operator has none. */
  readonly key: string | null;
  /** The uid of the source that was just emitting the record; null behind an exchange. */
  readonly source: string | null;
  /** Its place there, a JSON object. Null if the source does not tell, or `source` is null. */
  readonly position: string | null;
  /** What the function was called with, as typed JSON. */
  readonly record: string;
  /** Whether `record` is all of it: else it cannot be replayed. */
  readonly recordExact: boolean;
}

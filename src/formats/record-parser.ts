/**
 * A parser of records in a stream of bytes: chunks are pushed in, records are taken out one by one.
 *
 * After each record `row` and `offset` say exactly where the next one begins, so that reading can go
 * on there later. A record that cannot be parsed is not the end: it is handed out as a problem.
 */
export interface RecordParser<R> {
  /** Takes the next bytes of the stream; they are not copied, the caller must not change them. */
  push(bytes: Uint8Array): void;
  /** No more bytes will come: what is left is the last record. */
  end(): void;
  /**
   * Goes to the next record. `record`: it is in `record`; `problem`: it is in `problem`; `more`: push
   * more bytes or end; `end`: there is nothing more.
   *
   * @throws {EngineError} `FMT-001` (`invalid`) for a record longer than the limit, `FMT-002` for a header that cannot be used.
   */
  next(): ParserStep;
  readonly record: R;
  readonly problem: RecordProblem;
  /** The number of the last record, counted from 1; headers and empty lines are not counted. */
  readonly row: number;
  /** The stream's bytes up to and with the last record. */
  readonly offset: number;
}

export type ParserStep = 'record' | 'problem' | 'more' | 'end';

/** A record that could not be parsed. */
export interface RecordProblem {
  /** What is wrong, in a few words. */
  readonly reason: string;
  /** The record's text, cut after 1,000 characters. */
  readonly text: string;
}

/** Where a parser begins: after `offset` bytes with `row` records. */
export interface ParserPosition {
  readonly row: number;
  readonly offset: number;
  /** What is parsed, for error messages: a path. */
  readonly source?: string;
}

export const FROM_START: ParserPosition = { row: 0, offset: 0 };

export interface CommonParserOptions {
  /**
   * Bytes that are not UTF-8: `replace` puts U+FFFD in their place as Flink does, `refuse` makes the
   * record a problem. Default: `replace`.
   */
  readonly invalidUtf8?: 'replace' | 'refuse';
  /**
   * The longest record, in bytes. It bounds the memory that one forgotten quote can take; too small
   * refuses honest records. Default: 16 MiB.
   */
  readonly recordMaxBytes?: number;
}

export const RECORD_MAX_BYTES = 16 * 1024 * 1024;

/** Characters of a record that a problem shows. */
export const PROBLEM_TEXT_MAX = 1_000;

/** The text of a problem, with a bounded length. */
export function problemText(bytes: Buffer, start: number, end: number): string {
  const cut = Math.min(end, start + PROBLEM_TEXT_MAX);
  const text = bytes.toString('utf8', start, cut).trimEnd();
  return cut < end ? `${text}…` : text;
}

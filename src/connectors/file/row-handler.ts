import type { SourceOutput } from '../../contracts/source.ts';
import { PROBLEM_TEXT_MAX, type RecordProblem } from '../../formats/record-parser.ts';
import type { InferOutput, StandardSchema } from '../../serde/standard-schema.ts';
import { asyncSchema, invalidRow } from './errors.ts';

/** Where a record was read. */
export interface FilePosition {
  readonly file: string;
  /** Counted from 1; the header and empty lines are not counted. */
  readonly row: number;
}

/** A row that cannot be parsed, or that does not fit the schema. */
export interface InvalidRow extends FilePosition {
  /** Such as `glucose: expected number, received NaN`. */
  readonly reason: string;
  /** The row as it was parsed; `undefined` if it could not be. */
  readonly record: unknown;
  /** The row's text if it could not be parsed, cut after 1,000 characters. */
  readonly text: string | undefined;
}

export interface RowOptions<R, P, B> {
  /** Makes the source's element of a record and its place, for example to keep the row number. */
  readonly position?: (record: R, position: FilePosition) => P;
  /**
   * What to do with a row that does not fit: `fail` the job, `skip` it without a trace, or make a
   * value of it, for instance for a dead letter queue. Default: `fail`.
   */
  readonly onInvalid?: 'fail' | 'skip' | ((problem: InvalidRow) => B);
}

/** What was read last. */
export interface RecordView {
  readonly record: unknown;
  readonly problem: RecordProblem;
  readonly row: number;
}

/** Emits the parser's record or problem. Returns false when reading should stop for now. */
export type RowHandler<T> = (
  file: string,
  step: 'record' | 'problem',
  parser: RecordView,
  out: SourceOutput<T>,
) => boolean;

export function rowHandler<S extends StandardSchema, P, B>(
  schema: S,
  options: RowOptions<InferOutput<S>, P, B>,
): RowHandler<P | B> {
  const validate = schema['~standard'].validate;
  const { position, onInvalid = 'fail' } = options;

  const invalid = (problem: InvalidRow, out: SourceOutput<P | B>): boolean => {
    if (onInvalid === 'skip') return true;
    if (onInvalid !== 'fail') return out.emit(onInvalid(problem), problem.file);
    const text = problem.text ?? textOf(problem.record);
    throw invalidRow(problem.file, problem.row, problem.reason, text);
  };

  return (file, step, parser, out) => {
    const { row } = parser;
    if (step === 'problem') {
      const { reason, text } = parser.problem;
      return invalid({ file, row, reason, record: undefined, text }, out);
    }
    const { record } = parser;
    const result = validate(record);
    if (result instanceof Promise) throw asyncSchema(file);
    if (result.issues !== undefined) {
      const reason = result.issues.map(issueText).join('; ');
      return invalid({ file, row, reason, record, text: undefined }, out);
    }
    const value = result.value as InferOutput<S>;
    // Without `position`, P is the schema's own output.
    return out.emit(position === undefined ? (value as P) : position(value, { file, row }), file);
  };
}

function textOf(record: unknown): string {
  const plain = (_: string, value: unknown) => (typeof value === 'bigint' ? String(value) : value);
  return JSON.stringify(record, plain).slice(0, PROBLEM_TEXT_MAX);
}

interface Issue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

function issueText({ path = [], message }: Issue): string {
  const place = path.map((part) => String(typeof part === 'object' ? part.key : part)).join('.');
  return place === '' ? message : `${place}: ${message}`;
}

import { EngineError } from '../common/errors.ts';

export interface RecordPlace {
  readonly source: string;
  readonly row: number;
  readonly offset: number;
}

export function recordTooLong(place: RecordPlace, recordMaxBytes: number) {
  return new EngineError('FMT-001', 'invalid', 'a record is longer than the limit', {
    details: { ...place, recordMaxBytes },
    hint: 'Look for a quote that is never closed near that place, or raise recordMaxBytes.',
  });
}

export function badHeader(source: string, why: string, columns: readonly string[]) {
  return new EngineError('FMT-002', 'invalid', 'the CSV header cannot be used', {
    details: { source, why, header: columns.join() },
    hint: 'Give the names with the option `columns`, for example columns: ["id", "amount"].',
  });
}

export function badFormatOption(option: string, value: unknown, good: string) {
  return new EngineError('FMT-003', 'invalid', 'a format option cannot be used', {
    details: { option, value: JSON.stringify(value) },
    hint: `Set ${option} to something like ${good}.`,
  });
}

export interface GzipPlace {
  readonly source: string;
  /** In the compressed data, at most. */
  readonly offset: number;
}

export function corruptGzip(place: GzipPlace, why: string, cause?: unknown) {
  return new EngineError('FMT-004', 'corrupt', 'the gzip data is damaged', {
    details: { ...place, why },
    hint: 'Check the file with `gzip -t` and put an intact copy in its place.',
    cause,
  });
}

export function truncatedGzip(place: GzipPlace, cause?: unknown) {
  return new EngineError('FMT-005', 'corrupt', 'the gzip data ends too early', {
    details: { ...place },
    hint: 'Wait until the file is written to its end, or put an intact copy in its place.',
    cause,
  });
}

export interface ParquetPlace {
  readonly source: string;
  /** Of the last row that was read. */
  readonly row: number;
}

export function corruptParquet(place: ParquetPlace, why: string, cause?: unknown) {
  return new EngineError('FMT-006', 'corrupt', 'the Parquet file is damaged or not complete', {
    details: { ...place, why },
    hint: 'Put an intact copy in its place, or leave the file out by a pattern.',
    cause,
  });
}

export function unsupportedParquet(source: string, what: string) {
  return new EngineError('FMT-007', 'invalid', 'a Parquet file uses what cannot be read', {
    details: { source, what },
    hint: 'Write the file anew, for example with DuckDB or pyarrow and compression "zstd".',
  });
}

/** @param path Of the value in the row, such as `order.items[]`; empty for the row itself. */
export function noParquetColumn(path: string, what: string, instead: string) {
  return new EngineError('FMT-008', 'invalid', 'a type has no column in Parquet', {
    details: { column: path, what },
    hint: instead,
  });
}

export function parquetMisfit(path: string, expected: string, found: unknown) {
  return new EngineError('FMT-009', 'invalid', 'a value does not fit its Parquet column', {
    details: { column: path, expected, found: shownValue(found) },
    hint: 'Correct the value, or the schema that was given to parquetSink.',
  });
}

const SHOWN_MAX = 100;

function shownValue(value: unknown): string {
  if (value instanceof Date) return String(value.getTime());
  if (typeof value === 'object' && value !== null) return Object.prototype.toString.call(value);
  return String(value).slice(0, SHOWN_MAX);
}

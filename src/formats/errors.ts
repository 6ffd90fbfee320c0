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

import { EngineError } from '../common/errors.ts';

export function recordTooLong(format: string, row: number, offset: number, max: number) {
  return new EngineError('FMT-001', 'invalid', `a ${format} record is longer than the limit`, {
    details: { row, offset, recordMaxBytes: max },
    hint: 'Look for a quote that is never closed near that place, or raise recordMaxBytes.',
  });
}

export function badHeader(why: string, header: string) {
  return new EngineError('FMT-002', 'invalid', `the CSV header cannot be used: ${why}`, {
    details: { header },
    hint: 'Give the names with the option `columns`, for example columns: ["id", "amount"].',
  });
}

export function badFormatOption(option: string, value: unknown, good: string) {
  return new EngineError('FMT-003', 'invalid', `the format option "${option}" cannot be used`, {
    details: { value: JSON.stringify(value) },
    hint: `Set ${option} to something like ${good}.`,
  });
}

export function corruptGzip(why: string, offset: number, cause?: unknown) {
  return new EngineError('FMT-004', 'corrupt', `the gzip data is damaged: ${why}`, {
    details: { offset },
    hint: 'Check the file with `gzip -t` and put an intact copy in its place.',
    cause,
  });
}

export function truncatedGzip(offset: number, cause?: unknown) {
  return new EngineError('FMT-005', 'corrupt', 'the gzip data ends too early', {
    details: { offset },
    hint: 'Wait until the file is written to its end, or put an intact copy in its place.',
    cause,
  });
}

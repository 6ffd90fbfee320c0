import type { RecordParser, RecordProblem } from './record-parser.ts';

export interface ParsedStep<R> {
  readonly row: number;
  readonly offset: number;
  readonly record?: R;
  readonly problem?: RecordProblem;
}

/** Parses all of `bytes`, pushed in chunks. For tests and small files. */
export function parseAll<R>(
  parser: RecordParser<R>,
  bytes: Uint8Array,
  chunkBytes = bytes.length,
): ParsedStep<R>[] {
  const steps: ParsedStep<R>[] = [];
  let at = 0;
  for (;;) {
    const step = parser.next();
    const { row, offset } = parser;
    if (step === 'end') return steps;
    if (step === 'record') steps.push({ row, offset, record: parser.record });
    else if (step === 'problem') steps.push({ row, offset, problem: parser.problem });
    else if (at < bytes.length) parser.push(bytes.subarray(at, (at += chunkBytes)));
    else parser.end();
  }
}

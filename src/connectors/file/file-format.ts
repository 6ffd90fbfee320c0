import { CsvParser, type CsvOptions } from '../../formats/csv-parser.ts';
import { JsonLinesParser, type JsonLinesOptions } from '../../formats/json-lines-parser.ts';
import type { ParserPosition, RecordParser } from '../../formats/record-parser.ts';
import { unknownFormat } from './errors.ts';

export interface FileFormat {
  /** Default: by the name, `.csv` is `csv`; `.jsonl`, `.ndjson` and `.json` are `json-lines`. */
  readonly format?: 'csv' | 'json-lines';
  /** Default: by the name, `.gz` is `gzip`. */
  readonly compression?: 'none' | 'gzip';
  readonly csv?: CsvOptions;
  readonly jsonLines?: JsonLinesOptions;
}

/** Where to go on in a file: columns are those of its header, once it was read. */
export interface FormatPosition extends ParserPosition {
  readonly columns: readonly string[] | undefined;
}

export interface FileParser {
  readonly parser: RecordParser<unknown>;
  readonly gzip: boolean;
  /** The columns of the header, once it was read. */
  columns(): readonly string[] | undefined;
}

export function parserOf(path: string, options: FileFormat, from: FormatPosition): FileParser {
  const gzip = isGzip(path, options);
  const kind = formatOf(path, options);
  if (kind === 'json-lines') {
    const parser = new JsonLinesParser(options.jsonLines, from);
    return { parser, gzip, columns: () => undefined };
  }
  const known =
    from.columns === undefined || from.offset === 0 ? {} : { columns: from.columns, header: false };
  const parser = new CsvParser({ ...options.csv, ...known }, from);
  return { parser, gzip, columns: () => parser.columns };
}

/** @throws {EngineError} `FIL-006` if the name says nothing. */
function formatOf(path: string, options: FileFormat): 'csv' | 'json-lines' {
  if (options.format !== undefined) return options.format;
  const name = path.toLowerCase().replace(/\.gz$/, '');
  if (name.endsWith('.csv')) return 'csv';
  if (/\.(jsonl|ndjson|json)$/.test(name)) return 'json-lines';
  throw unknownFormat(path);
}

export function isGzip(path: string, options: FileFormat): boolean {
  if (options.compression !== undefined) return options.compression === 'gzip';
  return path.toLowerCase().endsWith('.gz');
}

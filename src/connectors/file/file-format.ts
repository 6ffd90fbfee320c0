import { CsvParser, type CsvOptions } from '../../formats/csv-parser.ts';
import { JsonLinesParser, type JsonLinesOptions } from '../../formats/json-lines-parser.ts';
import type { RecordParser } from '../../formats/record-parser.ts';
import { unknownFormat } from './errors.ts';
import type { FileSplit } from './file-split.ts';

export interface FileFormat {
  /** Default: by the name, `.csv` is `csv`; `.jsonl`, `.ndjson` and `.json` are `json-lines`. */
  readonly format?: 'csv' | 'json-lines';
  /** Default: by the name, `.gz` is `gzip`. */
  readonly compression?: 'none' | 'gzip';
  readonly csv?: CsvOptions;
  readonly jsonLines?: JsonLinesOptions;
}

export interface FileParser {
  readonly parser: RecordParser<unknown>;
  readonly gzip: boolean;
  /** The columns of the header, once it was read. */
  columns(): readonly string[] | undefined;
}

export function parserOf(split: FileSplit, options: FileFormat): FileParser {
  const { file, row, offset } = split;
  const gzip = isGzip(file, options);
  const from = { row, offset, source: file };
  if (formatOf(file, options) === 'json-lines') {
    const parser = new JsonLinesParser(options.jsonLines, from);
    return { parser, gzip, columns: () => undefined };
  }
  const header =
    split.columns === undefined || offset === 0 ? {} : { columns: split.columns, header: false };
  const parser = new CsvParser({ ...options.csv, ...header }, from);
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

function isGzip(path: string, options: FileFormat): boolean {
  if (options.compression !== undefined) return options.compression === 'gzip';
  return path.toLowerCase().endsWith('.gz');
}

/**
 * CSV as in RFC 4180: fields in quotes may hold delimiters, line ends and doubled quotes; records end
 * with LF or CRLF. Empty lines are stepped over.
 *
 * The structure is found in the bytes: delimiter, quote and line feed are ASCII and never a part of
 * another UTF-8 character, so that a chunk may end anywhere. A field becomes text only when its whole
 * record is there. Long fields are copied out of the window: a slice would keep the whole chunk
 * alive for as long as somebody holds the field, for instance in state.
 */
import { isUtf8 } from 'node:buffer';
import { ByteWindow } from './byte-window.ts';
import { badFormatOption, badHeader, recordTooLong } from './errors.ts';
import {
  type CommonParserOptions,
  FROM_START,
  type ParserStep,
  problemText,
  RECORD_MAX_BYTES,
  type RecordParser,
  type RecordProblem,
} from './record-parser.ts';

export interface CsvOptions extends CommonParserOptions {
  /** What stands between fields, one ASCII character. Default: a comma. */
  readonly delimiter?: string;
  /**
   * The columns' names, in order. Default: they are in the file's first record, its header.
   */
  readonly columns?: readonly string[];
  /** Whether the first record is a header. Default: true without `columns`, else false. With both, the header is stepped over. */
  readonly header?: boolean;
}

export type CsvRecord = Record<string, string>;

const QUOTE = 0x22;
const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
/** V8 copies shorter substrings; longer ones refer to the string they are a part of. */
const SLICED_FROM_LENGTH = 13;
const NO_PROBLEM: RecordProblem = { reason: '', text: '' };

export class CsvParser implements RecordParser<CsvRecord> {
  record: CsvRecord = {};
  problem: RecordProblem = NO_PROBLEM;
  row: number;
  offset: number;
  readonly #window: ByteWindow;
  readonly #source: string;
  readonly #delimiter: number;
  readonly #refuseInvalidUtf8: boolean;
  readonly #recordMaxBytes: number;
  readonly #skipHeader: boolean;
  #columns: readonly string[] | undefined;
  #headerSeen: boolean;
  /** The window's text, if it is ASCII: short fields are cut out of it. */
  #text = '';
  /** The fields of the record that was scanned last. */
  readonly #fields: string[] = [];
  #malformed: string | undefined;

  constructor(options: CsvOptions = {}, from = FROM_START) {
    this.#source = from.source ?? '';
    this.#delimiter = delimiterByte(options.delimiter ?? ',');
    this.#columns = options.columns && this.#checkColumns(options.columns);
    this.#skipHeader = options.header ?? options.columns === undefined;
    if (!this.#skipHeader && this.#columns === undefined) {
      throw badFormatOption('columns', undefined, '["id", "amount"], as the file has no header');
    }
    this.#headerSeen = !this.#skipHeader || (from.offset > 0 && this.#columns !== undefined);
    this.#refuseInvalidUtf8 = options.invalidUtf8 === 'refuse';
    this.#recordMaxBytes = options.recordMaxBytes ?? RECORD_MAX_BYTES;
    this.row = from.row;
    this.offset = from.offset;
    this.#window = new ByteWindow(from.offset);
  }

  /** The columns' names; `undefined` before the header was read. */
  get columns(): readonly string[] | undefined {
    return this.#columns;
  }

  push(bytes: Uint8Array): void {
    this.#window.push(bytes);
    this.#text = this.#window.ascii ? this.#window.bytes.toString('latin1') : '';
  }

  end(): void {
    this.#window.ended = true;
  }

  next(): ParserStep {
    const window = this.#window;
    if (!window.skipBom()) return 'more';
    for (;;) {
      const start = window.at;
      if (start >= window.bytes.length) return window.ended ? 'end' : 'more';
      this.#fields.length = 0;
      this.#malformed = undefined;
      const end = this.#scan(start);
      this.#checkLength((end < 0 ? window.bytes.length : end) - start);
      if (end < 0) return 'more';
      window.at = end;
      const step = this.#take(start, end);
      if (step !== undefined) return step;
    }
  }

  /** Finds the fields of one record. Returns the index behind its line end; -1 if that is not there yet. */
  #scan(start: number): number {
    const { bytes, ended } = this.#window;
    const delimiter = this.#delimiter;
    const length = bytes.length;
    let at = start;
    for (;;) {
      if (bytes[at] === QUOTE) {
        at = this.#scanQuoted(at);
        if (at < 0) return -1;
      } else {
        const from = at;
        let byte = bytes[at];
        while (at < length && byte !== delimiter && byte !== LINE_FEED) byte = bytes[++at];
        if (at >= length && !ended) return -1;
        const atLineEnd = at >= length || byte === LINE_FEED;
        const until = atLineEnd && at > from && bytes[at - 1] === CARRIAGE_RETURN ? at - 1 : at;
        this.#fields.push(this.#cut(from, until));
      }
      if (at >= length) return length;
      if (bytes[at++] === LINE_FEED) return at;
    }
  }

  /** Takes a field that begins with a quote. Returns the index of the delimiter or line end behind it; -1 if that is not there yet. */
  #scanQuoted(open: number): number {
    const { bytes, ended } = this.#window;
    const length = bytes.length;
    let doubled = false;
    let close = bytes.indexOf(QUOTE, open + 1);
    while (close >= 0 && bytes[close + 1] === QUOTE) {
      doubled = true;
      close = bytes.indexOf(QUOTE, close + 2);
    }
    if (close < 0 || close + 1 >= length) {
      if (!ended) return -1;
      if (close < 0) {
        this.#malformed = 'a quote is never closed';
        close = length;
      }
    }
    const field = this.#cut(open + 1, close);
    this.#fields.push(doubled ? field.replaceAll('""', '"') : field);
    const behind = close + 1;
    let at = behind;
    while (at < length && bytes[at] !== this.#delimiter && bytes[at] !== LINE_FEED) at++;
    if (at >= length && !ended) return -1;
    const lineEnd = at === behind + 1 && bytes[behind] === CARRIAGE_RETURN;
    if (at > behind && !(lineEnd && bytes[at] !== this.#delimiter)) {
      this.#malformed ??= 'there is text behind a closing quote';
    }
    return at;
  }

  #cut(start: number, end: number): string {
    if (this.#window.ascii) {
      return end - start < SLICED_FROM_LENGTH
        ? this.#text.substring(start, end)
        : this.#window.bytes.toString('latin1', start, end);
    }
    return this.#window.bytes.toString('utf8', start, end);
  }

  #checkLength(length: number): void {
    if (length > this.#recordMaxBytes) {
      const place = { source: this.#source, row: this.row + 1, offset: this.offset };
      throw recordTooLong(place, this.#recordMaxBytes);
    }
  }

  /** `undefined` for an empty line and for the header. */
  #take(start: number, end: number): 'record' | 'problem' | undefined {
    const fields = this.#fields;
    this.offset = this.#window.offset;
    if (fields.length === 1 && fields[0] === '' && this.#window.bytes[start] !== QUOTE) {
      return undefined;
    }
    if (!this.#headerSeen) {
      this.#headerSeen = true;
      this.#columns ??= this.#checkColumns([...fields]);
      return undefined;
    }
    this.row++;
    const columns = this.#columns ?? [];
    const { bytes, ascii } = this.#window;
    if (this.#malformed !== undefined) return this.#found(this.#malformed, start, end);
    if (fields.length !== columns.length) {
      return this.#found(`${columns.length} fields expected, ${fields.length} found`, start, end);
    }
    if (this.#refuseInvalidUtf8 && !ascii && !isUtf8(bytes.subarray(start, end))) {
      return this.#found('the record is not UTF-8', start, end);
    }
    const record: CsvRecord = {};
    for (let index = 0; index < columns.length; index++) {
      record[columns[index] as string] = fields[index] as string;
    }
    this.record = record;
    return 'record';
  }

  #checkColumns(columns: readonly string[]): readonly string[] {
    const twice = columns.find((name, index) => columns.indexOf(name) !== index);
    if (twice !== undefined) throw badHeader(this.#source, `"${twice}" is there twice`, columns);
    // Assigning to it would set the record's prototype instead of a column.
    const isName = !columns.includes('__proto__');
    if (!isName) throw badHeader(this.#source, '"__proto__" is not a name', columns);
    return columns;
  }

  #found(reason: string, start: number, end: number): 'problem' {
    this.problem = { reason, text: problemText(this.#window.bytes, start, end) };
    return 'problem';
  }
}

function delimiterByte(delimiter: string): number {
  const byte = delimiter.charCodeAt(0);
  if (delimiter.length !== 1 || byte > 0x7f || [QUOTE, LINE_FEED, CARRIAGE_RETURN].includes(byte)) {
    throw badFormatOption('delimiter', delimiter, '";" or "\\t"');
  }
  return byte;
}

import { isUtf8 } from 'node:buffer';
import { ByteWindow } from './byte-window.ts';
import { recordTooLong } from './errors.ts';
import {
  type CommonParserOptions,
  FROM_START,
  type ParserStep,
  problemText,
  RECORD_MAX_BYTES,
  type RecordParser,
  type RecordProblem,
} from './record-parser.ts';

export type JsonLinesOptions = CommonParserOptions;

const LINE_FEED = 0x0a;
const NO_PROBLEM: RecordProblem = { reason: '', text: '' };

/** One JSON value per line, separated by LF or CRLF. Lines of white space are stepped over. */
export class JsonLinesParser implements RecordParser<unknown> {
  record: unknown = undefined;
  problem: RecordProblem = NO_PROBLEM;
  row: number;
  offset: number;
  readonly #window: ByteWindow;
  readonly #source: string;
  readonly #refuseInvalidUtf8: boolean;
  readonly #recordMaxBytes: number;
  /** Up to here (an index in the window) there is no line feed. */
  #searched = 0;

  constructor(options: JsonLinesOptions = {}, from = FROM_START) {
    this.#source = from.source ?? '';
    this.row = from.row;
    this.offset = from.offset;
    this.#window = new ByteWindow(from.offset);
    this.#refuseInvalidUtf8 = options.invalidUtf8 === 'refuse';
    this.#recordMaxBytes = options.recordMaxBytes ?? RECORD_MAX_BYTES;
  }

  push(bytes: Uint8Array): void {
    const { bytes: before, at } = this.#window;
    this.#searched = before.length - at;
    this.#window.push(bytes);
  }

  end(): void {
    this.#window.ended = true;
  }

  next(): ParserStep {
    const window = this.#window;
    if (!window.skipBom()) return 'more';
    for (;;) {
      const start = window.at;
      const feed = window.bytes.indexOf(LINE_FEED, Math.max(start, this.#searched));
      if (feed < 0 && !window.ended) {
        this.#checkLength(window.bytes.length - start);
        return 'more';
      }
      const end = feed < 0 ? window.bytes.length : feed;
      window.at = feed < 0 ? end : feed + 1;
      this.#checkLength(end - start);
      const step = this.#parse(start, end);
      if (step !== undefined) return step;
      if (feed < 0) return 'end';
    }
  }

  #checkLength(length: number): void {
    if (length > this.#recordMaxBytes) {
      const place = { source: this.#source, row: this.row + 1, offset: this.offset };
      throw recordTooLong(place, this.#recordMaxBytes);
    }
  }

  /** `undefined` for a line without anything. */
  #parse(start: number, end: number): 'record' | 'problem' | undefined {
    const { bytes, offset } = this.#window;
    const text = this.#window.ascii
      ? bytes.toString('latin1', start, end)
      : bytes.toString('utf8', start, end);
    this.offset = offset;
    if (isBlank(text)) return undefined;
    this.row++;
    if (this.#refuseInvalidUtf8 && !this.#window.ascii && !isUtf8(bytes.subarray(start, end))) {
      return this.#found('the line is not UTF-8', start, end);
    }
    try {
      this.record = JSON.parse(text);
      return 'record';
    } catch {
      return this.#found('the line is not JSON', start, end);
    }
  }

  #found(reason: string, start: number, end: number): 'problem' {
    this.problem = { reason, text: problemText(this.#window.bytes, start, end) };
    return 'problem';
  }
}

function isBlank(text: string): boolean {
  return text.length === 0 || (text.length < 64 && text.trim().length === 0);
}

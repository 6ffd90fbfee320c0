/**
 * Text as bytes. UTF-8, with one liberty: a surrogate that stands alone is written as its three
 * bytes (as WTF-8 does), so that every string comes back exactly, and two different strings never
 * have the same bytes.
 */
import { SHORT_TEXT_MAX, shortLatin1 } from './codegen-latin1.ts';
import { corruptBytes } from './errors.ts';

const utf8 = new TextEncoder();
const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Most bytes that one UTF-16 unit of a string can need. */
export const UTF8_BYTES_PER_UNIT_MAX = 3;

/** Bytes of `text` in UTF-8. */
export function utf8Length(text: string): number {
  let length = text.length;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x80) continue;
    if (unit < 0x800) length += 1;
    // A pair is four bytes in two units; each of a lone one's kind is three in one.
    else if (isPairAt(text, i, unit)) {
      length += 2;
      i++;
    } else length += 2;
  }
  return length;
}

/** Writes `text` at `at`; there must be room. Returns where it ends. */
export function writeUtf8(to: Uint8Array, at: number, text: string): number {
  for (let i = 0; i < text.length; i++) {
    let code = text.charCodeAt(i);
    if (code < 0x80) {
      to[at++] = code;
      continue;
    }
    if (code < 0x800) {
      to[at++] = 0xc0 | (code >> 6);
    } else if (isPairAt(text, i, code)) {
      code = 0x10000 + ((code - 0xd800) << 10) + (text.charCodeAt(++i) - 0xdc00);
      to[at++] = 0xf0 | (code >> 18);
      to[at++] = 0x80 | ((code >> 12) & 63);
      to[at++] = 0x80 | ((code >> 6) & 63);
    } else {
      to[at++] = 0xe0 | (code >> 12);
      to[at++] = 0x80 | ((code >> 6) & 63);
    }
    to[at++] = 0x80 | (code & 63);
  }
  return at;
}

function isPairAt(text: string, at: number, unit: number): boolean {
  if (unit < 0xd800 || unit > 0xdbff || at + 1 >= text.length) return false;
  const next = text.charCodeAt(at + 1);
  return next >= 0xdc00 && next <= 0xdfff;
}

/** From here on a call of the platform costs less than a loop: at 500 characters a tenth of it. */
const LONG_TEXT_LEAST = 48;

function tryWriteAscii(to: Uint8Array, at: number, text: string): boolean {
  const { length } = text;
  const { read, written } = utf8.encodeInto(text, to.subarray(at, at + length));
  return read === length && written === length;
}

/**
 * Writes `text` at `at` with one byte per character, if it can be; there must be room.
 *
 * @param limit The greatest character: 127 for ASCII, 255 for Latin-1.
 * @returns Whether every character was at most `limit`.
 */
export function tryWriteNarrow(
  to: Uint8Array,
  at: number,
  text: string,
  limit: 127 | 255,
): boolean {
  if (text.length >= LONG_TEXT_LEAST && tryWriteAscii(to, at, text)) return true;
  let seen = 0;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    seen |= unit;
    to[at + i] = unit;
  }
  return seen <= limit;
}

/**
 * Reads UTF-8.
 *
 * @throws {EngineError} `SER-001` (`corrupt`) if it is none.
 */
export function readUtf8(from: Uint8Array, start: number, end: number): string {
  if (end - start <= SHORT_TEXT_MAX && isAscii(from, start, end)) {
    return shortLatin1(from, start, end - start);
  }
  try {
    return strictUtf8.decode(from.subarray(start, end));
  } catch {
    return readLenient(from, start, end);
  }
}

function isAscii(from: Uint8Array, start: number, end: number): boolean {
  let seen = 0;
  for (let i = start; i < end; i++) seen |= from[i] ?? 0;
  return seen < 0x80;
}

const LATIN1_CHUNK = 4096;

/** Reads one character per byte. */
export function readLatin1(from: Uint8Array, start: number, end: number): string {
  if (end - start <= SHORT_TEXT_MAX) return shortLatin1(from, start, end - start);
  if (isAscii(from, start, end)) return strictUtf8.decode(from.subarray(start, end));
  let text = '';
  for (let at = start; at < end; at += LATIN1_CHUNK) {
    text += String.fromCharCode(...from.subarray(at, Math.min(at + LATIN1_CHUNK, end)));
  }
  return text;
}

/** UTF-8 in which surrogates may stand alone; the strict decoder has refused it. */
function readLenient(from: Uint8Array, start: number, end: number): string {
  let text = '';
  let at = start;
  while (at < end) {
    const first = from[at] ?? 0;
    const length = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    if (length === 0 || first > 0xf4 || at + length > end) throw corruptBytes('no UTF-8', at);
    let code = length === 1 ? first : first & (0x7f >> length);
    for (let i = 1; i < length; i++) {
      const next = from[at + i] ?? 0;
      if ((next & 0xc0) !== 0x80) throw corruptBytes('no UTF-8', at);
      code = (code << 6) | (next & 63);
    }
    const least = length === 1 ? 0 : length === 2 ? 0x80 : length === 3 ? 0x800 : 0x10000;
    if (code < least || code > 0x10ffff) throw corruptBytes('no UTF-8', at);
    text += String.fromCodePoint(code);
    at += length;
  }
  return text;
}

/**
 * JSON that loses nothing of plain data: what JSON has no word for is an object with `$type`. People
 * can read it, and programs in any language. The format is in `docs/formats/dead-letters.md`.
 *
 * ```text
 * 12n → {"$type":"bigint","value":"12"}      NaN → {"$type":"number","value":"NaN"}
 * ```
 */
import { EngineError } from '../common/errors.ts';
import { isPlainObject } from '../common/key-hash.ts';
import { ANY_DEPTH_MAX } from './misfit.ts';
import { isPlainArray, isPlainDate, isPlainMap, isPlainSet, setOwn } from './plain.ts';

export interface TypedJson {
  readonly text: string;
  /** False: something in it is no plain data, or it was too long, and is there as a note only. */
  readonly exact: boolean;
}

const TYPE = '$type';

/** Half of a character outside the basic plane, without the other half. */
const LONE_HALF = /\p{Surrogate}/u;

/** A text that every writer of UTF-8 writes alike. */
export function wellFormed(text: string): string {
  return LONE_HALF.test(text) ? text.replaceAll(/\p{Surrogate}/gu, '\uFFFD') : text;
}

/**
 * Never throws, whatever the value is.
 *
 * @param charactersMax A longer text is replaced by its beginning.
 */
export function toTypedJson(value: unknown, charactersMax = Infinity): TypedJson {
  const encoder = new Encoder();
  let text: string;
  try {
    text = JSON.stringify(encoder.encode(value, 0));
  } catch (error) {
    // A getter or a proxy of the user's that throws.
    text = JSON.stringify(special('unreadable', error instanceof Error ? error.name : 'error'));
    return { text, exact: false };
  }
  if (text.length <= charactersMax) return { text, exact: encoder.exact };
  const beginning = wellFormed(text.slice(0, charactersMax));
  return { text: JSON.stringify(special('cut', beginning)), exact: false };
}

/** @throws {EngineError} `DLQ-005` (`corrupt`) for a text that `toTypedJson` did not make, or that is not exact. */
export function fromTypedJson(text: string): unknown {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (cause) {
    throw notTypedJson('no JSON', cause);
  }
  return decode(parsed);
}

class Encoder {
  exact = true;

  encode(value: unknown, depth: number): unknown {
    switch (typeof value) {
      case 'string':
        return LONE_HALF.test(value) ? this.#utf16(value) : value;
      case 'boolean':
        return value;
      case 'number':
        return Number.isFinite(value) && !Object.is(value, -0)
          ? value
          : special('number', Object.is(value, -0) ? '-0' : String(value));
      case 'bigint':
        return special('bigint', String(value));
      case 'undefined':
        return { [TYPE]: 'undefined' };
      case 'object':
        return value === null ? null : this.#object(value, depth + 1);
      default:
        return this.#unknown(value);
    }
  }

  #object(value: object, depth: number): unknown {
    if (depth > ANY_DEPTH_MAX) return this.#unknown(value);
    if (isPlainArray(value)) return Array.from(value, (item) => this.encode(item, depth));
    if (isPlainDate(value)) {
      const ms = value.getTime();
      return special('date', Number.isNaN(ms) ? null : value.toISOString());
    }
    if (value instanceof Uint8Array) return special('bytes', base64(value));
    if (isPlainMap(value)) return special('map', this.#pairs(value, depth));
    if (isPlainSet(value)) {
      return special(
        'set',
        Array.from(value, (item) => this.encode(item, depth)),
      );
    }
    if (!isPlainObject(value) || Object.getOwnPropertySymbols(value).length > 0) {
      return this.#unknown(value);
    }
    const entries = Object.entries(value);
    if (Object.hasOwn(value, TYPE)) return special('object', this.#pairs(entries, depth));
    const encoded: Record<string, unknown> = {};
    for (const [name, field] of entries) setOwn(encoded, name, this.encode(field, depth));
    return encoded;
  }

  #pairs(entries: Iterable<readonly [unknown, unknown]>, depth: number): unknown[] {
    return Array.from(entries, ([key, value]) => [
      this.encode(key, depth),
      this.encode(value, depth),
    ]);
  }

  /** Halves of characters: JSON writers differ in what they make of them. */
  #utf16(value: string): unknown {
    return special(
      'utf16',
      Array.from({ length: value.length }, (_, i) => value.charCodeAt(i)),
    );
  }

  #unknown(value: unknown): unknown {
    this.exact = false;
    const name = typeof value === 'object' ? (value?.constructor.name ?? 'object') : typeof value;
    return special('unknown', name);
  }
}

function decode(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(decode);
  const object = value as Readonly<Record<string, unknown>>;
  if (Object.hasOwn(object, TYPE)) return decodeSpecial(object[TYPE], object['value']);
  const decoded: Record<string, unknown> = {};
  for (const [name, field] of Object.entries(object)) setOwn(decoded, name, decode(field));
  return decoded;
}

function decodeSpecial(type: unknown, value: unknown): unknown {
  switch (type) {
    case 'undefined':
      return undefined;
    case 'number':
      if (value === 'NaN' || value === '-0' || value === 'Infinity' || value === '-Infinity') {
        return Number(value);
      }
      break;
    case 'bigint':
      if (typeof value === 'string' && /^-?\d+$/.test(value)) return BigInt(value);
      break;
    case 'date':
      if (value === null) return new Date(Number.NaN);
      if (typeof value === 'string') return new Date(value);
      break;
    case 'bytes':
      if (typeof value === 'string') return Uint8Array.from(atob(value), (c) => c.charCodeAt(0));
      break;
    case 'utf16':
      if (Array.isArray(value)) return String.fromCharCode(...(value as number[]));
      break;
    case 'set':
      if (Array.isArray(value)) return new Set(value.map(decode));
      break;
    case 'map':
      return new Map(pairs(value));
    case 'object': {
      const object: Record<string, unknown> = {};
      for (const [name, field] of pairs(value)) setOwn(object, String(name), field);
      return object;
    }
  }
  throw notTypedJson(typeof type === 'string' ? `$type ${type}` : 'a $type that is no text');
}

function pairs(value: unknown): [unknown, unknown][] {
  if (!Array.isArray(value)) throw notTypedJson('pairs that are no array');
  return value.map((pair: unknown) => {
    if (!Array.isArray(pair) || pair.length !== 2) throw notTypedJson('a pair that is none');
    return [decode(pair[0]), decode(pair[1])];
  });
}

function special(type: string, value: unknown): unknown {
  return { [TYPE]: type, value };
}

const BASE64_SLICE = 0x2000;

function base64(bytes: Uint8Array): string {
  let binary = '';
  for (let at = 0; at < bytes.length; at += BASE64_SLICE) {
    binary += String.fromCharCode(...bytes.subarray(at, at + BASE64_SLICE));
  }
  return btoa(binary);
}

function notTypedJson(found: string, cause?: unknown): EngineError {
  return new EngineError('DLQ-005', 'corrupt', 'a stored record cannot be read back', {
    details: { found },
    hint: 'Look at the record as text; what is cut or unknown there was never stored in full.',
    ...(cause === undefined ? {} : { cause }),
  });
}

/**
 * Values of no known structure, as msgpack. The bytes hold their own field names, so that each
 * value can be read alone.
 *
 * Always holds: what comes back is what went in, or writing has thrown. msgpackr itself turns
 * functions, instances of classes and -0 into something else without a word, drops fields named by
 * symbols, renames `__proto__`, repairs text with lone surrogates and makes objects of Maps. So a
 * look through the value comes first: it refuses the former, and what msgpackr cannot say exactly is
 * said in arrays of a tag and parts.
 */
import { Packr } from 'msgpackr';
import { isPlainObject } from '../common/key-hash.ts';
import type { ByteReader, ByteWriter } from './bytes.ts';
import { corruptBytes, misfitError } from './errors.ts';
import { ANY_DEPTH_MAX, unpackableIn } from './misfit.ts';
import { MISFIT, type Codec } from './codec.ts';
import {
  copyPlain,
  isPlainArray,
  isPlainDate,
  isPlainMap,
  isPlainSet,
  isTypedArray,
  setOwn,
} from './plain.ts';

const packr = new Packr({
  useRecords: false,
  moreTypes: true,
  variableMapSize: true,
  useBigIntExtension: true,
  int64AsType: 'bigint',
});

const DIRECT = 0;
const TAGGED = 1;

/**
 * Writes any plain value.
 *
 * @throws {EngineError} `SER-004` (`invalid`) if it holds something else; nothing is written then.
 */
export function writeAny(value: unknown, to: ByteWriter): void {
  const start = to.length;
  try {
    pack(value, to);
  } catch (error) {
    to.reset(start);
    const misfit = error === MISFIT ? unpackableIn(value) : undefined;
    throw misfit === undefined ? error : misfitError(misfit);
  }
}

function pack(value: unknown, to: ByteWriter): void {
  const isExact = look(value, 0);
  to.uint8(isExact ? DIRECT : TAGGED);
  to.bytes(packr.pack(isExact ? value : tag(value)));
}

/** @throws {EngineError} `SER-001` (`corrupt`) for bytes that `writeAny` did not write. */
export function readAny(from: ByteReader): unknown {
  const form = from.uint8();
  const bytes = from.bytes();
  if (form > TAGGED) throw corruptBytes('no form of msgpack', from.position);
  let value: unknown;
  try {
    value = packr.unpack(bytes);
  } catch {
    throw corruptBytes('no msgpack', from.position);
  }
  return form === DIRECT ? value : untag(value, from.position);
}

/** As a part of a larger value, whose serializer says where `MISFIT` was thrown. */
export const anyCodec: Codec = {
  write: pack,
  read: readAny,
  copy(value) {
    look(value, 0);
    return copyPlain(value);
  },
};

/** Whether msgpackr says `value` exactly. Throws `MISFIT` for what is no data. */
function look(value: unknown, depth: number): boolean {
  switch (typeof value) {
    case 'string':
      return isWellFormed(value);
    case 'number':
      return value !== 0 || 1 / value > 0;
    case 'function':
    case 'symbol':
      throw MISFIT;
    case 'object':
      return value === null || lookInside(value, depth + 1);
    default:
      return true;
  }
}

function lookInside(value: object, depth: number): boolean {
  if (depth > ANY_DEPTH_MAX + 1) throw MISFIT;
  let isExact = true;
  if (isPlainArray(value)) {
    for (const item of value) isExact = look(item, depth) && isExact;
    return isExact;
  }
  if (isPlainObject(value)) {
    for (const name in value) {
      if (name === '__proto__' || !isWellFormed(name)) isExact = false;
      isExact = look((value as Record<string, unknown>)[name], depth) && isExact;
    }
    if (Object.getOwnPropertySymbols(value).length > 0) throw MISFIT;
    return isExact;
  }
  if (isPlainMap(value)) {
    for (const [key, item] of value) {
      look(key, depth);
      look(item, depth);
    }
    return false;
  }
  if (isPlainSet(value)) {
    for (const item of value) isExact = look(item, depth) && isExact;
    return isExact;
  }
  if (isPlainDate(value) || isTypedArray(value)) return true;
  throw MISFIT;
}

/** `String.prototype.isWellFormed`, which the compiler's library does not know yet. */
function isWellFormed(text: string): boolean {
  return (text as unknown as { isWellFormed(): boolean }).isWellFormed();
}

function tag(value: unknown): unknown {
  if (typeof value === 'string') return isWellFormed(value) ? value : ['text', ...units(value)];
  if (Object.is(value, -0)) return ['-0'];
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return ['array', ...value.map(tag)];
  if (value instanceof Set) return ['set', ...Array.from(value, tag)];
  if (value instanceof Map) return ['map', ...Array.from(value).flat().map(tag)];
  if (isPlainObject(value)) return ['object', ...Object.entries(value).flat().map(tag)];
  return value;
}

function units(text: string): number[] {
  return Array.from({ length: text.length }, (_, index) => text.charCodeAt(index));
}

function untag(value: unknown, at: number): unknown {
  if (!Array.isArray(value)) return value;
  const [kind, ...parts] = value as unknown[];
  switch (kind) {
    case '-0':
      return -0;
    case 'text':
      return parts.map((unit) => String.fromCharCode(unit as number)).join('');
    case 'array':
      return parts.map((part) => untag(part, at));
    case 'set':
      return new Set(parts.map((part) => untag(part, at)));
    case 'map':
      return new Map(pairs(parts, at));
    case 'object': {
      const object: Record<string, unknown> = {};
      for (const [name, item] of pairs(parts, at)) setOwn(object, name as string, item);
      return object;
    }
    default:
      throw corruptBytes('no tag of msgpack', at);
  }
}

function pairs(parts: readonly unknown[], at: number): [unknown, unknown][] {
  if (parts.length % 2 !== 0) throw corruptBytes('a key without a value', at);
  const pairs: [unknown, unknown][] = [];
  for (let i = 0; i < parts.length; i += 2)
    pairs.push([untag(parts[i], at), untag(parts[i + 1], at)]);
  return pairs;
}

/**
 * The one hash of keys: Flink's murmur mix of the `hashCode` of the Java value that a key maps to,
 * so that a key falls into the same key group here and there.
 *
 * | JavaScript | Java |
 * | --- | --- |
 * | number that is an int32 (-0 is 0) | Integer |
 * | other safe integer | Long |
 * | other number (NaN is one value) | Double |
 * | bigint that is an int64; beyond | Long; BigInteger |
 * | string, boolean, null | String, Boolean, null |
 * | array | TupleN of its elements |
 * | plain object | TupleN of its values, sorted by field name |
 *
 * Always holds: keys that are equal by `keysEqual` have one hash, on every machine and release.
 * Nothing but the table is a key, because what has no value equality would never be found again.
 */
import { EngineError } from './errors.ts';

const doubles = new Float64Array(1);
const words = new Int32Array(doubles.buffer);
const CANONICAL_NAN_CODE = 0x7ff80000;
const INT64_MIN = -(2n ** 63n);
const INT64_MAX = 2n ** 63n - 1n;

/**
 * The full 32-bit hash of a key, before Flink takes its absolute value. A hash table may use all
 * of it; `keyGroupOf` (`key-groups.ts`) makes the key group of it.
 *
 * @throws {EngineError} `COM-001` (`invalid`) for a value that cannot be a key.
 */
export function keyHash(key: unknown): number {
  if (typeof key === 'number') return murmur((key | 0) === key ? key : doubleCode(key));
  if (typeof key === 'string') return murmur(stringCode(key));
  return murmur(hashCodeOf(key));
}

/** Flink's `MathUtils.murmurHash`, without the absolute value at its end. One-to-one on int32. */
export function murmur(code: number): number {
  let k = Math.imul(code, 0xcc9e2d51);
  k = (k << 15) | (k >>> 17);
  k = Math.imul(k, 0x1b873593);
  k = (k << 13) | (k >>> 19);
  k = (Math.imul(k, 5) + 0xe6546b64) | 0;
  k ^= 4;
  k ^= k >>> 16;
  k = Math.imul(k, 0x85ebca6b);
  k ^= k >>> 13;
  k = Math.imul(k, 0xc2b2ae35);
  return k ^ (k >>> 16);
}

/** Java's `hashCode` of the value that `key` maps to. */
function hashCodeOf(key: unknown): number {
  switch (typeof key) {
    case 'number':
      return (key | 0) === key ? key | 0 : doubleCode(key);
    case 'string':
      return stringCode(key);
    case 'boolean':
      return key ? 1231 : 1237;
    case 'bigint':
      return bigintCode(key);
    case 'object':
      return key === null ? 0 : compositeCode(key);
    default:
      throw notAKey(key);
  }
}

function stringCode(text: string): number {
  let code = 0;
  for (let i = 0; i < text.length; i++) code = (Math.imul(code, 31) + text.charCodeAt(i)) | 0;
  return code;
}

/** Of a number that is no int32: a Long if it is a safe integer, else a Double. */
function doubleCode(value: number): number {
  if (Number.isSafeInteger(value)) return (value | 0) ^ Math.floor(value / 4294967296);
  // Java knows one NaN in hashes; the bits of ours may differ by where it came from.
  if (value !== value) return CANONICAL_NAN_CODE;
  doubles[0] = value;
  return (words[0] ?? 0) ^ (words[1] ?? 0);
}

function bigintCode(value: bigint): number {
  if (value >= INT64_MIN && value <= INT64_MAX) {
    return Number(BigInt.asIntN(32, value)) ^ Number(BigInt.asIntN(32, value >> 32n));
  }
  const magnitude = value < 0n ? -value : value;
  let top = 0n;
  while (magnitude >> (top + 32n) > 0n) top += 32n;
  let code = 0;
  for (let shift = top; shift >= 0n; shift -= 32n) {
    code = (Math.imul(code, 31) + Number(BigInt.asIntN(32, magnitude >> shift))) | 0;
  }
  return value < 0n ? -code | 0 : code;
}

function compositeCode(key: object): number {
  let code = 0;
  if (Array.isArray(key)) {
    const fields = key as readonly unknown[];
    for (let i = 0; i < fields.length; i++) {
      code = (Math.imul(code, 31) + hashCodeOf(fields[i])) | 0;
    }
    return code;
  }
  if (!isPlainObject(key)) throw notAKey(key);
  const fields = key as Readonly<Record<string, unknown>>;
  const names = sortedNames(fields);
  for (const name of names) code = (Math.imul(code, 31) + hashCodeOf(fields[name])) | 0;
  return code;
}

/**
 * Whether two keys are one key, by structure: NaN equals NaN, 0 equals -0, an object's fields have
 * no order, and 1 is neither 1n nor '1'.
 */
export function keysEqual(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a === 'number') return a !== a && typeof b === 'number' && b !== b;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Array.isArray(a)) return Array.isArray(b) && tuplesEqual(a, b);
  if (Array.isArray(b)) return false;
  return objectsEqual(a as Record<string, unknown>, b as Record<string, unknown>);
}

function tuplesEqual(a: readonly unknown[], b: readonly unknown[]): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (!keysEqual(a[i], b[i])) return false;
  return true;
}

function objectsEqual(a: Record<string, unknown>, b: Record<string, unknown>): boolean {
  let fields = 0;
  for (const name in a) {
    if (!Object.hasOwn(b, name) || !keysEqual(a[name], b[name])) return false;
    fields++;
  }
  for (const name in b) if (Object.hasOwn(b, name)) fields--;
  return fields === 0;
}

/** Whether a `Map` tells this key apart as `keysEqual` does, and nothing can change it. */
export function isPrimitiveKey(key: unknown): key is number | string | boolean | bigint | null {
  switch (typeof key) {
    case 'number':
    case 'string':
    case 'boolean':
    case 'bigint':
      return true;
    default:
      return key === null;
  }
}

/** The field names of a key in the order in which it is hashed and encoded: by UTF-16 code unit. */
export function sortedNames(key: Readonly<Record<string, unknown>>): string[] {
  const names = Object.keys(key);
  for (let i = 1; i < names.length; i++) {
    const previous = names[i - 1] ?? '';
    const name = names[i] ?? '';
    if (name < previous) return names.sort();
  }
  return names;
}

/** Whether `value` is an object literal, of this realm or another, and not an instance of a class. */
export function isPlainObject(value: object): boolean {
  const prototype = Object.getPrototypeOf(value) as object | null;
  if (prototype === Object.prototype || prototype === null) return true;
  // The `Object.prototype` of another realm, such as a `vm` context, is also the end of its chain.
  return Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype, 'hasOwnProperty');
}

/** The error for a value that cannot be a key; also for the canonical encoding of keys. */
export function notAKey(value: unknown): EngineError {
  return new EngineError('COM-001', 'invalid', 'a value of this type cannot be a key', {
    details: { type: typeNameOf(value) },
    hint: hintFor(value),
  });
}

function hintFor(value: unknown): string {
  if (value === undefined) return 'Return null instead of undefined from keyBy.';
  if (value instanceof Date) return 'Return date.getTime() from keyBy instead of the Date.';
  return 'Return a number, string, boolean, bigint, null, a tuple or a plain object of these from keyBy.';
}

function typeNameOf(value: unknown): string {
  if (typeof value !== 'object' || value === null) return typeof value;
  const constructor: unknown = value.constructor;
  return typeof constructor === 'function' && constructor.name !== '' ? constructor.name : 'object';
}

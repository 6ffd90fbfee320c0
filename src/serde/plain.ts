/**
 * Which values are plain data. An instance of a class comes back without its class, so it is
 * refused rather than changed; that goes for classes that extend `Map`, `Set`, `Date` and arrays.
 */
import { isPlainObject } from '../common/key-hash.ts';

export function isPlainArray(value: unknown): value is unknown[] {
  if (!Array.isArray(value)) return false;
  const prototype = Object.getPrototypeOf(value) as object | null;
  return prototype === Array.prototype || isOfAnotherRealm(prototype, 'Array');
}

export function isPlainMap(value: unknown): value is Map<unknown, unknown> {
  return value instanceof Map && Object.getPrototypeOf(value) === Map.prototype;
}

export function isPlainSet(value: unknown): value is Set<unknown> {
  return value instanceof Set && Object.getPrototypeOf(value) === Set.prototype;
}

export function isPlainDate(value: unknown): value is Date {
  return value instanceof Date && Object.getPrototypeOf(value) === Date.prototype;
}

export function isTypedArray(value: unknown): value is Uint8Array {
  return ArrayBuffer.isView(value) && !(value instanceof DataView);
}

/** A field's own value: `undefined` where `object[name]` would find one of `Object.prototype`. */
export function ownValue(object: Readonly<Record<string, unknown>>, name: string): unknown {
  return Object.hasOwn(object, name) ? object[name] : undefined;
}

/** Sets a field whatever its name: assigning to `__proto__` would do something else. */
export function setOwn(object: Record<string, unknown>, name: string, value: unknown): void {
  if (name !== '__proto__') object[name] = value;
  else {
    Object.defineProperty(object, name, {
      value,
      enumerable: true,
      configurable: true,
      writable: true,
    });
  }
}

/** A copy of plain data that shares nothing that can change. Other objects are shared. */
export function copyPlain(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(copyPlain);
  if (isPlainObject(value)) return copyFields(value);
  if (isPlainDate(value)) return new Date(value.getTime());
  if (isPlainMap(value)) {
    return new Map(Array.from(value, ([key, item]) => [copyPlain(key), copyPlain(item)] as const));
  }
  if (isPlainSet(value)) return new Set(Array.from(value, copyPlain));
  // `slice` of a Buffer would share its bytes.
  return isTypedArray(value) ? Uint8Array.prototype.slice.call(value) : value;
}

function copyFields(value: object): Record<string, unknown> {
  const copy: Record<string, unknown> = {};
  for (const name of Object.keys(value)) {
    setOwn(copy, name, copyPlain((value as Record<string, unknown>)[name]));
  }
  return copy;
}

function isOfAnotherRealm(prototype: object | null, name: string): boolean {
  return (
    prototype !== null && Object.hasOwn(prototype, 'concat') && prototype.constructor.name === name
  );
}

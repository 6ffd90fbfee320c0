/**
 * The key and the namespace that the states of one operator subtask work on now. All tables of a
 * backend share one, so that a record sets its key once, however many states there are.
 *
 * Always holds: `serial` changes with each change of key or namespace and with whatever may move
 * rows, so a row that a table found under one serial is good for as long as the serial is the same.
 */
import type { Namespace } from './keyed-state-backend.ts';

/** What the keys seen so far have in common; it only ever grows. */
export const KEYS_NONE = 0;
/** All int32: `keyHash` is one-to-one on them, so equal hashes mean equal keys. */
export const KEYS_INT = 1;
/** All strings. */
export const KEYS_STRING = 2;
/** Different kinds, all of which `===` tells apart. */
export const KEYS_PRIMITIVE = 3;
/** Tuples, objects or NaN are among them: equality is by structure. */
export const KEYS_STRUCTURED = 4;

export class KeyContext {
  key: unknown = undefined;
  hash = 0;
  namespace: Namespace = undefined;
  namespaceHash = 0;
  serial = 1;
  keyKind = KEYS_NONE;
  /** `keyKind` outside windows, `KEYS_NONE` inside: what the fast paths switch on. */
  voidKind = KEYS_NONE;

  setKey(key: unknown, hash: number): void {
    this.key = key;
    this.hash = hash;
    this.serial++;
    const kind =
      typeof key === 'number'
        ? (key | 0) === key
          ? KEYS_INT
          : kindOfNumber(key)
        : typeof key === 'string'
          ? KEYS_STRING
          : kindOfOther(key);
    if (kind !== this.keyKind) this.#widen(kind);
  }

  setNamespace(namespace: Namespace): void {
    const before = this.namespace;
    if (namespace === before) return;
    this.namespace = namespace;
    if (namespace === undefined) {
      this.namespaceHash = 0;
      this.voidKind = this.keyKind;
    } else {
      this.voidKind = KEYS_NONE;
      if (
        before !== undefined &&
        before.start === namespace.start &&
        before.end === namespace.end
      ) {
        return;
      }
      this.namespaceHash = hashOfNamespace(namespace.start, namespace.end);
    }
    this.serial++;
  }

  /** Goes back to a key and namespace that were current before. */
  resume(key: unknown, hash: number, namespace: Namespace): void {
    this.setNamespace(namespace);
    this.key = key;
    this.hash = hash;
    this.serial++;
  }

  /** Makes all tables look their rows up again. */
  invalidate(): void {
    this.serial++;
  }

  #widen(kind: number): void {
    const seen = this.keyKind;
    if (seen === KEYS_NONE) this.keyKind = kind;
    else if (kind > KEYS_STRING || seen > KEYS_STRING) this.keyKind = Math.max(seen, kind);
    else this.keyKind = KEYS_PRIMITIVE;
    if (this.namespace === undefined) this.voidKind = this.keyKind;
  }
}

/** Never 0, so that a window's rows do not start where those outside windows do. */
function hashOfNamespace(start: number, end: number): number {
  const mixed = Math.imul(start | 0, 0x85ebca6b) ^ Math.imul(end | 0, 0xc2b2ae35);
  return (mixed ^ (mixed >>> 15)) | 1;
}

function kindOfNumber(key: number): number {
  return Number.isNaN(key) ? KEYS_STRUCTURED : KEYS_PRIMITIVE;
}

function kindOfOther(key: unknown): number {
  return typeof key === 'object' && key !== null ? KEYS_STRUCTURED : KEYS_PRIMITIVE;
}

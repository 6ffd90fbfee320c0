/** The order of rows that no hash decides: by canonical bytes of the key, then namespace, then sub. */
import { compareKeyBytes, encodeKey } from '../serde/key-serializer.ts';
import type { Namespace } from './keyed-state-backend.ts';

export interface RowName {
  readonly key: unknown;
  readonly namespace: Namespace;
  /** A map's key or a timer's time. */
  readonly sub: unknown;
}

export function compareRows(a: RowName, b: RowName): number {
  return (
    compareKeys(a.key, b.key) ||
    compareNamespaces(a.namespace, b.namespace) ||
    compareKeys(a.sub, b.sub)
  );
}

/** `undefined`, which is no key, comes first. */
export function compareKeys(a: unknown, b: unknown): number {
  if (a === b) return 0;
  if (a === undefined || b === undefined) return a === undefined ? -1 : 1;
  return compareKeyBytes(encodeKey(a), encodeKey(b));
}

/** What is outside windows comes first, then windows by start and end. */
export function compareNamespaces(a: Namespace, b: Namespace): number {
  if (a === undefined || b === undefined) {
    return (a === undefined ? 0 : 1) - (b === undefined ? 0 : 1);
  }
  return a.start - b.start || a.end - b.end;
}

import { isPrimitiveKey } from '../common/key-hash.ts';
import type { BroadcastState } from '../contracts/state.ts';
import { encodeKey } from '../serde/key-serializer.ts';

/** A map in memory whose keys are equal by structure, in the order in which they were first put. */
export class BroadcastMap<K, V> implements BroadcastState<K, V> {
  readonly #entries = new Map<unknown, [K, V]>();

  get(key: K): V | undefined {
    return this.#entries.get(idOf(key))?.[1];
  }

  put(key: K, value: V): void {
    this.#entries.set(idOf(key), [key, value]);
  }

  has(key: K): boolean {
    return this.#entries.has(idOf(key));
  }

  remove(key: K): void {
    this.#entries.delete(idOf(key));
  }

  *entries(): IterableIterator<[K, V]> {
    for (const [key, value] of this.#entries.values()) yield [key, value];
  }

  *keys(): IterableIterator<K> {
    for (const [key] of this.#entries.values()) yield key;
  }

  *values(): IterableIterator<V> {
    for (const [, value] of this.#entries.values()) yield value;
  }

  isEmpty(): boolean {
    return this.#entries.size === 0;
  }

  clear(): void {
    this.#entries.clear();
  }
}

/** Tuples and objects by their canonical bytes, behind a character that tells them from strings. */
function idOf(key: unknown): unknown {
  if (typeof key === 'string') return `'${key}`;
  return isPrimitiveKey(key) ? key : `=${Buffer.from(encodeKey(key)).toString('latin1')}`;
}

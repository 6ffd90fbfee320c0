/**
 * What rows were at a barrier, side by side in arrays: an image of a row costs no object, unless the
 * row has more than a hash, a key and a value.
 */
import { NO_EXPIRY } from './block-encoder.ts';
import type { Namespace } from './keyed-state-backend.ts';

/** What only some rows have. */
export interface RowExtra {
  readonly namespace: Namespace;
  readonly sub: unknown;
  readonly expiresMs: number;
  readonly tombstone: boolean;
}

const NO_EXTRA: RowExtra = {
  namespace: undefined,
  sub: undefined,
  expiresMs: NO_EXPIRY,
  tombstone: false,
};

export class RowImages {
  count = 0;
  hashes = new Int32Array(64);
  readonly keys: unknown[] = [];
  /** Copies, if they can change. */
  readonly values: unknown[] = [];
  readonly #extras = new Map<number, RowExtra>();

  /** Keeps an image, and tells its index. */
  add(hash: number, key: unknown, value: unknown, extra?: RowExtra): number {
    const index = this.count++;
    if (index === this.hashes.length) {
      const hashes = new Int32Array(this.hashes.length * 2);
      hashes.set(this.hashes);
      this.hashes = hashes;
    }
    this.hashes[index] = hash;
    this.keys.push(key);
    this.values.push(value);
    if (extra !== undefined) this.#extras.set(index, extra);
    return index;
  }

  extra(index: number): RowExtra {
    return this.#extras.get(index) ?? NO_EXTRA;
  }
}

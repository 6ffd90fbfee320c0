/** The hash by which Java's producer finds the partition of a key. */

const SEED = 0x9747b28c | 0;
const MULTIPLIER = 0x5bd1e995;
const POSITIVE = 0x7fffffff;
const ASCII_MAX = 0x7f;

export function murmur2(bytes: Uint8Array): number {
  const { length } = bytes;
  let hash = SEED ^ length;
  const words = length & ~3;
  let at = 0;
  for (; at < words; at += 4) {
    let word = byteAt(bytes, at) | (byteAt(bytes, at + 1) << 8);
    word |= (byteAt(bytes, at + 2) << 16) | (byteAt(bytes, at + 3) << 24);
    word = Math.imul(word, MULTIPLIER);
    word ^= word >>> 24;
    hash = Math.imul(hash, MULTIPLIER) ^ Math.imul(word, MULTIPLIER);
  }
  const rest = length & 3;
  if (rest > 2) hash ^= byteAt(bytes, at + 2) << 16;
  if (rest > 1) hash ^= byteAt(bytes, at + 1) << 8;
  if (rest > 0) hash = Math.imul(hash ^ byteAt(bytes, at), MULTIPLIER);
  hash ^= hash >>> 13;
  hash = Math.imul(hash, MULTIPLIER);
  return hash ^ (hash >>> 15);
}

/** As Java's default partitioner: records of one key go to one partition, whoever writes them. */
export function partitionOfKey(key: Uint8Array, partitions: number): number {
  return (murmur2(key) & POSITIVE) % partitions;
}

function byteAt(bytes: Uint8Array, at: number): number {
  return bytes[at] ?? 0;
}

/** The same for a key that is text. -1: not ASCII, take its UTF-8 bytes. */
export function partitionOfText(key: string, partitions: number): number {
  const { length } = key;
  let hash = SEED ^ length;
  let all = 0;
  const words = length & ~3;
  let at = 0;
  for (; at < words; at += 4) {
    const low = key.charCodeAt(at) | (key.charCodeAt(at + 1) << 8);
    let word = low | (key.charCodeAt(at + 2) << 16) | (key.charCodeAt(at + 3) << 24);
    all |= key.charCodeAt(at) | key.charCodeAt(at + 1);
    all |= key.charCodeAt(at + 2) | key.charCodeAt(at + 3);
    word = Math.imul(word, MULTIPLIER);
    word ^= word >>> 24;
    hash = Math.imul(hash, MULTIPLIER) ^ Math.imul(word, MULTIPLIER);
  }
  const rest = length & 3;
  for (let i = rest - 1; i >= 0; i--) {
    const code = key.charCodeAt(at + i);
    all |= code;
    hash ^= code << (8 * i);
  }
  if (all > ASCII_MAX) return -1;
  if (rest > 0) hash = Math.imul(hash, MULTIPLIER);
  hash ^= hash >>> 13;
  hash = Math.imul(hash, MULTIPLIER);
  return ((hash ^ (hash >>> 15)) & POSITIVE) % partitions;
}

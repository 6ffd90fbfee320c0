import { randomBytes } from 'node:crypto';

/** Chance, as an argument, so that a seed replays a run. */
export interface Random {
  /** A number in [0, 1). */
  next(): number;
  /** An independent stream of numbers; the same label gives the same stream under the same seed. */
  fork(label: string): Random;
}

/** Chance of the operating system. */
export const systemRandom: Random = {
  next: () => randomBytes(4).readUInt32LE(0) / 4294967296,
  fork: () => systemRandom,
};

/** `length` lower-case hex digits drawn from `random`. */
export function randomHex(random: Random, length: number): string {
  let text = '';
  while (text.length < length) text += Math.floor(random.next() * 16).toString(16);
  return text;
}

/** A whole number in [0, below). */
export function randomInt(random: Random, below: number): number {
  return Math.floor(random.next() * below);
}

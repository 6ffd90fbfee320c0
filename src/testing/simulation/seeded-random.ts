import type { Random } from '../../common/random.ts';

/**
 * Numbers that a seed determines: Chris Doty-Humphrey's sfc32, whose 128 bits of state are filled
 * from the seed's text. A fork depends on the seed and the labels, never on the numbers drawn so
 * far, so that a new user of one stream leaves the others as they were.
 */
export function seededRandom(seed: string | number): Random {
  return new SeededRandom(String(seed));
}

class SeededRandom implements Random {
  readonly #seed: string;
  readonly #state: Uint32Array;

  constructor(seed: string) {
    this.#seed = seed;
    this.#state = new Uint32Array([...hash64(`${seed}/a`), hash64(`${seed}/b`)[0], 1]);
    for (let round = 0; round < 15; round += 1) this.next();
  }

  next(): number {
    const [a = 0, b = 0, c = 0, counter = 0] = this.#state;
    const result = (a + b + counter) >>> 0;
    this.#state[0] = b ^ (b >>> 9);
    this.#state[1] = c + (c << 3);
    this.#state[2] = ((c << 21) | (c >>> 11)) + result;
    this.#state[3] = counter + 1;
    return result / 4294967296;
  }

  fork(label: string): Random {
    return new SeededRandom(`${this.#seed}/${label.length}:${label}`);
  }
}

/** Two 32-bit halves of cyrb53 by bryc, without its last cut to 53 bits. */
export function hash64(text: string, high = 0, low = 0): readonly [number, number] {
  let h1 = 0xdeadbeef ^ high;
  let h2 = 0x41c6ce57 ^ low;
  for (let i = 0; i < text.length; i += 1) {
    const unit = text.charCodeAt(i);
    h1 = Math.imul(h1 ^ unit, 2654435761);
    h2 = Math.imul(h2 ^ unit, 1597334677);
  }
  h1 = Math.imul(h1 ^ (h1 >>> 16), 2246822507) ^ Math.imul(h2 ^ (h2 >>> 13), 3266489909);
  h2 = Math.imul(h2 ^ (h2 >>> 16), 2246822507) ^ Math.imul(h1 ^ (h1 >>> 13), 3266489909);
  return [h1 >>> 0, h2 >>> 0];
}

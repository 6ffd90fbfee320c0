import { hash64 } from './seeded-random.ts';

/** What happened in a run, as a running hash: two runs with equal hashes went the same way. */
export class Trace {
  readonly #kept: string[] | undefined;
  #high = 0;
  #low = 0;

  /** @param keep keeps every line too, for a diff of two runs; grows with the run. */
  constructor(keep: boolean) {
    this.#kept = keep ? [] : undefined;
  }

  add(line: string): void {
    [this.#high, this.#low] = hash64(line, this.#high, this.#low);
    this.#kept?.push(line);
  }

  hash(): string {
    const hex = (half: number): string => half.toString(16).padStart(8, '0');
    return hex(this.#high) + hex(this.#low);
  }

  lines(): readonly string[] {
    return this.#kept ?? [];
  }
}

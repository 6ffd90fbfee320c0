import type { ListedLetter } from './dlq-letters.ts';

/** The oldest of many letters, and how many there were. Memory is that of twice as many as are kept. */
export class OldestLetters {
  readonly #max: number;
  #kept: ListedLetter[] = [];
  #count = 0;

  constructor(max: number) {
    this.#max = max;
  }

  get count(): number {
    return this.#count;
  }

  add(letter: ListedLetter): void {
    this.#count += 1;
    this.#kept.push(letter);
    if (this.#kept.length >= 2 * this.#max) this.#kept = this.letters();
  }

  /** Oldest first; those of one moment by their ids, so that the pages of a list fit together. */
  letters(): ListedLetter[] {
    return this.#kept.sort(byTime).slice(0, this.#max);
  }
}

function byTime(a: ListedLetter, b: ListedLetter): number {
  if (a.failedAt !== b.failedAt) return a.failedAt < b.failedAt ? -1 : 1;
  return a.id < b.id ? -1 : a.id > b.id ? 1 : 0;
}

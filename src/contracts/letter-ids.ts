/**
 * A set of ids of dead letters that may be large. An id ends with a number that counts the letters of one
 * operator in one attempt, so what comes before it is kept once, and a number is a bit: ten million letters take
 * some megabytes.
 */

const PAGE_BITS = 1024;
/** Larger ones, or with zeros in front, are kept as texts. */
const NUMBER = /^(.*-)(0|[1-9]\d{0,14})$/s;

export class LetterIds {
  /** By what comes before the number, then by page. */
  readonly #numbers = new Map<string, Map<number, Uint32Array>>();
  readonly #others = new Set<string>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** @returns Whether it was not there. */
  add(id: string): boolean {
    const [, prefix, digits] = NUMBER.exec(id) ?? [];
    const isNew =
      prefix === undefined ? this.#addOther(id) : this.#addNumber(prefix, Number(digits));
    if (isNew) this.#size += 1;
    return isNew;
  }

  has(id: string): boolean {
    const [, prefix, digits] = NUMBER.exec(id) ?? [];
    if (prefix === undefined) return this.#others.has(id);
    const number = Number(digits);
    const page = this.#numbers.get(prefix)?.get(Math.floor(number / PAGE_BITS));
    if (page === undefined) return false;
    const bit = number % PAGE_BITS;
    return ((page[bit >>> 5] ?? 0) & (1 << (bit & 31))) !== 0;
  }

  #addOther(id: string): boolean {
    if (this.#others.has(id)) return false;
    this.#others.add(id);
    return true;
  }

  #addNumber(prefix: string, number: number): boolean {
    let pages = this.#numbers.get(prefix);
    if (pages === undefined) {
      pages = new Map<number, Uint32Array>();
      this.#numbers.set(prefix, pages);
    }
    const index = Math.floor(number / PAGE_BITS);
    let page = pages.get(index);
    if (page === undefined) {
      page = new Uint32Array(PAGE_BITS / 32);
      pages.set(index, page);
    }
    const bit = number % PAGE_BITS;
    const before = page[bit >>> 5] ?? 0;
    const after = before | (1 << (bit & 31));
    page[bit >>> 5] = after;
    return before >>> 0 !== after >>> 0;
  }
}

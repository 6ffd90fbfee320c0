/** Puts the rows of a key group into the order of a run: by unsigned hash. */
const INSERTION_MAX = 48;
const DIGIT_BITS = 8;
const DIGITS = 1 << DIGIT_BITS;

let otherRows = new Int32Array(0);
let otherHashes = new Int32Array(0);
const counts = new Int32Array(DIGITS + 1);

/** Sorts both arrays, of which the first `count` entries belong together. Stable. */
export function sortByHash(rows: Int32Array, hashes: Int32Array, count: number): void {
  if (count <= INSERTION_MAX) insertionSort(rows, hashes, count);
  else radixSort(rows, hashes, count);
}

function insertionSort(rows: Int32Array, hashes: Int32Array, count: number): void {
  for (let i = 1; i < count; i++) {
    const row = rows[i]!;
    const hash = hashes[i]!;
    let at = i;
    while (at > 0 && hashes[at - 1]! >>> 0 > hash >>> 0) {
      hashes[at] = hashes[at - 1]!;
      rows[at] = rows[at - 1]!;
      at--;
    }
    hashes[at] = hash;
    rows[at] = row;
  }
}

function radixSort(rows: Int32Array, hashes: Int32Array, count: number): void {
  if (otherRows.length < count) {
    otherRows = new Int32Array(count * 2);
    otherHashes = new Int32Array(count * 2);
  }
  // An even number of passes leaves the result where it was asked for.
  for (let shift = 0; shift < 32; shift += 2 * DIGIT_BITS) {
    radixPass(rows, hashes, otherRows, otherHashes, count, shift);
    radixPass(otherRows, otherHashes, rows, hashes, count, shift + DIGIT_BITS);
  }
}

function radixPass(
  rows: Int32Array,
  hashes: Int32Array,
  toRows: Int32Array,
  toHashes: Int32Array,
  count: number,
  shift: number,
): void {
  counts.fill(0);
  for (let i = 0; i < count; i++) counts[((hashes[i]! >>> shift) & (DIGITS - 1)) + 1]!++;
  for (let digit = 0; digit < DIGITS; digit++) counts[digit + 1]! += counts[digit]!;
  for (let i = 0; i < count; i++) {
    const hash = hashes[i]!;
    const to = counts[(hash >>> shift) & (DIGITS - 1)]!++;
    toHashes[to] = hash;
    toRows[to] = rows[i]!;
  }
}

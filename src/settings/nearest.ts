/** What is longer is no slip; the work grows with the length. */
const LENGTH_MAX = 200;

/** The candidate that `said` most likely meant; undefined if none is near. */
export function nearest(said: string, candidates: readonly string[]): string | undefined {
  if (said.length > LENGTH_MAX) return undefined;
  let best: string | undefined;
  let least = Math.max(2, Math.floor(said.length / 4)) + 1;
  for (const candidate of candidates) {
    const distance = editDistance(said.toLowerCase(), candidate.toLowerCase());
    if (distance < least) {
      least = distance;
      best = candidate;
    }
  }
  return best;
}

/** Levenshtein's: insertions, deletions and replacements. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}

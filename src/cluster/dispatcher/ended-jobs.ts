/** How many jobs that have ended are shown, and for how long. */
export interface EndedJobsSettings {
  readonly capacity: number;
  readonly expirationMs: number;
}

/** What is still shown of `jobs`, which are in the order of their ends. Pure. */
export function stillShown<T extends { readonly endMs: number | undefined }>(
  jobs: readonly T[],
  nowMs: number,
  { capacity, expirationMs }: EndedJobsSettings,
): readonly T[] {
  const young = jobs.filter(({ endMs }) => nowMs - (endMs ?? nowMs) < expirationMs);
  return capacity === 0 ? [] : young.slice(-capacity);
}

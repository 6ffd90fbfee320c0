/** How far a restore is that goes on while records are processed. */
export interface RestoreProgress {
  /** Of all files that are restored from, also the parts of other subtasks in them. */
  readonly totalBytes: number;
  /** Of blocks that are in the tables, or not wanted there. */
  readonly loadedBytes: number;
  /** Checksums of these were compared. */
  readonly verifiedBytes: number;
}

/** Of several that go on side by side; undefined if there are none. */
export function sumOfRestores(
  all: Iterable<RestoreProgress | undefined>,
): RestoreProgress | undefined {
  let sum: RestoreProgress | undefined;
  for (const one of all) {
    if (one === undefined) continue;
    sum = {
      totalBytes: (sum?.totalBytes ?? 0) + one.totalBytes,
      loadedBytes: (sum?.loadedBytes ?? 0) + one.loadedBytes,
      verifiedBytes: (sum?.verifiedBytes ?? 0) + one.verifiedBytes,
    };
  }
  return sum;
}

export function isRestored({ totalBytes, loadedBytes, verifiedBytes }: RestoreProgress): boolean {
  return loadedBytes >= totalBytes && verifiedBytes >= totalBytes;
}

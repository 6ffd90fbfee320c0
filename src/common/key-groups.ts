/** Key groups `start` to `end`, both included. */
export interface KeyGroupRange {
  readonly start: number;
  readonly end: number;
}

/** Most key groups a job can have, as in Flink. */
export const MAX_PARALLELISM_LIMIT = 32768;

/** Flink's choice of a key group: `|hash| mod maxParallelism`, where `hash` is `keyHash(key)`. */
export function keyGroupOf(hash: number, maxParallelism: number): number {
  return (hash < 0 ? (hash === -2147483648 ? 0 : -hash) : hash) % maxParallelism;
}

/** The subtask that owns a key group. Source: Flink's `KeyGroupRangeAssignment`. */
export function subtaskOfKeyGroup(
  keyGroup: number,
  maxParallelism: number,
  parallelism: number,
): number {
  return Math.floor((keyGroup * parallelism) / maxParallelism);
}

/** The key groups that a subtask owns. Empty ranges do not occur while parallelism <= maxParallelism. */
export function keyGroupRangeOf(
  subtask: number,
  maxParallelism: number,
  parallelism: number,
): KeyGroupRange {
  return {
    start: Math.floor((subtask * maxParallelism + parallelism - 1) / parallelism),
    end: Math.floor(((subtask + 1) * maxParallelism - 1) / parallelism),
  };
}

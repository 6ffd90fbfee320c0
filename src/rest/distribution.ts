/** Statistics of a few numbers, in the shapes that Flink's answers have. */

/** As Flink says it of checkpoints. Of no samples there are no percentiles. */
export function checkpointSummary(values: readonly number[]): Record<string, number | string> {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number) => (sorted.length === 0 ? 'NaN' : percentile(sorted, share));
  return {
    min: sorted[0] ?? 0,
    max: sorted.at(-1) ?? 0,
    avg: average(sorted),
    p50: at(0.5),
    p90: at(0.9),
    p95: at(0.95),
    p99: at(0.99),
    p999: at(0.999),
  };
}

/** As Flink says it of the subtasks of a vertex. */
export function subtaskDistribution(values: readonly number[]): Record<string, number> {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number) => Math.round(percentile(sorted, share));
  return {
    p25: at(0.25),
    min: sorted[0] ?? 0,
    avg: average(sorted),
    median: at(0.5),
    max: sorted.at(-1) ?? 0,
    sum: sum(sorted),
    p95: at(0.95),
    p75: at(0.75),
  };
}

export function average(values: readonly number[]): number {
  return values.length === 0 ? 0 : Math.round(sum(values) / values.length);
}

export function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

/** Between the two nearest samples, as Flink's histograms have it. */
function percentile(sorted: readonly number[], share: number): number {
  const place = Math.min(Math.max(share * (sorted.length + 1), 1), sorted.length) - 1;
  const below = sorted[Math.floor(place)] ?? 0;
  const above = sorted[Math.ceil(place)] ?? below;
  return below + (above - below) * (place - Math.floor(place));
}

/** How benchmarks measure: rounds of some seconds, in slices, by records per second of the CPU. */
import { sleep, systemClock } from '../src/common/clock.ts';

/** As long as the interval between checkpoints, so that each slice has its share of one. */
const SLICE_MS = 1_000;

/** What one side did in one round. */
export interface Round {
  readonly recordsPerSecond: number;
  readonly recordsPerCpuSecond: number;
  /** The same in the best slice: the one in which least else was going on. */
  readonly quietRecordsPerCpuSecond: number;
}

/**
 * Measures what is going on for some seconds. The CPU's time is that of all threads of this process.
 *
 * @param records Counts the records that were processed so far.
 */
export async function measure(seconds: number, records: () => number): Promise<Round> {
  const start = sample(records);
  const rates: number[] = [];
  let last = start;
  while (last.ms - start.ms < seconds * 1_000) {
    await sleep(systemClock, SLICE_MS);
    const next = sample(records);
    rates.push(perCpuSecond(last, next));
    last = next;
  }
  return {
    recordsPerSecond: (last.records - start.records) / ((last.ms - start.ms) / 1_000),
    recordsPerCpuSecond: perCpuSecond(start, last),
    quietRecordsPerCpuSecond: Math.max(...rates),
  };
}

interface Sample {
  readonly ms: number;
  readonly cpuMicros: number;
  readonly records: number;
}

function sample(records: () => number): Sample {
  const { user, system } = process.cpuUsage();
  return { ms: performance.now(), cpuMicros: user + system, records: records() };
}

function perCpuSecond(from: Sample, to: Sample): number {
  return ((to.records - from.records) / (to.cpuMicros - from.cpuMicros)) * 1e6;
}

/** The median of each figure; of the quiet slices the best. */
export function medianRound(rounds: readonly Round[]): Round {
  const of = (field: keyof Round) => median(rounds.map((round) => round[field]));
  return {
    recordsPerSecond: of('recordsPerSecond'),
    recordsPerCpuSecond: of('recordsPerCpuSecond'),
    quietRecordsPerCpuSecond: Math.max(...rounds.map((one) => one.quietRecordsPerCpuSecond)),
  };
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}

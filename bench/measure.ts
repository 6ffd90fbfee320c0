/** How benchmarks measure: rounds of some seconds, in slices, by records per second of the CPU. */
import fs from 'node:fs';
import { sleep, systemClock } from '../src/common/clock.ts';

/** As long as the interval between checkpoints, so that each slice has its share of one. */
const SLICE_MS = 1_000;

/** CPU time of each thread after which its code is compiled for good. */
const WARM_UP_CPU_MS = 1_500;
const WARM_UP_MS_MAX = 60_000;
const LOOK_MS = 50;

/** What one side did in one round. */
export interface Round {
  readonly recordsPerSecond: number;
  readonly recordsPerCpuSecond: number;
  /** The same in the best slice: the one in which least else was going on. */
  readonly quietRecordsPerCpuSecond: number;
}

/**
 * Waits until the first record is there, and then until the threads have had time of the CPU, be the
 * machine busy or not.
 */
export async function warmUp(
  threads: number,
  records: () => number,
  cpuMicros: () => number = ownCpuMicros,
): Promise<void> {
  const endMs = performance.now() + WARM_UP_MS_MAX;
  while (records() === 0 && performance.now() < endMs) await sleep(systemClock, LOOK_MS);
  const untilMicros = cpuMicros() + threads * WARM_UP_CPU_MS * 1_000;
  while (cpuMicros() < untilMicros && performance.now() < endMs) await sleep(systemClock, LOOK_MS);
}

/**
 * Measures what is going on for some seconds.
 *
 * @param records Counts the records that were processed so far.
 * @param cpuMicros CPU time so far. Default: that of all threads of this process.
 */
export async function measure(
  seconds: number,
  records: () => number,
  cpuMicros: () => number = ownCpuMicros,
): Promise<Round> {
  const sample = (): Sample => ({
    ms: performance.now(),
    cpuMicros: cpuMicros(),
    records: records(),
  });
  const start = sample();
  const rates: number[] = [];
  let last = start;
  while (last.ms - start.ms < seconds * 1_000) {
    await sleep(systemClock, SLICE_MS);
    const next = sample();
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

export function ownCpuMicros(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

/** CPU time of another process, by Linux's count of hundredths of a second; 0 if it is gone. */
export function cpuMicrosOf(pid: number): number {
  try {
    const text = fs.readFileSync(`/proc/${pid}/stat`, 'utf8');
    // Behind the name, which may hold anything; user and system time are words 14 and 15 of all.
    const words = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return (Number(words[11]) + Number(words[12])) * 10_000;
  } catch {
    return 0;
  }
}

/** The same of a process and all that it has started and so on. */
export function cpuMicrosOfTree(pid: number): number {
  return childrenOf(pid).reduce((sum, child) => sum + cpuMicrosOfTree(child), cpuMicrosOf(pid));
}

function childrenOf(pid: number): number[] {
  try {
    const threads = fs.readdirSync(`/proc/${pid}/task`);
    return threads.flatMap((thread) =>
      fs
        .readFileSync(`/proc/${pid}/task/${thread}/children`, 'utf8')
        .split(' ')
        .filter((child) => child !== '')
        .map(Number),
    );
  } catch {
    return [];
  }
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
  const upper = sorted[Math.floor(sorted.length / 2)] ?? 0;
  const lower = sorted[Math.floor((sorted.length - 1) / 2)] ?? 0;
  return (lower + upper) / 2;
}

import type { JobDefinition } from '../../../src/index.ts';
import { fileSink, type FileSinkOptions } from '../../../src/index.ts';
import type { SimulatedJob } from '../../../src/testing/simulated-job.ts';
import type { SimulatedWorld } from '../../../src/testing/index.ts';

/** A row of keyed state as a model says it; the same fields as a snapshot's. */
export interface StateRow {
  readonly uid: string;
  readonly state: string;
  readonly key: unknown;
  readonly mapKey?: unknown;
  readonly window?: readonly [start: number, end: number];
  readonly value: unknown;
}

/** A small job with its input, and what must come of it by a model that knows nothing of the engine. */
export interface Topology {
  readonly name: string;
  /** Made anew for each process: functions may use its clock. */
  readonly job: (world: SimulatedWorld) => JobDefinition<undefined>;
  /** Puts input files on the disk. */
  readonly prepare?: (machine: SimulatedJob) => Promise<void>;
  readonly settings?: Readonly<Record<string, string>>;
  /** All values that each folder holds at the end, in any order. What has an order says it in a value. */
  readonly output: Readonly<Record<string, readonly unknown[]>>;
  /** All keyed state at the end, in any order. */
  readonly state: readonly StateRow[];
}

export interface Item {
  readonly key: string;
  readonly n: number;
  readonly at: number;
}

/** Elements 0 … count - 1 of a few keys, each a little later in event time, all in order. */
export function items(count: number, keys = 4, stepMs = 10): Item[] {
  return Array.from({ length: count }, (_, n) => ({
    key: `k${(n * 7 + Math.floor(n / 5)) % keys}`,
    n,
    at: 1_000_000 + n * stepMs,
  }));
}

export function out<T>(folder: string, options: Partial<FileSinkOptions<T>> = {}) {
  return fileSink<T>({ path: folder, format: 'json-lines', ...options });
}

export function groupBy<T>(values: readonly T[], keyOf: (value: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const value of values) {
    const key = keyOf(value);
    groups.set(key, [...(groups.get(key) ?? []), value]);
  }
  return groups;
}

export function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

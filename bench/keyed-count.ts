/**
 * Keyed count: how much of the machine is left for the user's code. A whole job (generator, map,
 * timestamps, keyBy, a count per key in ValueState, a sink) with a checkpoint each second to files,
 * in turns with what it is compared to; medians of the rounds are compared. README.md says how.
 */
import { parseArgs } from 'node:util';
import { systemClock, type Clock } from '../src/common/clock.ts';
import { FlinkCluster, type FlinkRound } from './flink/flink-cluster.ts';
import { KEYED_COUNT } from './flink/install.ts';
import { Counter, mix, work } from './keyed-count-job.ts';
import { measure, median, medianRound, warmUp, type Round } from './measure.ts';
import { runBenchJob } from './run-bench-job.ts';

const BARE_CHUNK = 10_000;

interface KeyedCountOptions {
  readonly keys: number;
  /** Microseconds of the user's own work per record. */
  readonly workMicros: number;
  readonly rounds: number;
  readonly seconds: number;
}

interface Load extends KeyedCountOptions {
  readonly workLoops: number;
}

interface EngineRound extends Round {
  /** Longest times between two turns of the event loop. */
  readonly pausesMs: readonly number[];
  readonly checkpointBytes: readonly number[];
}

interface Result {
  readonly benchmark: 'keyed-count';
  readonly keys: number;
  readonly workMicros: number;
  readonly rounds: number;
}

/** In one thread, beside a bare loop. */
interface BareResult extends Result {
  readonly engine: Round;
  readonly bare: Round;
  /** Engine by bare loop, records per CPU-second: what else runs on the machine does not count. */
  readonly ratio: number;
  /** The same by the quietest second of both. */
  readonly quietRatio: number;
  readonly pauseP99Ms: number;
  readonly pauseMaxMs: number;
  readonly checkpoints: number;
  readonly checkpointBytesMedian: number;
}

/** In one slot and in two. */
interface SlotsResult extends Result {
  readonly p1: Round;
  readonly p2: Round;
  /** p = 2 by p = 1, records per second. */
  readonly ratio: number;
  /** Of each round. */
  readonly ratios: readonly number[];
}

/** In slots, beside Flink. */
interface FlinkResult extends Result {
  readonly flinkVersion: string;
  readonly p1: BesideFlink;
  readonly p2: BesideFlink;
}

interface BesideFlink {
  readonly tidemark: Round;
  readonly flink: FlinkRound;
  /** Tidemark by Flink, records per second. */
  readonly ratio: number;
  /** Of each round. */
  readonly ratios: readonly number[];
}

/** Measures how long the tasks hold the event loop. */
class WatchedClock implements Clock {
  readonly pausesMs: number[] = [];

  wallMs(): number {
    return systemClock.wallMs();
  }

  monotonicMs(): number {
    return systemClock.monotonicMs();
  }

  after(ms: number, task: () => void) {
    return systemClock.after(ms, task);
  }

  turn(task: () => void) {
    return systemClock.turn(() => {
      const startMs = performance.now();
      task();
      this.pausesMs.push(performance.now() - startMs);
    });
  }
}

async function measureEngine({ keys, workLoops, seconds }: Load): Promise<EngineRound> {
  const clock = new WatchedClock();
  const settings = { keys, workLoops };
  const job = await runBenchJob({ settings, parallelism: 1, where: { clock } });
  await warmUp(1, job.records);
  clock.pausesMs.length = 0;
  job.checkpointBytes();
  const round = await measure(seconds, job.records);
  const pausesMs = clock.pausesMs.slice();
  const checkpointBytes = job.checkpointBytes();
  await job.stop();
  return { ...round, pausesMs, checkpointBytes };
}

async function measureSlots(load: Load, parallelism: number): Promise<Round> {
  const { keys, workLoops, seconds } = load;
  const settings = { keys, workLoops };
  const job = await runBenchJob({ settings, parallelism, where: 'slots' });
  await warmUp(parallelism, job.records, job.cpuMicros);
  const round = await measure(seconds, job.records, job.cpuMicros);
  await job.stop();
  return round;
}

async function measureBare({ keys, workLoops, seconds }: Load): Promise<Round> {
  const counter = new Counter();
  const counts = new Map<number, number>();
  let next = 0;
  let isOver = false;
  const count = (from: number, to: number): void => {
    for (let i = from; i < to; i++) {
      const reading = { key: mix(i) % keys, value: i, ts: Date.now() };
      if (workLoops > 0) counter.worked = work(reading.value, workLoops);
      const seen = (counts.get(reading.key) ?? 0) + 1;
      counts.set(reading.key, seen);
      counter.write({ key: reading.key, count: seen });
    }
  };
  const chunk = workLoops > 0 ? BARE_CHUNK / 10 : BARE_CHUNK;
  const turn = (): void => {
    if (isOver) return;
    count(next, next + chunk);
    next += chunk;
    systemClock.turn(turn);
  };
  turn();
  await warmUp(1, () => counter.written);
  const round = await measure(seconds, () => counter.written);
  isOver = true;
  return round;
}

/** Turns of `work` that take so long where nothing disturbs. */
function loopsFor(micros: number): number {
  if (micros === 0) return 0;
  const loops = 10_000;
  let fastestMs = Infinity;
  let seed = 1;
  for (let tried = 0; tried < 2_000; tried++) {
    const startMs = performance.now();
    seed = work(seed, loops);
    fastestMs = Math.min(fastestMs, performance.now() - startMs);
  }
  return Math.max(1, Math.round((micros / 1_000 / fastestMs) * loops));
}

async function besideBare(load: Load): Promise<BareResult> {
  const engine: EngineRound[] = [];
  const bare: Round[] = [];
  for (let round = 0; round < load.rounds; round++) {
    engine.push(await measureEngine(load));
    bare.push(await measureBare(load));
  }
  const pauses = engine.flatMap(({ pausesMs }) => pausesMs).sort((a, b) => a - b);
  const bytes = engine.flatMap(({ checkpointBytes }) => checkpointBytes);
  const [ours, theirs] = [medianRound(engine), medianRound(bare)];
  return {
    ...headOf(load),
    engine: ours,
    bare: theirs,
    ratio: ours.recordsPerCpuSecond / theirs.recordsPerCpuSecond,
    quietRatio: ours.quietRecordsPerCpuSecond / theirs.quietRecordsPerCpuSecond,
    pauseP99Ms: pauses[Math.floor(pauses.length * 0.99)] ?? 0,
    pauseMaxMs: pauses.at(-1) ?? 0,
    checkpoints: bytes.length,
    checkpointBytesMedian: median(bytes),
  };
}

async function inSlots(load: Load): Promise<SlotsResult> {
  const p1: Round[] = [];
  const p2: Round[] = [];
  for (let round = 0; round < load.rounds; round++) {
    p1.push(await measureSlots(load, 1));
    p2.push(await measureSlots(load, 2));
  }
  const ratios = ratiosOf(p2, p1);
  return {
    ...headOf(load),
    p1: medianRound(p1),
    p2: medianRound(p2),
    ratio: median(ratios),
    ratios,
  };
}

async function besideFlink(load: Load): Promise<FlinkResult> {
  const cluster = await FlinkCluster.launch(KEYED_COUNT);
  try {
    const ours: [Round[], Round[]] = [[], []];
    const theirs: [FlinkRound[], FlinkRound[]] = [[], []];
    for (let round = 0; round < load.rounds; round++) {
      for (const at of [0, 1] as const) {
        const parallelism = at + 1;
        theirs[at].push(await cluster.measure({ ...load, parallelism }));
        ours[at].push(await measureSlots(load, parallelism));
      }
    }
    const pair = (at: 0 | 1): BesideFlink => {
      const ratios = ratiosOf(ours[at], theirs[at]);
      const flink = medianFlink(theirs[at]);
      return { tidemark: medianRound(ours[at]), flink, ratio: median(ratios), ratios };
    };
    return { ...headOf(load), flinkVersion: cluster.version, p1: pair(0), p2: pair(1) };
  } finally {
    await cluster.stop();
  }
}

function medianFlink(rounds: readonly FlinkRound[]): FlinkRound {
  const cpu = rounds.flatMap(({ recordsPerCpuSecond }) => recordsPerCpuSecond ?? []);
  return {
    recordsPerSecond: median(rounds.map(({ recordsPerSecond }) => recordsPerSecond)),
    recordsPerCpuSecond: cpu.length === 0 ? undefined : median(cpu),
  };
}

/** Round by round, as what else goes on differs less within one. */
function ratiosOf(
  rounds: readonly { readonly recordsPerSecond: number }[],
  to: readonly { readonly recordsPerSecond: number }[],
): number[] {
  return rounds.map((one, at) => one.recordsPerSecond / (to[at]?.recordsPerSecond ?? Number.NaN));
}

function headOf({ keys, workMicros, rounds }: Load): Result {
  return { benchmark: 'keyed-count', keys, workMicros, rounds };
}

function printRound(name: string, { recordsPerSecond, recordsPerCpuSecond }: FlinkRound): void {
  const millions = (rate: number) => `${(rate / 1e6).toFixed(2)} M`.padStart(9);
  const cpu = recordsPerCpuSecond === undefined ? '' : millions(recordsPerCpuSecond);
  console.log(
    `${name.padEnd(16)}${millions(recordsPerSecond)} records/s${cpu} records per CPU-second`,
  );
}

function printRatio(name: string, ratio: number, ratios: readonly number[] = []): void {
  const all = ratios.length === 0 ? '' : `   (${ratios.map((one) => one.toFixed(2)).join(' ')})`;
  console.log(`${name.padEnd(16)}${ratio.toFixed(2).padStart(9)}${all}`);
}

function printBare(result: BareResult): void {
  printRound('tidemark', result.engine);
  printRound('bare loop', result.bare);
  printRatio('ratio', result.ratio);
  printRatio('quiet ratio', result.quietRatio);
  console.log(
    `pauses          ${result.pauseP99Ms.toFixed(1).padStart(9)} ms p99, ${result.pauseMaxMs.toFixed(1)} ms longest`,
  );
  console.log(
    `checkpoints     ${String(result.checkpoints).padStart(9)} of ${(result.checkpointBytesMedian / 1e6).toFixed(2)} MB`,
  );
}

function printSlots(result: SlotsResult): void {
  printRound('p = 1', result.p1);
  printRound('p = 2', result.p2);
  printRatio('p = 2 / p = 1', result.ratio, result.ratios);
}

function printFlink(result: FlinkResult): void {
  for (const [name, { tidemark, flink, ratio, ratios }] of [
    ['p = 1', result.p1],
    ['p = 2', result.p2],
  ] as const) {
    printRound(`tidemark ${name}`, tidemark);
    printRound(`Flink ${name}`, flink);
    printRatio('ratio', ratio, ratios);
  }
}

/** @param args What stands behind `keyed-count` on the command line. */
export async function keyedCountMain(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      keys: { type: 'string', default: '100000' },
      'work-us': { type: 'string', default: '0' },
      parallelism: { type: 'string', default: '1' },
      flink: { type: 'boolean', default: false },
      rounds: { type: 'string', default: '5' },
      seconds: { type: 'string', default: '3' },
      json: { type: 'boolean', default: false },
    },
  });
  const workMicros = Number(values['work-us']);
  const load: Load = {
    keys: Number(values.keys),
    workMicros,
    workLoops: loopsFor(workMicros),
    rounds: Number(values.rounds),
    seconds: Number(values.seconds),
  };
  const report = <R extends Result>(result: R, print: (result: R) => void): void => {
    if (values.json) console.log(JSON.stringify(result));
    else print(result);
  };
  if (values.flink) report(await besideFlink(load), printFlink);
  else if (values.parallelism === '2') report(await inSlots(load), printSlots);
  else report(await besideBare(load), printBare);
}

/**
 * Keyed count: how much of the machine is left for the user's code. A whole job in one thread
 * (generator, map, timestamps, keyBy, a count per key in ValueState, a sink) with a checkpoint each
 * second to files, beside a bare loop over a `Map` that makes the same records and asks the same
 * clock. The two take turns in one process; medians are compared.
 *
 * Usage: `npm run bench -- keyed-count [--keys N] [--rounds N] [--seconds S] [--json]`.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { defineJob } from '../src/api/job-definition.ts';
import { valueState } from '../src/api/state-descriptors.ts';
import { monotonous } from '../src/api/watermarks.ts';
import type { JobEvent } from '../src/cluster/job-events.ts';
import { defaultWorld, runJob } from '../src/cluster/run-job.ts';
import { sleep, systemClock, type Clock } from '../src/common/clock.ts';
import { generate } from '../src/connectors/generator/generator-source.ts';
import type { Sink } from '../src/contracts/sink.ts';
import { serializerOf } from '../src/serde/structural-serializer.ts';
import { parseSettings } from '../src/settings/parse-settings.ts';

const WARM_UP_MS = 1_500;
const BARE_CHUNK = 10_000;

interface Reading {
  readonly key: number;
  readonly value: number;
  readonly ts: number;
}

interface Count {
  readonly key: number;
  readonly count: number;
}

const countSchema = serializerOf({
  kind: 'object',
  fields: [
    { name: 'key', type: { kind: 'float64' } },
    { name: 'count', type: { kind: 'float64' } },
  ],
});

export interface KeyedCountOptions {
  readonly keys: number;
  readonly rounds: number;
  readonly seconds: number;
}

/** What one side did in one round. */
interface Round {
  readonly recordsPerSecond: number;
  readonly recordsPerCpuSecond: number;
}

interface EngineRound extends Round {
  /** Longest times between two turns of the event loop. */
  readonly pausesMs: readonly number[];
  readonly checkpointBytes: readonly number[];
  readonly checkpoints: number;
}

export interface KeyedCountResult {
  readonly benchmark: 'keyed-count';
  readonly keys: number;
  readonly rounds: number;
  readonly engine: Round;
  readonly bare: Round;
  /** Engine by bare loop, records per CPU-second: what else runs on the machine does not count. */
  readonly ratio: number;
  readonly pauseP99Ms: number;
  readonly pauseMaxMs: number;
  readonly checkpoints: number;
  readonly checkpointBytesMedian: number;
}

/** Keys that come in no order, the same ones on both sides. */
function mix(i: number): number {
  let z = (i + 0x9e3779b9) | 0;
  z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
  z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
  return (z ^ (z >>> 16)) >>> 0;
}

/** Counts what comes out, and keeps the last so that it has to be made. */
class Counter {
  written = 0;
  last: Count | undefined = undefined;

  write(count: Count): void {
    this.written++;
    this.last = count;
  }
}

function countingSink(counter: Counter): Sink<Count> {
  return {
    kind: 'count',
    committables: undefined,
    writer: () => ({
      write: (count) => {
        counter.write(count);
      },
      prepareCommit: async () => [],
      close: async () => undefined,
    }),
  };
}

function keyedCount(keys: number, counter: Counter) {
  const seen = valueState('count', serializerOf({ kind: 'float64' }));
  return defineJob('keyed-count', (env) => {
    env
      .fromSource(
        'numbers',
        generate(Infinity, (i) => i),
      )
      .map('reading', (i): Reading => ({ key: mix(i) % keys, value: i, ts: Date.now() }))
      .assignTimestampsAndWatermarks(
        'time',
        monotonous<Reading>((reading) => reading.ts),
      )
      .keyBy((reading) => reading.key)
      .process('count', { seen }, countSchema, (reading, { state, out }) => {
        const count = (state.seen.value() ?? 0) + 1;
        state.seen.update(count);
        out.emit({ key: reading.key, count });
      })
      .sinkTo('counted', countingSink(counter));
  });
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

async function measureEngine(options: KeyedCountOptions): Promise<EngineRound> {
  const folder = await mkdtemp(path.join(tmpdir(), 'keyed-count-'));
  const counter = new Counter();
  const clock = new WatchedClock();
  const events: JobEvent[] = [];
  const flink = parseSettings({
    env: {},
    dynamic: {
      'execution.checkpointing.interval': '1 s',
      'execution.checkpointing.min-pause': '0 s',
      'parallelism.default': '1',
    },
  });
  const printsChain = (process.env['TIDEMARK_DEBUG'] ?? '').includes('codegen');
  const running = await runJob({
    job: keyedCount(options.keys, counter).build(undefined, flink),
    world: { ...defaultWorld, clock },
    dataFolder: folder,
    from: { kind: 'fresh' },
    allowNonRestoredState: false,
    emit: (event) => {
      events.push(event);
    },
    ...(printsChain ? { printChain: (text: string) => process.stderr.write(`${text}\n`) } : {}),
  });
  await sleep(systemClock, WARM_UP_MS);
  clock.pausesMs.length = 0;
  events.length = 0;
  const round = await measure(options.seconds, () => counter.written);
  const pausesMs = clock.pausesMs.slice();
  const failure = events.find((event) => event.kind === 'failure');
  const completed = events.filter((event) => event.kind === 'checkpoint-completed');
  running.cancel();
  await running.done;
  await rm(folder, { recursive: true, force: true });
  if (failure !== undefined) throw failure.error;
  return {
    ...round,
    pausesMs,
    checkpoints: completed.length,
    checkpointBytes: completed.map(({ writtenBytes }) => writtenBytes),
  };
}

async function measureBare({ keys, seconds }: KeyedCountOptions): Promise<Round> {
  const counter = new Counter();
  const counts = new Map<number, number>();
  let next = 0;
  let isOver = false;
  const count = (from: number, to: number): void => {
    for (let i = from; i < to; i++) {
      const reading = { key: mix(i) % keys, value: i, ts: Date.now() };
      const seen = (counts.get(reading.key) ?? 0) + 1;
      counts.set(reading.key, seen);
      counter.write({ key: reading.key, count: seen });
    }
  };
  const turn = (): void => {
    if (isOver) return;
    count(next, next + BARE_CHUNK);
    next += BARE_CHUNK;
    systemClock.turn(turn);
  };
  turn();
  await sleep(systemClock, WARM_UP_MS / 2);
  const round = await measure(seconds, () => counter.written);
  isOver = true;
  return round;
}

async function measure(seconds: number, records: () => number): Promise<Round> {
  const startMs = performance.now();
  const startCpu = process.cpuUsage();
  const startRecords = records();
  await sleep(systemClock, seconds * 1_000);
  const made = records() - startRecords;
  const { user, system } = process.cpuUsage(startCpu);
  return {
    recordsPerSecond: made / ((performance.now() - startMs) / 1_000),
    recordsPerCpuSecond: made / ((user + system) / 1e6),
  };
}

export async function runKeyedCount(options: KeyedCountOptions): Promise<KeyedCountResult> {
  const engine: EngineRound[] = [];
  const bare: Round[] = [];
  for (let round = 0; round < options.rounds; round++) {
    engine.push(await measureEngine(options));
    bare.push(await measureBare(options));
  }
  const pauses = engine.flatMap(({ pausesMs }) => pausesMs).sort((a, b) => a - b);
  const of = (rounds: readonly Round[]): Round => ({
    recordsPerSecond: median(rounds.map(({ recordsPerSecond }) => recordsPerSecond)),
    recordsPerCpuSecond: median(rounds.map(({ recordsPerCpuSecond }) => recordsPerCpuSecond)),
  });
  return {
    benchmark: 'keyed-count',
    keys: options.keys,
    rounds: options.rounds,
    engine: of(engine),
    bare: of(bare),
    ratio: of(engine).recordsPerCpuSecond / of(bare).recordsPerCpuSecond,
    pauseP99Ms: pauses[Math.floor(pauses.length * 0.99)] ?? 0,
    pauseMaxMs: pauses.at(-1) ?? 0,
    checkpoints: engine.reduce((sum, { checkpoints }) => sum + checkpoints, 0),
    checkpointBytesMedian: median(engine.flatMap(({ checkpointBytes }) => checkpointBytes)),
  };
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}

/** @param args What stands behind `keyed-count` on the command line. */
export async function keyedCountMain(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      keys: { type: 'string', default: '100000' },
      rounds: { type: 'string', default: '5' },
      seconds: { type: 'string', default: '3' },
      json: { type: 'boolean', default: false },
    },
  });
  const result = await runKeyedCount({
    keys: Number(values.keys),
    rounds: Number(values.rounds),
    seconds: Number(values.seconds),
  });
  if (values.json) {
    console.log(JSON.stringify(result));
    return;
  }
  const millions = (rate: number) => `${(rate / 1e6).toFixed(2)} M`.padStart(9);
  const line = (name: string, round: Round) =>
    console.log(
      `${name.padEnd(12)}${millions(round.recordsPerSecond)} records/s${millions(round.recordsPerCpuSecond)} records per CPU-second`,
    );
  line('tidemark', result.engine);
  line('bare loop', result.bare);
  console.log(`ratio       ${result.ratio.toFixed(2).padStart(9)}`);
  console.log(
    `pauses      ${result.pauseP99Ms.toFixed(1).padStart(9)} ms p99, ${result.pauseMaxMs.toFixed(1)} ms longest`,
  );
  console.log(
    `checkpoints ${String(result.checkpoints).padStart(9)} of ${(result.checkpointBytesMedian / 1e6).toFixed(2)} MB`,
  );
}

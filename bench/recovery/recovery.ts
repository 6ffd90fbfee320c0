/**
 * How long a job stands still after a failure: from the failure to the next record at the sink.
 *
 *   throw    a user function throws; restart delay 0
 *   kill     kill -9 of the TaskManager, a spare stands by
 *   freeze   SIGSTOP of the TaskManager: from the signal to the kill, and to the next record
 *   state    kill -9 with 0.5 GB of hashmap state: to the first correct read, the latency of the
 *            reads of the next 10 s, and when all of the state is verified
 *
 * Usage: `npm run bench -- recovery [--only throw,kill] [--rounds N] [--keys N] [--json]`.
 */
import { fail } from 'node:assert/strict';
import { parseArgs } from 'node:util';
import { sleep, systemClock } from '../../src/common/clock.ts';
import { BenchJob } from './bench-job.ts';

const RATE = 1_000;
const SETTINGS = {
  'parallelism.default': '2',
  'execution.checkpointing.interval': '500 ms',
  'execution.checkpointing.min-pause': '0',
  'restart-strategy.type': 'fixed-delay',
  'restart-strategy.fixed-delay.attempts': '1000',
  'restart-strategy.fixed-delay.delay': '0',
};
const SMALL = { keys: 1_000, valueBytes: 100, rate: RATE };
const WATCH_MS = 10_000;

interface Times {
  readonly medianMs: number;
  readonly worstMs: number;
  readonly rounds: number;
}

/** Thrown by hand, each time when the job has settled. */
async function measureThrow(rounds: number): Promise<Times> {
  const job = new BenchJob({ ...SMALL, settings: SETTINGS });
  const times: number[] = [];
  for (let round = 0; round < rounds; round++) {
    await job.settled();
    const before = job.probe.writers();
    job.probe.requestThrow();
    const thrownMs = await job.until('throw', () => job.probe.thrownMs());
    times.push((await firstRead(job, before)) - thrownMs);
  }
  await job.close();
  return summary(times);
}

async function measureKill(rounds: number): Promise<Times> {
  const job = new BenchJob({ ...SMALL, settings: SETTINGS });
  const times: number[] = [];
  for (let round = 0; round < rounds; round++) {
    await job.settled();
    const before = job.probe.writers();
    const killedMs = strike(job, 'SIGKILL').atMs;
    times.push((await firstRead(job, before)) - killedMs);
  }
  await job.close();
  return summary(times);
}

async function measureFreeze(rounds: number): Promise<{ detected: Times; recovered: Times }> {
  const job = new BenchJob({ ...SMALL, settings: SETTINGS });
  const detected: number[] = [];
  const recovered: number[] = [];
  for (let round = 0; round < rounds; round++) {
    await job.settled();
    const before = job.probe.writers();
    const { atMs, id } = strike(job, 'SIGSTOP');
    const lost = await job.until('death', () =>
      job.events.find(
        (one) => one.kind === 'task-manager' && one['id'] === id && one['status'] === 'lost',
      ),
    );
    detected.push(lost.atMs - atMs);
    recovered.push((await firstRead(job, before)) - atMs);
  }
  await job.close();
  return { detected: summary(detected), recovered: summary(recovered) };
}

interface StateResult {
  readonly keys: number;
  readonly stateBytes: number;
  readonly firstCorrectReadMs: number;
  readonly wrongReads: number;
  /** From when the source made the record to the sink; a source that is held back makes none. */
  readonly latencyP50Ms: number;
  readonly latencyP99Ms: number;
  readonly longestGapMs: number;
  /** Upper bound: when the first checkpoint behind the restore was complete. */
  readonly allVerifiedMs: number;
}

async function measureState(keys: number): Promise<StateResult> {
  const settings = { ...SETTINGS, 'execution.checkpointing.interval': '1 s' };
  const job = new BenchJob({ keys, valueBytes: 500, rate: RATE, settings });
  await job.until('filled state', () => {
    const lines = job.probe.lines().slice(-200);
    return (lines.length === 200 && lines.every(({ ok }) => ok)) || undefined;
  });
  await job.settled();
  await job.checkpoint();
  const completed = job.events.findLast(({ kind }) => kind === 'checkpoint-completed');
  const before = job.probe.writers();
  const { atMs } = strike(job, 'SIGKILL');
  const firstMs = await firstRead(job, before);
  const verifiedMs = await job.checkpoint();
  await sleep(systemClock, Math.max(0, firstMs + WATCH_MS - Date.now()));
  const lines = job.probe.lines(before).filter(({ sinkMs }) => sinkMs <= firstMs + WATCH_MS);
  const latencies = lines.map(({ madeMs, sinkMs }) => sinkMs - madeMs).sort((a, b) => a - b);
  await job.close();
  const firstOk = lines.find(({ ok }) => ok)?.sinkMs ?? Infinity;
  return {
    keys,
    stateBytes: Number(completed?.['stateBytes']),
    firstCorrectReadMs: firstOk - atMs,
    wrongReads: lines.filter(({ ok }) => !ok).length,
    latencyP50Ms: quantile(latencies, 0.5),
    latencyP99Ms: quantile(latencies, 0.99),
    longestGapMs: longestGapMs(lines),
    allVerifiedMs: verifiedMs - atMs,
  };
}

/** The longest time without a record at the sink. */
function longestGapMs(lines: readonly { sinkMs: number }[]): number {
  const gaps = lines.slice(1).map(({ sinkMs }, at) => sinkMs - (lines[at]?.sinkMs ?? sinkMs));
  return Math.max(0, ...gaps);
}

function strike(job: BenchJob, signal: NodeJS.Signals): { atMs: number; id: string } {
  const target = job.taskManagers()[0];
  if (target === undefined) fail('no TaskManager runs');
  const atMs = Date.now();
  process.kill(target.pid, signal);
  return { atMs, id: target.id };
}

/** When the first record came to a sink of a later attempt. */
function firstRead(job: BenchJob, before: ReadonlySet<string>): Promise<number> {
  return job.until('read after the failure', () => job.probe.lines(before)[0]?.sinkMs);
}

function summary(times: readonly number[]): Times {
  const sorted = times.toSorted((a, b) => a - b);
  return { medianMs: quantile(sorted, 0.5), worstMs: sorted.at(-1) ?? 0, rounds: times.length };
}

function quantile(sorted: readonly number[], q: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? 0;
}

const PARTS = ['throw', 'kill', 'freeze', 'state'] as const;

/** @param args What stands behind `recovery` on the command line. */
export async function recoveryMain(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: 'string', default: PARTS.join(',') },
      rounds: { type: 'string', default: '20' },
      keys: { type: 'string', default: '1000000' },
      json: { type: 'boolean', default: false },
    },
  });
  const rounds = Number(values.rounds);
  const measure: Record<(typeof PARTS)[number], () => Promise<object>> = {
    throw: () => measureThrow(rounds),
    kill: () => measureKill(rounds),
    freeze: () => measureFreeze(Math.min(rounds, 5)),
    state: () => measureState(Number(values.keys)),
  };
  const result: Record<string, object> = {};
  for (const part of PARTS) {
    if (!values.only.split(',').includes(part)) continue;
    result[part] = await measure[part]();
    if (!values.json) console.log(part.padEnd(8), JSON.stringify(result[part]));
  }
  if (values.json) console.log(JSON.stringify({ benchmark: 'recovery', ...result }));
}

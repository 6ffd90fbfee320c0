/**
 * The ledger: what went in, what came out, and whether the two agree. Both sides are counted anew,
 * the one from the input files and the other from the finished output files, or the tables; nothing is taken from
 * what the job says of itself, except checkpoints, restarts and times.
 */
import { nodeFileSystem } from '../../src/common/node-file-system.ts';
import { readFinished } from '../../src/connectors/file/read-finished.ts';
import type { SinkKind } from './arguments.ts';
import { readingsOf, type InputFile } from './inputs.ts';
import type { RunFigures } from './run-with-kills.ts';

/** Also what `--json` prints. */
export interface Ledger extends Partial<RunSummary> {
  readonly read: number;
  readonly valid: number;
  readonly dlq: Readonly<Record<string, number>>;
  readonly windows: number;
  readonly ok: boolean;
  /** What does not add up. */
  readonly problems: readonly string[];
}

/** Absent if nothing was run, only checked. */
interface RunSummary {
  readonly checkpoints: number;
  readonly restarts: number;
  /** Of each killed process. */
  readonly recoveryMs: readonly number[];
  readonly durationMs: number;
}

interface Vital {
  readonly deviceId: string;
  readonly metric: string;
  readonly value: number;
  readonly ts: string;
}

interface Hour {
  readonly deviceId: string;
  readonly metric: string;
  readonly windowStart: string;
  readonly windowEnd: string;
  readonly count: number;
  readonly min: number;
  readonly max: number;
  readonly mean: number;
}

interface Letter {
  readonly reason: string;
  readonly source: string;
  readonly row: number;
  readonly record: { readonly metric: string };
}

const HOUR_MS = 3_600_000;
/** Of one kind; more of them say nothing new. */
const EXAMPLES_MAX = 3;

/** Where the output is. */
export interface OutputPlace {
  /** The folder. */
  readonly out: string;
  readonly sink: SinkKind;
}

/** Reads all finished output and compares. Never throws for what is wrong with it. */
export async function makeLedger(
  place: OutputPlace,
  inputs: readonly InputFile[],
  figures: RunFigures | undefined,
  killsAsked = 0,
): Promise<Ledger> {
  const problems = new Problems();
  const kills = figures?.kills ?? 0;
  if (kills < killsAsked) {
    problems.add(
      'kills',
      `kills asked for: ${killsAsked}, done before the job was over: ${kills}; give a lower --rate`,
    );
  }
  const vitals = await finishedRows<Vital>(place, 'vitals', problems);
  const hours = await finishedRows<Hour>(place, 'vitals_hourly', problems);
  const letters = await finishedRows<Letter>(place, 'dlq', problems);
  checkOnce(vitals, letters, problems);
  checkWindows(vitals, hours, problems);
  const dlq: Record<string, number> = {};
  for (const reason of letters.map((letter) => letter.reason).sort()) {
    dlq[reason] = (dlq[reason] ?? 0) + 1;
  }
  const read = readingsOf(inputs);
  const written = vitals.length + letters.length;
  if (read !== written) {
    problems.add(
      'total',
      `${read} readings are in the input files, but vitals and dlq hold ${written}`,
    );
  }
  return {
    read,
    valid: vitals.length,
    dlq,
    windows: hours.length,
    ...(figures === undefined ? {} : summaryOf(figures)),
    ok: problems.isEmpty,
    problems: problems.lines(),
  };
}

function summaryOf(figures: RunFigures): RunSummary {
  const { checkpoints, kills, jobRestarts, recoveries, durationMs } = figures;
  return {
    checkpoints,
    restarts: kills + jobRestarts,
    recoveryMs: recoveries.map(({ recoveryMs }) => Math.round(recoveryMs)),
    durationMs: Math.round(durationMs),
  };
}

/** No reading comes out twice, neither as a vital nor as a letter. */
function checkOnce(vitals: readonly Vital[], letters: readonly Letter[], problems: Problems): void {
  const keys = vitals.map(({ deviceId, metric, ts }) => `${deviceId} ${metric} ${ts}`);
  for (const twice of repeated(keys)) problems.add('vitals', `vitals has ${twice} twice`);
  const places = letters.map(({ source, row, record }) => `${source} row ${row} ${record.metric}`);
  for (const twice of repeated(places)) problems.add('dlq', `dlq has ${twice} twice`);
}

function repeated(texts: readonly string[]): string[] {
  const seen = new Set<string>();
  return texts.filter((text) => seen.size === seen.add(text).size);
}

/** The windows are those that follow from the vitals: no other, none missing, each once. */
function checkWindows(vitals: readonly Vital[], hours: readonly Hour[], problems: Problems): void {
  const expected = new Map<string, { count: number; min: number; max: number; sum: number }>();
  for (const { deviceId, metric, value, ts } of vitals) {
    const key = windowKey(deviceId, metric, Date.parse(ts));
    const hour = expected.get(key) ?? { count: 0, min: Infinity, max: -Infinity, sum: 0 };
    expected.set(key, hour);
    hour.count += 1;
    hour.min = Math.min(hour.min, value);
    hour.max = Math.max(hour.max, value);
    hour.sum += value;
  }
  for (const hour of hours) {
    const startMs = Date.parse(hour.windowStart);
    const key = windowKey(hour.deviceId, hour.metric, startMs);
    const wanted = expected.get(key);
    if (wanted === undefined) {
      problems.add('hours', `vitals_hourly has ${key}, which follows from no vital, or twice`);
      continue;
    }
    expected.delete(key);
    const { count, min, max, sum } = wanted;
    const isRight =
      hour.count === count &&
      hour.min === min &&
      hour.max === max &&
      isNear(hour.mean, sum / count) &&
      Date.parse(hour.windowEnd) - startMs === HOUR_MS;
    if (!isRight) {
      const says = `count ${hour.count}, min ${hour.min}, max ${hour.max}, mean ${hour.mean}`;
      const follows = `${count}, ${min}, ${max}, ${sum / count}`;
      problems.add('hour', `${key}: vitals_hourly says ${says}; from vitals follow ${follows}`);
    }
  }
  for (const key of expected.keys()) problems.add('hours', `vitals_hourly lacks ${key}`);
  const counted = hours.reduce((sum, { count }) => sum + count, 0);
  if (counted !== vitals.length) {
    problems.add('counts', `the windows count ${counted} vitals, there are ${vitals.length}`);
  }
}

function windowKey(deviceId: string, metric: string, ms: number): string {
  const startMs = ms - (ms % HOUR_MS);
  const hour = Number.isFinite(startMs) ? new Date(startMs).toISOString() : 'no time';
  return `${deviceId} ${metric} ${hour}`;
}

/** Sums of floats differ in their last digits with the order of the terms. */
function isNear(a: number, b: number): boolean {
  return Math.abs(a - b) <= 1e-9 * Math.max(1, Math.abs(a), Math.abs(b));
}

async function finishedRows<T>(
  { out, sink }: OutputPlace,
  name: string,
  problems: Problems,
): Promise<T[]> {
  if (sink === 'files') return finishedLines(`${out}/${name}`, problems);
  // Only then are its libraries loaded.
  const { tableRows } = await import('./table-rows.ts');
  try {
    return (await tableRows(`${out}/warehouse`, `health.${name}`)) as T[];
  } catch (error) {
    problems.add('tables', `${name} cannot be read: ${String(error)}`);
    return [];
  }
}

async function finishedLines<T>(folder: string, problems: Problems): Promise<T[]> {
  const lines: T[] = [];
  for (const { path, text } of await readFinished(nodeFileSystem, folder)) {
    for (const [index, line] of text.split('\n').entries()) {
      if (line === '') continue;
      try {
        lines.push(JSON.parse(line) as T);
      } catch {
        problems.add('lines', `${path}:${index + 1} is not JSON: ${line.slice(0, 80)}`);
      }
    }
  }
  return lines;
}

/** Lines for people, a few of each kind. */
class Problems {
  readonly #ofKind = new Map<string, string[]>();

  get isEmpty(): boolean {
    return this.#ofKind.size === 0;
  }

  add(kind: string, line: string): void {
    const before = this.#ofKind.get(kind);
    if (before === undefined) this.#ofKind.set(kind, [line]);
    else before.push(line);
  }

  lines(): string[] {
    return [...this.#ofKind.values()].flatMap((lines) =>
      lines.length <= EXAMPLES_MAX
        ? lines
        : [
            ...lines.slice(0, EXAMPLES_MAX),
            `… and ${lines.length - EXAMPLES_MAX} more of this kind`,
          ],
    );
  }
}

/**
 * Rows of two sensors, drawn from a seed, as many as one likes: a glucose monitor's and a bicycle's, each with
 * one every two seconds. Some come twice, some say nothing, some cannot be. They are there as what topics
 * hold and as the CSV files that the reference reads.
 */
import fs from 'node:fs';
import { gzipSync } from 'node:zlib';
import { randomInt, type Random } from '../../src/common/random.ts';
import { seededRandom } from '../../src/testing/simulation/seeded-random.ts';

export const SENSORS = ['cgm', 'bike'] as const;
export type Sensor = (typeof SENSORS)[number];

const STEP_S = 2;
const ODD_ONE_IN = 300;
/** The last rows are so much later that every window ends before. */
const SILENCE_S = 7_200;
const STARTS_MS = Date.UTC(2010, 4, 1, 8);
const GZIP_LEVEL = 1;

const FILES = {
  cgm: { name: 'CGM.csv.gz', columns: ['isig', 'datetime', 'glucose'] },
  bike: { name: 'cycling.csv.gz', columns: ['power', 'cadence', 'speed', 'time'] },
} as const;

type Row = Readonly<Record<string, string>>;

export class HealthReadings {
  /** Of both sensors together. */
  readonly count: number;
  readonly #rows: Readonly<Record<Sensor, readonly Row[]>>;

  constructor(seed: number, count: number) {
    this.count = count;
    const random = seededRandom(seed);
    const each = Math.floor(count / SENSORS.length);
    this.#rows = {
      cgm: drawRows(random.fork('cgm'), count - each, cgmRow),
      bike: drawRows(random.fork('bike'), each, bikeRow),
    };
  }

  /** Row `index` of `parts` equal parts of each sensor's rows, as JSON. */
  part(sensor: Sensor, index: number, parts: number): string[] {
    const rows = this.#rows[sensor];
    const at = (part: number): number => Math.floor((rows.length * part) / parts);
    return rows.slice(at(index), at(index + 1)).map((row) => JSON.stringify(row));
  }

  /** The same rows as files with the names that the reference looks for. */
  writeFiles(folder: string): void {
    fs.mkdirSync(folder, { recursive: true });
    for (const sensor of SENSORS) {
      const { name, columns } = FILES[sensor];
      const lines = this.#rows[sensor].map((row) => columns.map((each) => row[each]).join());
      const text = [columns.join(), ...lines, ''].join('\n');
      fs.writeFileSync(`${folder}/${name}`, gzipSync(text, { level: GZIP_LEVEL }));
    }
  }
}

type DrawRow = (random: Random, second: number, isSilent: boolean) => Row;

function drawRows(random: Random, count: number, drawRow: DrawRow): Row[] {
  const rows: Row[] = [];
  let second = 0;
  while (rows.length < count - 1) {
    // Of two with one time, the second is a duplicate.
    if (!isOdd(random)) second += STEP_S;
    rows.push(drawRow(random, second, false));
  }
  rows.push(drawRow(random, second + SILENCE_S, true));
  return rows;
}

function isOdd(random: Random): boolean {
  return randomInt(random, ODD_ONE_IN) === 0;
}

/** A number as text: now and then none, or one that cannot be. */
function draw(random: Random, below: number, decimals: number, isSilent: boolean): string {
  if (isSilent || isOdd(random)) return '';
  if (isOdd(random)) return String(-1 - randomInt(random, below));
  const unit = 10 ** decimals;
  return String(randomInt(random, below * unit) / unit);
}

function cgmRow(random: Random, second: number, isSilent: boolean): Row {
  const at = new Date(STARTS_MS + second * 1000).toISOString();
  return {
    isig: draw(random, 100, 2, isSilent),
    datetime: `${at.slice(0, 10)} ${at.slice(11, 19)}`,
    // Below 40 it is out of range.
    glucose: isSilent || isOdd(random) ? '' : String(39 + randomInt(random, 360)),
  };
}

function bikeRow(random: Random, second: number, isSilent: boolean): Row {
  const two = (value: number): string => String(Math.floor(value)).padStart(2, '0');
  const day = second % 86_400;
  const time = `${two(day / 3600)}:${two((day % 3600) / 60)}:${two(day % 60)}`;
  return {
    power: draw(random, 2_000, 0, isSilent),
    cadence: draw(random, 250, 0, isSilent),
    speed: draw(random, 40, 3, isSilent),
    time: `${Math.floor(second / 86_400)} days ${time}`,
  };
}

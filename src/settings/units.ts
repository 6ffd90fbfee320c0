/** Flink's units: durations (`60s`, `10 min`, `500`) and sizes of memory (`64mb`, `1 gb`). */

const DURATION_MS: Readonly<Record<string, number>> = {
  d: 86_400_000,
  day: 86_400_000,
  days: 86_400_000,
  h: 3_600_000,
  hour: 3_600_000,
  hours: 3_600_000,
  m: 60_000,
  min: 60_000,
  minute: 60_000,
  minutes: 60_000,
  s: 1000,
  sec: 1000,
  secs: 1000,
  second: 1000,
  seconds: 1000,
  '': 1,
  ms: 1,
  milli: 1,
  millis: 1,
  millisecond: 1,
  milliseconds: 1,
  µs: 1e-3,
  micro: 1e-3,
  micros: 1e-3,
  microsecond: 1e-3,
  microseconds: 1e-3,
  ns: 1e-6,
  nano: 1e-6,
  nanos: 1e-6,
  nanosecond: 1e-6,
  nanoseconds: 1e-6,
};

const MEMORY_BYTES: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  bytes: 1,
  k: 1024,
  kb: 1024,
  kibibytes: 1024,
  m: 1024 ** 2,
  mb: 1024 ** 2,
  mebibytes: 1024 ** 2,
  g: 1024 ** 3,
  gb: 1024 ** 3,
  gibibytes: 1024 ** 3,
  t: 1024 ** 4,
  tb: 1024 ** 4,
  tebibytes: 1024 ** 4,
};

/** Whole milliseconds; a number without a unit is milliseconds. Undefined if it is no duration. */
export function parseDurationMs(text: string): number | undefined {
  return inUnits(text, DURATION_MS);
}

/** Whole bytes; a number without a unit is bytes. Undefined if it is no size. */
export function parseMemoryBytes(text: string): number | undefined {
  return inUnits(text, MEMORY_BYTES);
}

/** Only whole numbers, as in Flink: `1.5h` is refused, and so is `1500 µs`, which is no whole ms. */
function inUnits(text: string, units: Readonly<Record<string, number>>): number | undefined {
  const match = /^(\d+)\s*([a-zµ]*)$/i.exec(text.trim());
  if (match === null) return undefined;
  const [, count = '', unit = ''] = match;
  const factor = Object.hasOwn(units, unit.toLowerCase()) ? units[unit.toLowerCase()] : undefined;
  if (factor === undefined) return undefined;
  // Divided rather than multiplied by a fraction, which is not exact.
  const value = factor < 1 ? Number(count) / Math.round(1 / factor) : Number(count) * factor;
  return Number.isSafeInteger(value) ? value : undefined;
}

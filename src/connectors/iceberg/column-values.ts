/** What a job may give for a column, made into the one form that `Datum` is. */
import type { Datum, Primitive } from './iceberg-type.ts';

/** Returns `undefined` for what does not fit. */
export type ToDatum = (value: unknown) => Datum | undefined;

const INT64_MAX = 2n ** 63n - 1n;
const DAY_MS = 86_400_000;
const DAY_MICROS = 86_400_000_000n;

export function toDatum(type: Primitive): ToDatum {
  switch (type.kind) {
    case 'boolean':
      return (value) => (typeof value === 'boolean' ? value : undefined);
    case 'int':
      return (value) => (isInt32(value) ? value : undefined);
    case 'long':
      return int64Of;
    case 'float':
      return (value) => (typeof value === 'number' ? Math.fround(value) : undefined);
    case 'double':
      return (value) => (typeof value === 'number' ? value : undefined);
    case 'date':
      return dateOf;
    case 'time':
      return timeOf;
    case 'timestamp':
      return (value) => microsOf(value, false);
    case 'timestamptz':
      return (value) => microsOf(value, true);
    case 'string':
      return (value) => (typeof value === 'string' ? value : undefined);
    case 'uuid':
      return uuidOf;
    case 'fixed':
      return (value) =>
        value instanceof Uint8Array && value.length === type.length ? value : undefined;
    case 'binary':
      return (value) => (value instanceof Uint8Array ? value : undefined);
    case 'decimal':
      return (value) => decimalOf(value, type.precision, type.scale);
  }
}

/** For errors: what would fit. */
export function expectedOf(type: Primitive): string {
  switch (type.kind) {
    case 'decimal':
      return `a number or text with ${type.precision} digits, ${type.scale} of them decimals`;
    case 'fixed':
      return `a Uint8Array of ${type.length} bytes`;
    default:
      return EXPECTED[type.kind] ?? type.kind;
  }
}

const EXPECTED: Readonly<Record<string, string | undefined>> = {
  boolean: 'a boolean',
  int: 'an integer of 32 bits',
  long: 'an integer of 64 bits',
  float: 'a number',
  double: 'a number',
  date: 'a Date, days since 1970, or text such as 2026-01-31',
  time: 'milliseconds of the day, microseconds as a bigint, or text such as 13:05:09',
  timestamp: 'a Date, milliseconds, microseconds as a bigint, or ISO text without a zone',
  timestamptz: 'a Date, milliseconds, microseconds as a bigint, or ISO text with a zone',
  string: 'a string',
  uuid: 'a UUID as text or 16 bytes',
  binary: 'a Uint8Array',
};

function isInt32(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value === (value | 0);
}

function int64Of(value: unknown): bigint | undefined {
  if (Number.isSafeInteger(value)) return BigInt(value as number);
  return typeof value === 'bigint' && value <= INT64_MAX && value >= -INT64_MAX - 1n
    ? value
    : undefined;
}

function dateOf(value: unknown): number | undefined {
  if (value instanceof Date) return checkedDays(Math.floor(value.getTime() / DAY_MS));
  if (typeof value === 'number') return checkedDays(value);
  if (typeof value !== 'string' || !/^\d{4}-\d\d-\d\d$/.test(value)) return undefined;
  const ms = Date.parse(`${value}T00:00:00Z`);
  // 2026-02-30 is read as the second of March.
  if (Number.isNaN(ms) || !new Date(ms).toISOString().startsWith(value)) return undefined;
  return ms / DAY_MS;
}

function checkedDays(days: number): number | undefined {
  return isInt32(days) ? days : undefined;
}

function timeOf(value: unknown): bigint | undefined {
  const micros = typeof value === 'string' ? timeText(value) : microsOfMs(value);
  return micros !== undefined && micros >= 0n && micros < DAY_MICROS ? micros : undefined;
}

function timeText(text: string): bigint | undefined {
  const parts = /^(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,6}))?)?$/.exec(text);
  if (parts === null) return undefined;
  const [, hours = '', minutes = '', seconds = '0', fraction = ''] = parts;
  if (Number(hours) > 23 || Number(minutes) > 59 || Number(seconds) > 59) return undefined;
  const whole = (Number(hours) * 60 + Number(minutes)) * 60 + Number(seconds);
  return BigInt(whole) * 1_000_000n + BigInt(fraction.padEnd(6, '0'));
}

const ZONED = /^(\d{4}-\d\d-\d\dT\d\d:\d\d)(:\d\d)?(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)?$/;

/** @param zoned Whether text needs a zone, or must have none. */
function microsOf(value: unknown, zoned: boolean): bigint | undefined {
  if (typeof value !== 'string') return microsOfMs(value);
  const parts = ZONED.exec(value);
  if (parts === null) return undefined;
  const [, minutes = '', seconds = ':00', fraction = '', zone] = parts;
  if ((zone !== undefined) !== zoned) return undefined;
  const ms = Date.parse(`${minutes}${seconds}${zone ?? 'Z'}`);
  if (Number.isNaN(ms)) return undefined;
  return BigInt(ms) * 1000n + BigInt(fraction.slice(0, 6).padEnd(6, '0'));
}

/** Dates and numbers are milliseconds, bigints microseconds. */
function microsOfMs(value: unknown): bigint | undefined {
  if (typeof value === 'bigint') return int64Of(value);
  const ms = value instanceof Date ? value.getTime() : value;
  if (typeof ms !== 'number' || !Number.isFinite(ms)) return undefined;
  const whole = Math.floor(ms);
  return int64Of(BigInt(whole) * 1000n + BigInt(Math.round((ms - whole) * 1000)));
}

function uuidOf(value: unknown): Uint8Array | undefined {
  if (value instanceof Uint8Array) return value.length === 16 ? value : undefined;
  if (typeof value !== 'string') return undefined;
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(value)) return undefined;
  return new Uint8Array(Buffer.from(value.replaceAll('-', ''), 'hex'));
}

function decimalOf(value: unknown, precision: number, scale: number): bigint | undefined {
  if (typeof value !== 'string' && typeof value !== 'number') return undefined;
  const parts = /^([+-]?)(\d+)(?:\.(\d*))?$/.exec(String(value));
  if (parts === null) return undefined;
  const [, sign = '', whole = '', fraction = ''] = parts;
  const decimals = fraction.replace(/0+$/, '');
  if (decimals.length > scale) return undefined;
  const unscaled = BigInt(whole + decimals.padEnd(scale, '0'));
  if (unscaled >= 10n ** BigInt(precision)) return undefined;
  return sign === '-' ? -unscaled : unscaled;
}

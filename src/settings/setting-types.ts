import { parseDurationMs, parseMemoryBytes } from './units.ts';

/** How a setting's text becomes a value. */
export interface SettingType<T> {
  /** Undefined if the text is not accepted. */
  parse(text: string): T | undefined;
  /** For messages and reference pages: `a whole number from 1 to 32768`. */
  readonly accepts: string;
}

interface Range {
  readonly least: number;
  readonly most?: number;
}

export function wholeNumber({ least, most }: Range): SettingType<number> {
  return {
    parse: (text) => within(/^[+-]?\d+$/.test(text.trim()) ? Number(text) : undefined, least, most),
    accepts: `a whole number ${rangeText(least, most)}`,
  };
}

export function decimal({ least, most }: Range): SettingType<number> {
  return {
    parse: (text) =>
      within(/^\d+(\.\d+)?$/.test(text.trim()) ? Number(text) : undefined, least, most),
    accepts: `a number ${rangeText(least, most)}`,
  };
}

export function durationMs({ least, most }: Range): SettingType<number> {
  return {
    parse: (text) => within(parseDurationMs(text), least, most),
    accepts: `milliseconds ${rangeText(least, most)}, or a duration such as 60s or 10 min`,
  };
}

export function memoryBytes({ least, most }: Range): SettingType<number> {
  return {
    parse: (text) => within(parseMemoryBytes(text), least, most),
    accepts: `bytes ${rangeText(least, most)}, or a size such as 64mb or 1 gb`,
  };
}

export function yesOrNo(): SettingType<boolean> {
  const words: Readonly<Record<string, boolean>> = { true: true, false: false };
  return { parse: (text) => words[text.trim().toLowerCase()], accepts: 'true or false' };
}

/** One of some words, in any case; `also` maps Flink's other spellings to them. */
export function oneOf<const W extends string>(
  words: readonly W[],
  also: Readonly<Record<string, W>> = {},
): SettingType<W> {
  return {
    parse(text) {
      const said = text.trim().toLowerCase();
      return words.find((word) => word.toLowerCase() === said) ?? also[said];
    },
    accepts: words.join(', '),
  };
}

/** Text that is not empty, of the given form. */
export function word(accepts: string, form = /./): SettingType<string> {
  return {
    parse(said) {
      const trimmed = said.trim();
      return trimmed !== '' && form.test(trimmed) ? trimmed : undefined;
    },
    accepts,
  };
}

/** As `word`, for a setting that may have no value. */
export function text(accepts: string, form?: RegExp): SettingType<string | undefined> {
  return word(accepts, form);
}

/** `namenode:8020=namenode:9870`, several with commas. */
export function hostPairs(): SettingType<string | undefined> {
  const pair = /^[\w.-]+(:\d+)?=[\w.-]+:\d+$/;
  return {
    parse(said) {
      const pairs = said.split(',').map((each) => each.trim());
      return pairs.every((each) => pair.test(each)) ? pairs.join(',') : undefined;
    },
    accepts: 'host:port=host:port, several with commas',
  };
}

const PORT_MAX = 65_535;

/** A port, or several: `8081`, `50100-50200`, `8081,8091`; 0 is any. */
export function portRange(): SettingType<string> {
  return {
    parse(said) {
      const trimmed = said.replaceAll(' ', '');
      const isGood = trimmed.split(',').every((part) => {
        const [first = -1, last = first] = portsIn(part);
        return first >= 0 && first <= last && last <= PORT_MAX;
      });
      return isGood ? trimmed : undefined;
    },
    accepts: `a port from 0 to ${PORT_MAX}, or a range such as 8081-8099`,
  };
}

function portsIn(part: string): number[] {
  return /^\d{1,5}(-\d{1,5})?$/.test(part) ? part.split('-').map(Number) : [];
}

/** Every port of a range, in order. */
export function portsOf(range: string): number[] {
  return range.split(',').flatMap((part) => {
    const [first = 0, last = first] = portsIn(part);
    return Array.from({ length: last - first + 1 }, (_, at) => first + at);
  });
}

/** A folder or address with one of the known schemes, or a local path. */
export function location(): SettingType<string | undefined> {
  return {
    parse(text) {
      const [scheme] = /^[a-z][a-z0-9+.-]*(?=:\/\/)/i.exec(text) ?? [];
      const known = scheme === undefined || ['file', 's3', 's3a', 'hdfs'].includes(scheme);
      return known && text.trim() !== '' ? text.trim() : undefined;
    },
    accepts: 'a path, or a file://, s3://, s3a:// or hdfs:// address',
  };
}

function within(value: number | undefined, least: number, most?: number): number | undefined {
  if (value === undefined || value < least) return undefined;
  return most !== undefined && value > most ? undefined : value;
}

function rangeText(least: number, most?: number): string {
  return most === undefined ? `of at least ${least}` : `from ${least} to ${most}`;
}

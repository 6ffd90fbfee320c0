/**
 * Kafka's own client properties, by their names: what a user of Flink or of the Java client has in a
 * file works here as it is. A property that this client does not know is an error, because one about
 * security must never be passed over in silence.
 */
import { nearest } from '../../../settings/nearest.ts';
import { badProperty, unknownProperty } from './errors.ts';

/** Kafka's client properties, such as `{ 'security.protocol': 'SASL_SSL' }`. */
export type KafkaProperties = Readonly<Record<string, string | number | boolean>>;

export interface PropertyType<T> {
  /** Undefined: the text is no such value. */
  readonly parse: (text: string) => T | undefined;
  /** A good value, for the error. */
  readonly good: string;
  readonly default: T;
  /** The value must not appear anywhere. */
  readonly secret?: boolean;
}

export type PropertyTable = Readonly<Record<string, PropertyType<unknown>>>;

export type PropertyValues<T extends PropertyTable> = {
  readonly [K in keyof T]: T[K] extends PropertyType<infer V> ? V : never;
};

/** @throws {EngineError} `KAF-001` for a value, `KAF-002` for a name. */
export function readProperties<T extends PropertyTable>(
  given: KafkaProperties,
  table: T,
): PropertyValues<T> {
  for (const name of Object.keys(given)) {
    if (!Object.hasOwn(table, name)) {
      throw unknownProperty(name, nearest(name, Object.keys(table)));
    }
  }
  const values = Object.entries(table).map(([name, type]) => {
    const said = given[name];
    if (said === undefined) return [name, type.default];
    const value = type.parse(String(said));
    if (value === undefined) {
      throw badProperty(name, type.secret === true ? '***' : String(said), type.good);
    }
    return [name, value];
  });
  return Object.fromEntries(values) as PropertyValues<T>;
}

export function text(otherwise: string | undefined, good = 'a text') {
  return property<string | undefined>((said) => said, good, otherwise);
}

export function secret() {
  return { ...text(undefined), secret: true };
}

/** A whole number from `least` on. */
export function count(otherwise: number, least = 0) {
  const parse = (said: string): number | undefined => {
    const number = said.trim() === '' ? NaN : Number(said);
    return Number.isSafeInteger(number) && number >= least ? number : undefined;
  };
  return property(parse, String(otherwise), otherwise);
}

export function flag(otherwise: boolean) {
  const parse = (said: string): boolean | undefined =>
    said === 'true' ? true : said === 'false' ? false : undefined;
  return property(parse, String(otherwise), otherwise);
}

export function oneOf<T extends string>(values: readonly T[], otherwise: T) {
  const parse = (said: string): T | undefined =>
    values.find((value) => value === said.toUpperCase() || value === said);
  return property(parse, values.join(', '), otherwise);
}

function property<T>(
  parse: (said: string) => T | undefined,
  good: string,
  otherwise: T,
): PropertyType<T> {
  return { parse, good, default: otherwise };
}

/** Objects, lists and maps as the library takes them. */
import { parquetMisfit } from '../errors.ts';

/** Counts what a row takes in memory, roughly. */
export interface Size {
  bytes: number;
}

/** Makes what the library takes of a value. Throws `FMT-009`. */
export type Take = (value: unknown, size: Size) => unknown;

export interface TakenField {
  readonly name: string;
  readonly take: Take;
}

/** What an object or array costs beside its contents. */
const CONTAINER_BYTES = 32;

export function structTake(path: string, fields: readonly TakenField[]): Take {
  return (value, size) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw parquetMisfit(path, 'an object', value);
    }
    size.bytes += CONTAINER_BYTES;
    const taken: Record<string, unknown> = {};
    for (const { name, take } of fields) {
      taken[name] = take((value as Record<string, unknown>)[name], size);
    }
    return taken;
  };
}

export function listTake(path: string, take: Take): Take {
  return (value, size) => {
    if (!Array.isArray(value)) throw parquetMisfit(path, 'an array', value);
    size.bytes += CONTAINER_BYTES;
    return Array.from(value, (item) => take(item, size));
  };
}

export function mapTake(path: string, takeKey: Take, take: Take): Take {
  return (value, size) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw parquetMisfit(path, 'an object', value);
    }
    // A reader that sets it as a key would set its object's prototype.
    if (Object.hasOwn(value, '__proto__')) throw parquetMisfit(path, 'a key', '__proto__');
    size.bytes += CONTAINER_BYTES;
    return Object.entries(value).map(([key, item]) => ({
      key: takeKey(key, size),
      value: take(item, size),
    }));
  };
}

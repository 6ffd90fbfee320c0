import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { keyGroupOf, keyGroupRangeOf, subtaskOfKeyGroup } from '../../src/common/key-groups.ts';
import { keyHash } from '../../src/common/key-hash.ts';

// Goal: a key, its key group and its subtask are the same here as in a real Flink.
// Method: compare with what Flink itself answered; scripts/golden/flink-key-hash asks it.

interface Golden {
  readonly keys: readonly {
    readonly key: JavaKey;
    readonly murmurHash: number;
    readonly keyGroups: Readonly<Record<string, number>>;
  }[];
  readonly operators: readonly {
    readonly maxParallelism: number;
    readonly parallelism: number;
    readonly keyGroup: number;
    readonly subtask: number;
  }[];
  readonly ranges: readonly {
    readonly maxParallelism: number;
    readonly parallelism: number;
    readonly subtask: number;
    readonly start: number;
    readonly end: number;
  }[];
}

/** A value as Java has it: text under the name of its class. */
interface JavaKey {
  readonly integer?: string;
  readonly long?: string;
  readonly double?: string;
  readonly string?: string;
  readonly boolean?: boolean;
  readonly biginteger?: string;
  readonly tuple?: readonly JavaKey[];
  readonly null?: true;
}

const golden = JSON.parse(
  readFileSync(new URL('flink-key-hash.json', import.meta.url), 'utf8'),
) as Golden;

describe('keys', () => {
  it.each(golden.keys)('hashes as Flink does: $key', ({ key, murmurHash, keyGroups }) => {
    for (const value of valuesOf(key)) {
      const hash = keyHash(value);

      expect(keyGroupOf(hash, 2 ** 31)).toBe(murmurHash);
      for (const [maxParallelism, keyGroup] of Object.entries(keyGroups)) {
        expect(keyGroupOf(hash, Number(maxParallelism))).toBe(keyGroup);
      }
    }
  });
});

it('gives a key group to the subtask that Flink gives it to', () => {
  for (const { keyGroup, maxParallelism, parallelism, subtask } of golden.operators) {
    expect(subtaskOfKeyGroup(keyGroup, maxParallelism, parallelism)).toBe(subtask);
  }
});

it('gives a subtask the range that Flink gives it', () => {
  for (const { subtask, maxParallelism, parallelism, start, end } of golden.ranges) {
    expect(keyGroupRangeOf(subtask, maxParallelism, parallelism)).toEqual({ start, end });
  }
});

/** The values of ours that are this Java value. An object is a tuple whose names are in order. */
function valuesOf(key: JavaKey): unknown[] {
  if (key.integer !== undefined) return [Number(key.integer)];
  if (key.long !== undefined) return longs(BigInt(key.long));
  if (key.double !== undefined) return [Number(key.double)];
  if (key.biginteger !== undefined) return [BigInt(key.biginteger)];
  if (key.string !== undefined) return [key.string];
  if (key.boolean !== undefined) return [key.boolean];
  if (key.tuple === undefined) return [null];
  const fields = key.tuple.map((field) => valuesOf(field)[0]);
  const names = fields.map((_, index) => `f${String.fromCharCode(97 + index)}`);
  const entries = fields.map((field, index) => [names[index], field] as const);
  return [fields, Object.fromEntries(entries), Object.fromEntries(entries.reverse())];
}

/** A Long is a bigint, or a safe integer that is too wide for an Integer. */
function longs(value: bigint): unknown[] {
  const number = Number(value);
  const isLong = Number.isSafeInteger(number) && (number | 0) !== number;
  return isLong ? [number, value] : [value];
}

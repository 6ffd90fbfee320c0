import { inspect, isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ByteReader, ByteWriter } from './bytes.ts';
import type { Serializer } from './serializer.ts';
import { serializerOf } from './structural-serializer.ts';
import { typedValue, type TypedValue } from './type-schema.arbitrary.ts';
import { canonicalJson, type TypeSchema } from './type-schema.ts';

// Goal: every value of every schema comes back exactly, and what would not is refused.
// Method: drawn schemas with drawn values; then examples of what must be refused.
// Replay: vitest prints fast-check's seed and path.

describe('every value of every schema', () => {
  it('comes back exactly, and all its bytes are read', () => {
    fc.assert(
      fc.property(typedValue, ({ schema, value }) => {
        expectSame(roundTrip(serializerOf(schema), value), value);
      }),
      { numRuns: 500 },
    );
  });

  it('is copied whole, without a shared part', () => {
    fc.assert(
      fc.property(typedValue, ({ schema, value }) => {
        const copy = serializerOf(schema).copy(value);

        expectSame(copy, value);
        expect(sharedParts(value, copy)).toEqual([]);
      }),
      { numRuns: 300 },
    );
  });

  it('has the same bytes however the schema is put', () => {
    fc.assert(
      fc.property(typedValue, ({ schema, value }) => {
        const put = JSON.parse(canonicalJson(schema)) as TypeSchema;

        expect(bytesOf(serializerOf(put), value)).toEqual(bytesOf(serializerOf(schema), value));
      }),
      { numRuns: 300 },
    );
  });

  it('is either written and read, or refused with nothing written, by another schema', () => {
    fc.assert(
      fc.property(typedValue, typedValue, ({ schema }: TypedValue, { value }) => {
        const to = new ByteWriter();
        to.uint8(7);
        try {
          serializerOf(schema).write(value, to);
        } catch (error) {
          expect(error).toMatchObject({ kind: 'invalid', code: /^SER-00[234]$/ });
          expect(to.finish()).toEqual(Uint8Array.of(7));
          return;
        }
        const from = new ByteReader(to.finish(), 1);
        expectSame(withoutLiberties(serializerOf(schema).read(from)), withoutLiberties(value));
      }),
      { numRuns: 500 },
    );
  });
});

function bytesOf<T>(serializer: Serializer<T>, value: T): Uint8Array {
  const to = new ByteWriter();
  serializer.write(value, to);
  return to.finish();
}

function roundTrip<T>(serializer: Serializer<T>, value: T): T {
  const from = new ByteReader(bytesOf(serializer, value));
  const read = serializer.read(from);
  expect(from.remaining).toBe(0);
  return read;
}

/** Objects that are reachable from both. */
function sharedParts(a: unknown, b: unknown): object[] {
  const partsOf = (value: unknown, parts = new Set<object>()): Set<object> => {
    if (typeof value !== 'object' || value === null || parts.has(value)) return parts;
    parts.add(value);
    const inner =
      value instanceof Map
        ? [...value].flat()
        : value instanceof Set
          ? [...value]
          : ArrayBuffer.isView(value)
            ? []
            : Object.values(value);
    for (const part of inner) partsOf(part, parts);
    return parts;
  };
  const ours = partsOf(a);
  return [...partsOf(b)].filter((part) => ours.has(part));
}

/** What a schema may change: an int32 has no -0, an optional field no undefined, bytes no Buffer. */
function withoutLiberties(value: unknown): unknown {
  if (value === 0) return 0;
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return value;
  if (value instanceof Date) return value;
  if (Array.isArray(value)) return value.map(withoutLiberties);
  if (value instanceof Set) return new Set([...value].map(withoutLiberties));
  const entriesOf = (entries: [unknown, unknown][]) =>
    entries.map(([key, item]) => [withoutLiberties(key), withoutLiberties(item)] as const);
  if (value instanceof Map) return new Map(entriesOf([...value]));
  const fields = Object.entries(value).filter(([, item]) => item !== undefined);
  return Object.fromEntries(entriesOf(fields) as [string, unknown][]);
}

/** vitest's own comparison is led astray by a field named `constructor`. */
function expectSame(a: unknown, b: unknown): void {
  if (!isDeepStrictEqual(a, b)) expect.fail(`${inspect(a)} is not ${inspect(b)}`);
}

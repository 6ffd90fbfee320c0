/** Parquet files in memory, and drawn rows with their schemas, for tests. */
import type { AsyncBuffer } from 'hyparquet';
import { fc } from './property.ts';
import type { ParquetCompression } from '../../src/formats/parquet/codecs.ts';
import { parquetColumns, type AskedTypes } from '../../src/formats/parquet/parquet-columns.ts';
import { ParquetEncoder, parquetRow } from '../../src/formats/parquet/parquet-encoder.ts';
import {
  ParquetFile,
  readFooter,
  type ParquetFileOptions,
} from '../../src/formats/parquet/parquet-file.ts';
import type { FieldSchema, TypeSchema } from '../../src/serde/type-schema.ts';

export interface EncodeOptions {
  readonly compression?: ParquetCompression;
  readonly types?: AskedTypes;
  /** Rows of a row group. */
  readonly groupRows?: number;
}

export function encode(
  schema: TypeSchema,
  rows: readonly unknown[],
  { compression = 'zstd', types, groupRows = Infinity }: EncodeOptions = {},
): Uint8Array {
  const columns = parquetColumns(schema, types);
  const encoder = new ParquetEncoder(columns, compression);
  const parts: Uint8Array[] = [];
  for (const row of rows) {
    encoder.add(parquetRow(columns, row));
    if (encoder.rows >= groupRows) parts.push(encoder.flush());
  }
  return Buffer.concat([...parts, encoder.end()]);
}

export function bufferOf(bytes: Uint8Array): AsyncBuffer {
  const whole = new Uint8Array(bytes).buffer;
  return { byteLength: whole.byteLength, slice: async (start, end) => whole.slice(start, end) };
}

/** All rows from `from` on, as a reader gets them. */
export async function decode(
  bytes: Uint8Array,
  options: Partial<ParquetFileOptions> = {},
  from = 0,
): Promise<unknown[]> {
  const buffer = bufferOf(bytes);
  const footer = await readFooter(buffer, 'a.parquet');
  if (footer === undefined) return [];
  const file = new ParquetFile(buffer, footer, {
    source: 'a.parquet',
    wanted: undefined,
    ...options,
  });
  const rows: unknown[] = [];
  for (let at = from; ;) {
    const slice = await file.slice(at, async () => undefined);
    if (slice.length === 0) return rows;
    for (let index = 0; index < slice.length; index++) rows.push(slice.row(index));
    at += slice.length;
  }
}

interface Typed {
  readonly type: TypeSchema;
  readonly value: fc.Arbitrary<unknown>;
}

const leaves: fc.Arbitrary<Typed> = fc.constantFrom<Typed>(
  { type: { kind: 'boolean' }, value: fc.boolean() },
  { type: { kind: 'int32' }, value: fc.integer() },
  // A dictionary does not tell -0 from 0.
  { type: { kind: 'float64' }, value: fc.double().map((n) => (n === 0 ? 0 : n)) },
  { type: { kind: 'string' }, value: fc.string({ unit: 'grapheme', maxLength: 8 }) },
  { type: { kind: 'enum', values: ['a', 'b'] }, value: fc.constantFrom('a', 'b') },
  { type: { kind: 'bigint' }, value: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }) },
  { type: { kind: 'date' }, value: fc.date({ noInvalidDate: true }) },
  { type: { kind: 'bytes' }, value: fc.uint8Array({ maxLength: 8 }) },
);

/** Half of all values may be null. */
const places = (typed: fc.Arbitrary<Typed>): fc.Arbitrary<Typed> =>
  fc.tuple(typed, fc.boolean()).map(([{ type, value }, mayBeNull]) => {
    if (!mayBeNull) return { type, value };
    return {
      type: { kind: 'union', of: [{ kind: 'null' }, type] },
      value: fc.option(value, { nil: null }),
    };
  });

const keys = fc.string({ maxLength: 4 }).filter((key) => key !== '__proto__');

const { object } = fc.letrec<{ value: Typed; object: Typed }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', maxDepth: 3, withCrossShrink: true },
    leaves,
    tie('object'),
    places(tie('value')).map(({ type, value }): Typed => ({
      type: { kind: 'array', of: type },
      value: fc.array(value, { maxLength: 4 }),
    })),
    places(tie('value')).map(({ type, value }): Typed => ({
      type: { kind: 'record', of: type },
      value: fc.dictionary(keys, value, { maxKeys: 3, noNullPrototype: true }),
    })),
  ),
  object: fc
    .uniqueArray(
      fc.record({
        name: fc.oneof(fc.constantFrom('a', 'list', 'element', 'key', '7', 'a.b'), keys),
        place: places(tie('value')),
        optional: fc.boolean(),
      }),
      { minLength: 1, maxLength: 4, selector: ({ name }) => name },
    )
    .map((fields): Typed => ({
      type: {
        kind: 'object',
        fields: fields.map(({ name, place, optional }): FieldSchema => {
          return { name, type: place.type, optional };
        }),
      },
      value: fc.record(Object.fromEntries(fields.map(({ name, place }) => [name, place.value])), {
        requiredKeys: fields
          // One that may be null too comes back as null.
          .filter(({ optional, place }) => !optional || place.type.kind === 'union')
          .map(({ name }) => name),
        noNullPrototype: true,
      }),
    })),
}));

export const drawnRows = object.chain(({ type, value }) =>
  fc.record({ type: fc.constant(type), rows: fc.array(value, { maxLength: 20 }) }),
);

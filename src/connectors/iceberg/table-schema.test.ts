import { describe, expect, test } from 'vitest';
import { icebergSchema, t, type Columns, withIds } from './columns.ts';
import type { TableSchema } from './iceberg-type.ts';
import { Partitioner } from './partitioner.ts';
import { RowColumns } from './row-columns.ts';
import type { TableMetadata } from './table-metadata.ts';
import { matchSchema } from './table-schema.ts';

const code = (expected: string) => expect.objectContaining({ code: expected }) as Error;

function metadataOf(columns: Columns): TableMetadata {
  const { type, lastId } = withIds(columns, 0);
  const schema = { ...(type as TableSchema), 'schema-id': 0 };
  return {
    'last-column-id': lastId,
    'current-schema-id': 0,
    schemas: [schema],
  } as unknown as TableMetadata;
}

const match = (have: Columns, want: Columns, evolve = false) =>
  matchSchema(metadataOf(have), icebergSchema(want).columns, { table: 't', evolve });

describe('the columns of a sink', () => {
  test('may be in another order, fewer, narrower, and stricter than the table has them', () => {
    const { written, evolved } = match(
      { a: t.long().optional(), b: t.string().optional(), c: t.double(), d: t.decimal(18, 2) },
      { d: t.decimal(9, 2), c: t.float(), a: t.int() },
    );
    expect(evolved).toBeUndefined();
    expect(written).toEqual([
      { id: 4, name: 'd', required: true, type: 'decimal(18,2)' },
      { id: 3, name: 'c', required: true, type: 'double' },
      // What the sink does not let be null is refused as null.
      { id: 1, name: 'a', required: true, type: 'long' },
    ]);
  });

  const evolving: [string, Columns, Columns][] = [
    ['a new optional column', { a: t.int() }, { a: t.int(), b: t.string().optional() }],
    ['a wider type', { a: t.int() }, { a: t.long() }],
    ['null', { a: t.int() }, { a: t.int().optional() }],
    [
      'a field in a struct in a list',
      { a: t.list(t.struct({ x: t.int() })) },
      { a: t.list(t.struct({ x: t.int(), y: t.date().optional() })) },
    ],
    [
      'a wider value in a map',
      { a: t.map(t.string(), t.float()) },
      { a: t.map(t.string(), t.double()) },
    ],
  ];

  test.each(evolving)('that need %s change the table only if they may', (_what, have, want) => {
    expect(() => match(have, want)).toThrow(code('ICE-004'));
    const { evolved, written } = match(have, want, true);
    expect(evolved?.schema['schema-id']).toBe(1);
    const changed = { ...metadataOf(have), schemas: [evolved?.schema], 'current-schema-id': 1 };
    const again = matchSchema(changed as TableMetadata, want, { table: 't', evolve: false });
    expect(again).toEqual({ written, evolved: undefined });
  });

  test('that are new get the next ids', () => {
    const { evolved } = match({ a: t.int() }, { a: t.int(), b: t.list(t.int()).optional() }, true);
    expect(evolved?.lastColumnId).toBe(3);
    expect(evolved?.schema.fields[1]).toMatchObject({ id: 2, type: { 'element-id': 3 } });
  });

  test.each<[string, Columns, Columns]>([
    ['required and new', { a: t.int() }, { a: t.int(), b: t.int() }],
    ['of another type', { a: t.int() }, { a: t.string() }],
    ['of another kind', { a: t.list(t.int()) }, { a: t.struct({ x: t.int() }) }],
    ['missing and required', { a: t.int(), b: t.int() }, { a: t.int() }],
    ['of another scale', { a: t.decimal(9, 2) }, { a: t.decimal(9, 3) }],
  ])('that are %s are refused, whatever may be changed', (_what, have, want) => {
    expect(() => match(have, want, true)).toThrow(code('ICE-004'));
  });
});

describe('a partition', () => {
  const columns = { s: t.struct({ at: t.timestamptz() }).optional(), name: t.string().optional() };
  const { type } = withIds(columns, 0);
  const schema = { ...(type as TableSchema), 'schema-id': 0 };
  const at = schema.fields[0]?.type as TableSchema;
  const spec = {
    'spec-id': 0,
    fields: [
      { name: 'at_day', transform: 'day', 'source-id': at.fields[0]?.id ?? 0, 'field-id': 1000 },
      { name: 'name', transform: 'identity', 'source-id': 2, 'field-id': 1001 },
    ],
  };
  const rows = new RowColumns(schema.fields, 't');
  const partitioner = new Partitioner(spec, schema, rows.names, 't');
  const of = (row: object) => partitioner.of(rows.take(row, { bytes: 0 }));

  test('is made of fields in structs, and null of null', () => {
    expect(of({ s: { at: new Date(-1) }, name: 'a/b=c' })).toEqual([-1, 'a/b=c']);
    expect(of({})).toEqual([undefined, undefined]);
  });

  test('has a path that any text can be in', () => {
    expect(partitioner.path([-1, 'a/b=c'])).toBe('at_day=1969-12-31/name=a%2Fb%3Dc');
    expect(partitioner.path([undefined, undefined])).toBe('at_day=null/name=null');
    const long = partitioner.path([0, '🌊'.repeat(500)]);
    expect(Math.max(...long.split('/').map((part) => part.length))).toBeLessThan(255);
    expect(long).not.toBe(partitioner.path([0, '🌊'.repeat(501)]));
  });

  test('has a key of its own', () => {
    const keys = [
      [0, 'x'],
      [undefined, 'x'],
      [0, undefined],
      [0, 'null'],
    ] as const;
    expect(new Set(keys.map((tuple) => partitioner.key(tuple))).size).toBe(keys.length);
  });

  test('of a transform that is not known is refused', () => {
    const [field] = spec.fields;
    const other = { ...spec, fields: [{ ...field, transform: 'zorder' } as never] };
    expect(() => new Partitioner(other, schema, rows.names, 't')).toThrow(code('ICE-003'));
  });
});

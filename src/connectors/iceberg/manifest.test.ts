import { expect, test } from 'vitest';
import { seededRandom } from '../../testing/simulation/seeded-random.ts';
import { decodeAvroFile } from './avro-file.ts';
import { icebergSchema, t, withIds } from './columns.ts';
import type { TableSchema } from './iceberg-type.ts';
import { avroName, newManifest } from './manifest.ts';
import { RowColumns } from './row-columns.ts';

const { columns } = icebergSchema({
  id: t.long(),
  at: t.timestamptz(),
  local: t.timestamp().optional(),
  tags: t.list(t.string()).optional(),
  counts: t.map(t.string(), t.int()),
  where: t.struct({ x: t.decimal(38, 2) }).optional(),
});
const schema = { ...(withIds(columns, 0).type as TableSchema), 'schema-id': 0 };

test('a manifest says in its header what readers ask for, and ids on every field', () => {
  const partition = { name: 'at-day', fieldId: 1000, transform: 'day' };
  const spec = {
    'spec-id': 3,
    fields: [{ name: 'at-day', transform: 'day', 'source-id': 2, 'field-id': 1000 }],
  };
  const kind = { schema, spec, columns: [{ ...partition, type: { kind: 'date' } as const }] };
  const file = decodeAvroFile(newManifest(kind, [], seededRandom(1)), 'm');
  expect(Object.fromEntries(file.metadata)).toEqual({
    schema: JSON.stringify(schema),
    'schema-id': '0',
    'partition-spec': JSON.stringify(spec.fields),
    'partition-spec-id': '3',
    'format-version': '2',
    content: 'data',
  });
  const text = JSON.stringify(file.schema);
  // 5 of an entry, 16 of a file, 12 of pairs, one of the partition.
  expect(new Set(text.match(/"field-id":\d+/g)).size).toBe(34);
  expect(text).toContain('{"name":"at_x2Dday","type":["null",{"type":"int","logicalType":"date"}]');
});

test.each([
  ['at_day', 'at_day'],
  ['1st', '_1st'],
  ['a-b c', 'a_x2Db_x20c'],
  ['ä', '_xE4'],
])('the name %s is %s in Avro', (name, expected) => {
  expect(avroName(name)).toBe(expected);
});

test('columns of a data file have ids, and times are in microseconds', () => {
  const { schema: elements, leafIds } = new RowColumns(schema.fields, 't');
  const named = elements.filter(({ name }) => !['table', 'list', 'key_value'].includes(name));
  expect(named.every(({ field_id }) => field_id !== undefined)).toBe(true);
  expect(leafIds).toEqual([1, 2, 3, 7, 8, 9, 10]);
  const at = elements.find(({ name }) => name === 'at');
  expect(at).toMatchObject({
    type: 'INT64',
    logical_type: { type: 'TIMESTAMP', isAdjustedToUTC: true, unit: 'MICROS' },
  });
  const local = elements.find(({ name }) => name === 'local');
  expect(local).toMatchObject({ logical_type: { isAdjustedToUTC: false, unit: 'MICROS' } });
  // That of old would say UTC.
  expect(local?.converted_type).toBeUndefined();
  const x = elements.find(({ name }) => name === 'x');
  expect(x).toMatchObject({ type: 'FIXED_LEN_BYTE_ARRAY', type_length: 16, scale: 2 });
});

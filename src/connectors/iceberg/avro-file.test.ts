import { deflateRawSync } from 'node:zlib';
import avro from 'avsc';
import { describe, expect, test } from 'vitest';
import { seededRandom } from '../../testing/simulation/seeded-random.ts';
import { decodeAvroFile, encodeAvroFile } from './avro-file.ts';

const SCHEMA = {
  type: 'record',
  name: 'entry',
  fields: [
    { name: 'id', type: 'long', 'field-id': 1 },
    {
      name: 'at',
      type: ['null', { type: 'long', logicalType: 'timestamp-micros' }],
      'field-id': 2,
    },
    { name: 'bytes', type: ['null', 'bytes'], default: null, 'field-id': 3 },
  ],
};

const RECORDS = [
  { id: 3051729675574597004n, at: null, bytes: null },
  { id: -(2n ** 63n), at: 1n, bytes: Buffer.from([1, 255]) },
];

/** A file as another program would write it, block by block. */
function written(schema: object, blocks: readonly (readonly object[])[], codec = 'null'): Buffer {
  const type = avro.Type.forSchema(schema as never, { wrapUnions: false });
  const header = avro.Type.forSchema({ type: 'map', values: 'bytes' });
  const count = avro.Type.forSchema('long');
  const sync = Buffer.alloc(16, 7);
  const parts = [
    Buffer.from([0x4f, 0x62, 0x6a, 1]),
    header.toBuffer({
      'avro.schema': Buffer.from(JSON.stringify(schema)),
      ...(codec === 'none' ? {} : { 'avro.codec': Buffer.from(codec) }),
      'sequence-number': Buffer.from('7'),
    }),
    sync,
  ];
  for (const records of blocks) {
    const plain = Buffer.concat(records.map((record) => type.toBuffer(record)));
    const body = codec === 'deflate' ? deflateRawSync(plain) : plain;
    parts.push(count.toBuffer(records.length), count.toBuffer(body.length), body, sync);
  }
  return Buffer.concat(parts);
}

describe('a file', () => {
  test('is read as it was written, 64 bits and header and all', () => {
    const bytes = encodeAvroFile(SCHEMA, RECORDS, { 'format-version': '2' }, seededRandom(1));
    const file = decodeAvroFile(bytes, 'f');
    expect(file.records.map((record) => ({ ...record }))).toEqual(RECORDS);
    expect(Object.fromEntries(file.metadata)).toEqual({ 'format-version': '2' });
    // Readers find columns by these.
    expect(file.schema).toEqual(SCHEMA);
  });

  test('may hold nothing', () => {
    const file = decodeAvroFile(encodeAvroFile(SCHEMA, [], {}, seededRandom(1)), 'f');
    expect(file.records).toEqual([]);
  });

  test.each(['null', 'deflate', 'none'])('of others has blocks, and the codec %s', (codec) => {
    const small = { ...SCHEMA, fields: [{ name: 'id', type: 'long' }] };
    const file = decodeAvroFile(written(small, [[{ id: 1 }, { id: 2 }], [{ id: 3 }]], codec), 'f');
    expect(file.records.map(({ id }) => id)).toEqual([1n, 2n, 3n]);
    expect(file.metadata.get('sequence-number')).toBe('7');
  });

  test('of a writer that spells longs as objects keeps their 64 bits', () => {
    const spelled = { ...SCHEMA, fields: [{ name: 'id', type: { type: 'long' } }] };
    const type = encodeAvroFile(spelled, [{ id: 3051729675574597004n }], {}, seededRandom(1));
    expect(decodeAvroFile(type, 'f').records[0]?.['id']).toBe(3051729675574597004n);
  });

  test('that is damaged is refused', () => {
    const bytes = encodeAvroFile(SCHEMA, RECORDS, {}, seededRandom(1));
    const lengths = Array.from({ length: bytes.length }, (_, length) => length);
    const header = encodeAvroFile(SCHEMA, [], {}, seededRandom(1));
    // Cut behind its header it is a whole file with nothing in it: who lists it knows its length.
    expect(lengths.filter((length) => decoded(bytes.subarray(0, length)) === 'read')).toEqual([
      header.length,
    ]);
    expect(decoded(Buffer.from('no avro at all'))).toBe('ICE-007');
    expect(decoded(written({ ...SCHEMA, fields: [] }, [[{}]], 'lz4'))).toBe('ICE-007');
  });
});

function decoded(bytes: Uint8Array): string {
  try {
    decodeAvroFile(bytes, 'f');
    return 'read';
  } catch (error) {
    return (error as { code: string }).code;
  }
}

import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { decodeAvroFile } from '../../src/connectors/iceberg/avro-file.ts';
import { pendingManifests } from '../../src/connectors/iceberg/committable.ts';
import { readManifest } from '../../src/connectors/iceberg/manifest.ts';
import { decodeManifestList } from '../../src/connectors/iceberg/manifest-list.ts';
import { ByteReader, ByteWriter } from '../../src/serde/bytes.ts';

// Goal: what a checkpoint of an Iceberg sink holds can be committed by every later release, and manifests
// have what other readers ask of their headers.
// Method: bytes of format version 1 and what was in them. They are never edited.

const golden = JSON.parse(
  readFileSync(new URL('iceberg-v1.json', import.meta.url), 'utf8'),
) as Readonly<Record<'committable' | 'manifest' | 'manifestList', string>>;
const bytesOf = (name: keyof typeof golden) => new Uint8Array(Buffer.from(golden[name], 'base64'));

const COMMITTABLE = {
  tableUuid: '0c6f7b2e-7d5b-4d3e-9a50-2f3a4c1d9b10',
  location: 'file:///lake/db/t/metadata/s-a-1-m0.avro',
  sizeBytes: 4096,
  specId: 0,
  schemaId: 1,
  dataFiles: 2,
  rows: 30,
  dataBytes: 12345,
  partitionCount: 1,
  partitions: [
    { containsNull: true, containsNan: false, lower: Uint8Array.of(1, 0, 0, 0), upper: null },
  ],
};

test('a committable', () => {
  const bytes = bytesOf('committable');
  expect(pendingManifests.read(new ByteReader(bytes))).toEqual(COMMITTABLE);
  const out = new ByteWriter();
  pendingManifests.write(COMMITTABLE, out);
  expect(Buffer.from(out.finish()).toString('base64')).toBe(golden.committable);
});

test('a manifest, with what it inherits, and its header', () => {
  const bytes = bytesOf('manifest');
  const inherited = { snapshotId: 3051729675574597004n, sequenceNumber: 7n };
  const [entry] = readManifest(bytes, 'm', inherited);
  expect(entry).toMatchObject({
    status: 1,
    ...inherited,
    fileSequenceNumber: 7n,
    rows: 30n,
    partition: new Map([[1000, 20454]]),
  });
  const { metadata, schema } = decodeAvroFile(bytes, 'm');
  expect(Object.fromEntries(metadata)).toEqual({
    schema:
      '{"type":"struct","schema-id":1,"fields":[{"id":1,"name":"id","required":true,"type":"long"},{"id":2,"name":"at","required":false,"type":"timestamptz"}]}',
    'schema-id': '1',
    'partition-spec': '[{"name":"at_day","transform":"day","source-id":2,"field-id":1000}]',
    'partition-spec-id': '0',
    'format-version': '2',
    content: 'data',
  });
  const ids = JSON.stringify(schema).match(/"field-id":\d+/g) ?? [];
  // Every field of a record has an id: 5 of an entry, 16 of a file, 12 of pairs, one of the partition.
  expect(ids).toHaveLength(34);
  expect(new Set(ids).size).toBe(34);
});

test('a manifest list', () => {
  expect(decodeManifestList(bytesOf('manifestList'), 'l')).toEqual([
    {
      location: COMMITTABLE.location,
      sizeBytes: 4096n,
      specId: 0,
      content: 0,
      sequenceNumber: 7n,
      minSequenceNumber: 7n,
      addedSnapshotId: 3051729675574597004n,
      files: { added: 2n, existing: 0n, deleted: 0n },
      rows: { added: 30n, existing: 0n, deleted: 0n },
      partitions: [
        {
          containsNull: true,
          containsNan: false,
          lower: Buffer.from([1, 0, 0, 0]),
          upper: undefined,
        },
      ],
      keyMetadata: undefined,
    },
  ]);
});

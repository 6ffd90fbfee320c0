import { compressionsAlgorithms, Reader, readRecordsBatches } from '@platformatic/kafka';
import { beforeAll, describe, expect, test } from 'vitest';
import { fc } from '../../../../test/support/property.ts';
import { loadLibrary } from '../client/library.ts';
import {
  type BatchStamp,
  type KafkaBytes,
  type KafkaHeaders,
  RecordBatchBuilder,
} from './record-batch-builder.ts';

beforeAll(loadLibrary);

interface Written {
  readonly timestampMs: number;
  readonly key: KafkaBytes;
  readonly value: KafkaBytes;
  readonly headers: KafkaHeaders | undefined;
}

const STAMP: BatchStamp = {
  producerId: 4711n,
  producerEpoch: 3,
  baseSequence: 17,
  isTransactional: true,
  compression: undefined,
};

function batchOf(records: readonly Written[], stamp = STAMP, firstBytes = 64): Buffer {
  const builder = new RecordBatchBuilder(Buffer.alloc(firstBytes));
  for (const { timestampMs, key, value, headers } of records) {
    builder.append(timestampMs, key, value, headers);
  }
  expect(builder.count).toBe(records.length);
  const { sizeBytes } = builder;
  const batch = builder.finish(stamp);
  if (stamp.compression === undefined) expect(batch.length).toBe(sizeBytes);
  return batch;
}

/** What the library's decoder reads, which also is what it would read from a broker. */
function decoded(batch: Buffer) {
  const batches = readRecordsBatches(Reader.from(batch));
  expect(batches).toHaveLength(1);
  return batches[0];
}

const anyBytes = fc.oneof(
  fc.constant(null),
  fc.string({ unit: 'grapheme', maxLength: 100 }),
  fc.string({ unit: 'binary-ascii', maxLength: 200 }),
  fc.uint8Array({ maxLength: 300 }),
  // Around the lengths at which a varint grows.
  fc.constantFrom(
    'x'.repeat(63),
    'x'.repeat(64),
    'ä'.repeat(32),
    'x'.repeat(8191),
    'ä'.repeat(4096),
  ),
);
const anyRecord: fc.Arbitrary<Written> = fc.record({
  timestampMs: fc.oneof(
    fc.integer({ min: 1_700_000_000_000, max: 1_700_000_100_000 }),
    fc.integer({ min: 0, max: 4_102_444_800_000 }),
  ),
  key: anyBytes,
  value: anyBytes,
  headers: fc.oneof(
    fc.constant(undefined),
    fc.dictionary(fc.string({ minLength: 1, maxLength: 8 }), anyBytes, {
      maxKeys: 3,
      noNullPrototype: true,
    }),
  ),
});

function textOf(bytes: KafkaBytes): string | null {
  return bytes === null ? null : Buffer.from(bytes as Uint8Array).toString('latin1');
}

describe('a batch of records', () => {
  test('is read as it was written', () => {
    fc.assert(
      fc.property(fc.array(anyRecord, { minLength: 1, maxLength: 30 }), (records) => {
        const batch = decoded(batchOf(records));
        const [first] = records;
        expect(batch).toMatchObject({
          magic: 2,
          attributes: 0x10,
          producerId: 4711n,
          producerEpoch: 3,
          firstSequence: 17,
          lastOffsetDelta: records.length - 1,
          firstTimestamp: BigInt(first?.timestampMs ?? 0),
          maxTimestamp: BigInt(Math.max(...records.map((one) => one.timestampMs))),
        });
        const read = batch?.records.map((record) => ({
          timestampMs: Number(batch.firstTimestamp + record.timestampDelta),
          key: record.key === null ? null : record.key.toString('latin1'),
          value: record.value === null ? null : record.value.toString('latin1'),
          headers: record.headers.map(([name, value]) => [
            name?.toString('latin1'),
            value?.toString('latin1') ?? null,
          ]),
        }));
        expect(read).toEqual(
          records.map(({ timestampMs, key, value, headers = {} }) => ({
            timestampMs,
            key: textOf(key),
            value: textOf(value),
            headers: Object.entries(headers).map(([name, bytes]) => [textOf(name), textOf(bytes)]),
          })),
        );
        expect(batch?.records.map(({ offsetDelta }) => offsetDelta)).toEqual(
          records.map((_, index) => index),
        );
      }),
    );
  });

  test('has these bytes', () => {
    const records = [
      { timestampMs: 1_700_000_000_000, key: 'k', value: 'value', headers: undefined },
      {
        timestampMs: 1_699_999_999_999,
        key: null,
        value: new Uint8Array([1, 2]),
        headers: { h: 'ä', n: null },
      },
    ];
    expect(
      batchOf(records, { ...STAMP, isTransactional: false }).toString('hex'),
    ).toMatchInlineSnapshot(
      `"00000000000000000000004fffffffff0260cbf8980000000000010000018bcfe568000000018bcfe5680000000000000012670003000000110000000218000000026b0a76616c756500200001020104010204026804c3a4026e01"`,
    );
  });

  test.each(['gzip', 'snappy', 'lz4', 'zstd'] as const)('is compressed by %s', (name) => {
    const { bitmask, compressSync } = compressionsAlgorithms[name];
    const compression = { bits: bitmask, compress: (bytes: Buffer) => compressSync(bytes) };
    const records = Array.from({ length: 200 }, (_, n) => ({
      timestampMs: n,
      key: null,
      value: `value ${n}`,
      headers: undefined,
    }));
    const batch = batchOf(records, { ...STAMP, compression });
    expect(batch.length).toBeLessThan(batchOf(records).length);
    expect(decoded(batch)?.records.map(({ value }) => String(value))).toEqual(
      records.map(({ value }) => value),
    );
  });
});

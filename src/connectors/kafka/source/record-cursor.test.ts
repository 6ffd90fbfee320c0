import { gzipSync } from 'node:zlib';
import { beforeAll, describe, expect, it } from 'vitest';
import { fc } from '../../../../test/support/property.ts';
import {
  batchOf,
  markerAt,
  transactionalAt,
  valuesAt,
} from '../../../../test/support/record-batches.ts';
import { loadLibrary } from '../client/library.ts';
import { type AbortedTransaction, RecordCursor } from './record-cursor.ts';

const LOG_APPEND_TIME = 0x08;

beforeAll(loadLibrary);

function cursorAt(offset: number, checksCrc = true): RecordCursor {
  const options = { checksCrc, decompressedBytesMax: 1_000_000 };
  return new RecordCursor({ topic: 't', partition: 0, offset }, options);
}

function read(cursor: RecordCursor, bytes: Buffer, aborted: readonly AbortedTransaction[] = []) {
  cursor.open({ bytes, aborted, fetchOffset: cursor.position });
  const values: (string | null)[] = [];
  while (cursor.next()) values.push(cursor.valueText());
  return values;
}

describe('the epoch', () => {
  it('is that of the last record before the position', () => {
    const cursor = new RecordCursor(
      { topic: 't', partition: 0, offset: 10, leaderEpoch: 2 },
      { checksCrc: true, decompressedBytesMax: 1 },
    );
    expect(cursor.leaderEpoch).toBe(2);
    const bytes = Buffer.concat([valuesAt(10, 'a', 'b'), valuesAt(12, 'c')]);
    bytes.writeInt32BE(3, 12);
    bytes.writeInt32BE(5, valuesAt(10, 'a', 'b').length + 12);
    cursor.open({ bytes, aborted: [], fetchOffset: 10 });
    expect(cursor.leaderEpoch).toBe(2);
    cursor.next();
    expect(cursor.leaderEpoch).toBe(3);
    cursor.next();
    cursor.next();
    expect(cursor.leaderEpoch).toBe(5);
    expect(cursor.next()).toBe(false);
    expect([cursor.position, cursor.leaderEpoch]).toEqual([13, 5]);
  });

  it('of a batch of which nothing was handed out is not taken', () => {
    const cursor = cursorAt(10);
    const bytes = valuesAt(10, 'a');
    bytes.writeInt32BE(3, 12);
    bytes.writeInt8(9, 16);
    cursor.open({ bytes, aborted: [], fetchOffset: 10 });
    expect(() => cursor.next()).toThrow(/KAF-012/);
    expect(cursor.leaderEpoch).toBe(-1);
  });

  it('of a batch that began before the position is known, and forgotten elsewhere', () => {
    const cursor = cursorAt(11);
    const bytes = valuesAt(10, 'a', 'b');
    bytes.writeInt32BE(4, 12);
    expect(read(cursor, bytes)).toEqual(['b']);
    expect(cursor.leaderEpoch).toBe(4);
    cursor.open({ bytes: valuesAt(20, 'c'), aborted: [], fetchOffset: 20 });
    expect(cursor.leaderEpoch).toBe(-1);
  });
});

describe('the position', () => {
  it('goes back before a record that was not handled', () => {
    const records = [0, 1, 2].map((offsetDelta) => ({
      offsetDelta,
      value: Buffer.from(`v${offsetDelta}`),
    }));
    const cursor = cursorAt(10);
    cursor.open({ bytes: batchOf({ baseOffset: 10, records }), aborted: [], fetchOffset: 10 });
    for (const value of ['v0', 'v1', 'v2']) {
      expect(cursor.next()).toBe(true);
      cursor.unread();
      expect(cursor.position).toBe(10 + Number(value.slice(1)));
      expect(cursor.next()).toBe(true);
      expect(cursor.valueText()).toBe(value);
    }
    expect(cursor.next()).toBe(false);
    expect(cursor.position).toBe(13);
  });

  it('is behind each record that was handed out, and behind the batch at its end', () => {
    const records = [0, 3].map((offsetDelta) => ({ offsetDelta, value: Buffer.from('v') }));
    // Compaction has left a hole, and has removed the last record.
    const bytes = batchOf({ baseOffset: 10, records, lastOffsetDelta: 7 });
    const cursor = cursorAt(10);
    cursor.open({ bytes, aborted: [], fetchOffset: 10 });
    expect(cursor.next()).toBe(true);
    expect([cursor.offset, cursor.position]).toEqual([10, 11]);
    expect(cursor.next()).toBe(true);
    expect([cursor.offset, cursor.position]).toEqual([13, 14]);
    expect(cursor.next()).toBe(false);
    expect(cursor.position).toBe(18);
  });

  it('goes past batches without records, aborted ones and markers', () => {
    const cursor = cursorAt(0);
    const empty = batchOf({ baseOffset: 0, records: [], lastOffsetDelta: 4 });
    expect(read(cursor, empty)).toEqual([]);
    expect(cursor.position).toBe(5);
    const aborted = [{ producerId: 7n, firstOffset: 5 }];
    const bytes = Buffer.concat([transactionalAt(5, 7n, 'a', 'b'), markerAt(7, 7n, false)]);
    expect(read(cursor, bytes, aborted)).toEqual([]);
    expect(cursor.position).toBe(8);
  });

  it('does not move over a batch that is cut off', () => {
    const cursor = cursorAt(0);
    const whole = valuesAt(0, 'a');
    expect(read(cursor, Buffer.concat([whole, valuesAt(1, 'b').subarray(0, -1)]))).toEqual(['a']);
    expect(cursor.position).toBe(1);
    expect(read(cursor, whole.subarray(0, 5))).toEqual([]);
    expect(cursor.position).toBe(1);
  });

  it('decides what of a batch is new', () => {
    expect(read(cursorAt(2), valuesAt(0, 'a', 'b', 'c', 'd'))).toEqual(['c', 'd']);
    expect(read(cursorAt(4), valuesAt(0, 'a', 'b', 'c', 'd'))).toEqual([]);
  });
});

describe('transactions', () => {
  it('are aborted from the first offset of each to its marker', () => {
    const bytes = Buffer.concat([
      transactionalAt(0, 1n, 'committed before'),
      markerAt(1, 1n, true),
      transactionalAt(2, 1n, 'aborted'),
      transactionalAt(3, 2n, 'of another'),
      markerAt(4, 1n, false),
      transactionalAt(5, 1n, 'committed after'),
      transactionalAt(6, 2n, 'of another'),
      markerAt(7, 1n, true),
      transactionalAt(8, 1n, 'aborted again'),
      valuesAt(9, 'plain'),
      markerAt(10, 1n, false),
    ]);
    const aborted = [2, 8].map((firstOffset) => ({ producerId: 1n, firstOffset }));
    expect(read(cursorAt(0), bytes, aborted)).toEqual([
      ...['committed before', 'of another', 'committed after', 'of another', 'plain'],
    ]);
  });

  it('that began in an earlier answer are aborted, too', () => {
    const cursor = cursorAt(0);
    const aborted = [{ producerId: 1n, firstOffset: 0 }];
    expect(read(cursor, transactionalAt(0, 1n, 'a'), aborted)).toEqual([]);
    expect(read(cursor, transactionalAt(1, 1n, 'b'), aborted)).toEqual([]);
    expect(read(cursor, markerAt(2, 1n, false), aborted)).toEqual([]);
    expect(read(cursor, transactionalAt(3, 1n, 'c'), [])).toEqual(['c']);
  });
});

describe('a record', () => {
  it('comes out as it went in, whatever its sizes', () => {
    const bytes = fc.option(fc.uint8Array({ maxLength: 300 }).map((of) => Buffer.from(of)));
    const record = fc.record({
      // Years to both sides.
      timestampDeltaMs: fc.integer({ min: -(2 ** 45), max: 2 ** 45 }),
      key: bytes,
      value: bytes,
      headers: fc.array(fc.tuple(fc.string(), bytes), { maxLength: 3 }),
    });
    fc.assert(
      fc.property(
        fc.array(record, { minLength: 1, maxLength: 5 }),
        fc.nat({ max: 2 ** 50 }),
        fc.boolean(),
        (records, baseOffset, isPacked) => {
          const base = { baseOffset, baseTimestampMs: 1_700_000_000_000 };
          const numbered = records.map((one, index) => ({ ...one, offsetDelta: index * 100 }));
          const packed = isPacked ? { attributes: 1, compress: gzipSync } : {};
          const cursor = cursorAt(0);
          const batch = batchOf({ ...base, ...packed, records: numbered });
          cursor.open({ bytes: batch, aborted: [], fetchOffset: 0 });
          const found = [];
          while (cursor.next()) {
            found.push({
              timestampDeltaMs: cursor.timestampMs - base.baseTimestampMs,
              key: cursor.key && Buffer.from(cursor.key),
              value: cursor.value && Buffer.from(cursor.value),
              headers: cursor.headers().map(({ key, value }) => [key, value && Buffer.from(value)]),
              offsetDelta: cursor.offset - baseOffset,
            });
          }
          expect(found).toEqual(numbered);
        },
      ),
      { numRuns: 200 },
    );
  });

  it('has the time at which the broker appended it, if the topic says so', () => {
    const records = [{ offsetDelta: 0, timestampDeltaMs: 5 }];
    const times = { baseTimestampMs: 1_000, maxTimestampMs: 9_000 };
    const cursor = cursorAt(0);
    const bytes = batchOf({ baseOffset: 0, records, ...times, attributes: LOG_APPEND_TIME });
    cursor.open({ bytes, aborted: [], fetchOffset: 0 });
    cursor.next();
    expect(cursor.timestampMs).toBe(9_000);
  });
});

describe('damaged bytes', () => {
  it('are found by the checksum, whichever bit it is', () => {
    const bytes = valuesAt(0, 'some value');
    for (let at = 21; at < bytes.length; at += 1) {
      const damaged = Buffer.from(bytes);
      damaged.writeUInt8((damaged[at] ?? 0) ^ 0x10, at);
      const reading = () => read(cursorAt(0), damaged);
      expect(reading).toThrow(expect.objectContaining({ code: 'KAF-012' }));
    }
  });

  it('never make it read beyond the batch, even if nobody checks', () => {
    fc.assert(
      fc.property(fc.nat({ max: 200 }), fc.integer({ min: 1, max: 255 }), (where, flip) => {
        const bytes = valuesAt(0, 'first value', 'second', 'x'.repeat(100));
        // The count of records and what is behind it.
        const at = 57 + (where % (bytes.length - 57));
        bytes.writeUInt8((bytes[at] ?? 0) ^ flip, at);
        const cursor = cursorAt(0, false);
        try {
          read(cursor, Buffer.concat([bytes, valuesAt(3, 'next')]));
        } catch (error) {
          expect(error).toMatchObject({ code: 'KAF-012' });
        }
      }),
      { numRuns: 500 },
    );
  });

  it('of other formats and codecs are refused with what they are', () => {
    const record = [{ offsetDelta: 0 }];
    const old = batchOf({ baseOffset: 3, records: record, magic: 1 });
    expect(() => read(cursorAt(3), old)).toThrow(/KAF-012.*its format is 1/);
    const codec = batchOf({ baseOffset: 3, records: record, attributes: 5 });
    expect(() => read(cursorAt(3), codec)).toThrow(/KAF-013.*codec=`5`/);
    const torn = batchOf({ baseOffset: 3, records: record, attributes: 1 });
    expect(() => read(cursorAt(3), torn)).toThrow(/KAF-012.*decompressed/);
  });

  it('that unpack to more than they may are refused', () => {
    const records = [{ offsetDelta: 0, value: Buffer.alloc(1_000_000) }];
    const bytes = batchOf({ baseOffset: 0, records, attributes: 1, compress: gzipSync });
    expect(() => read(cursorAt(0), bytes)).toThrow(/KAF-020/);
  });
});

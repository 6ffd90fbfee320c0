/** Record batches of Kafka, byte by byte, as https://kafka.apache.org/documentation/#recordbatch has them. */
import { crc32c } from '@platformatic/kafka';

export interface BatchParts {
  readonly baseOffset: number;
  readonly records: readonly RecordParts[];
  /** Behind the last record, if compaction has removed some. Default: that of the last record. */
  readonly lastOffsetDelta?: number;
  readonly baseTimestampMs?: number;
  readonly maxTimestampMs?: number;
  readonly attributes?: number;
  readonly producerId?: bigint;
  readonly magic?: number;
  readonly compress?: (records: Buffer) => Buffer;
}

export interface RecordParts {
  readonly offsetDelta: number;
  readonly timestampDeltaMs?: number;
  readonly key?: Buffer | null;
  readonly value?: Buffer | null;
  readonly headers?: readonly (readonly [string, Buffer | null])[];
}

const TRANSACTIONAL = 0x10;
const CONTROL = 0x20;

export function batchOf(parts: BatchParts): Buffer {
  const { baseOffset, records, attributes = 0, producerId = -1n, magic = 2 } = parts;
  const { baseTimestampMs = 0, maxTimestampMs = 0, compress = (bytes: Buffer) => bytes } = parts;
  const { lastOffsetDelta = records.at(-1)?.offsetDelta ?? 0 } = parts;
  const body = compress(Buffer.concat(records.map(recordOf)));
  const covered = Buffer.alloc(40);
  covered.writeInt16BE(attributes, 0);
  covered.writeInt32BE(lastOffsetDelta, 2);
  covered.writeBigInt64BE(BigInt(baseTimestampMs), 6);
  covered.writeBigInt64BE(BigInt(maxTimestampMs), 14);
  covered.writeBigInt64BE(producerId, 22);
  covered.writeInt32BE(records.length, 36);
  const rest = Buffer.concat([covered, body]);
  const head = Buffer.alloc(21);
  head.writeBigInt64BE(BigInt(baseOffset), 0);
  head.writeInt32BE(9 + rest.length, 8);
  head.writeInt8(magic, 16);
  head.writeUInt32BE(crc32c(rest), 17);
  return Buffer.concat([head, rest]);
}

/** A batch of plain values with ascending offsets. */
export function valuesAt(baseOffset: number, ...values: readonly string[]): Buffer {
  const records = values.map((value, offsetDelta) => ({ offsetDelta, value: Buffer.from(value) }));
  return batchOf({ baseOffset, records });
}

export function transactionalAt(
  baseOffset: number,
  producerId: bigint,
  ...values: readonly string[]
): Buffer {
  const records = values.map((value, offsetDelta) => ({ offsetDelta, value: Buffer.from(value) }));
  return batchOf({ baseOffset, records, producerId, attributes: TRANSACTIONAL });
}

export function markerAt(baseOffset: number, producerId: bigint, commits: boolean): Buffer {
  const key = Buffer.from([0, 0, 0, commits ? 1 : 0]);
  const records = [{ offsetDelta: 0, key, value: Buffer.alloc(6) }];
  return batchOf({ baseOffset, records, producerId, attributes: TRANSACTIONAL | CONTROL });
}

function recordOf(record: RecordParts): Buffer {
  const { offsetDelta, timestampDeltaMs = 0, key = null, value = null, headers = [] } = record;
  const body = Buffer.concat([
    Buffer.from([0]),
    varint(BigInt(timestampDeltaMs)),
    varint(BigInt(offsetDelta)),
    bytesOf(key),
    bytesOf(value),
    varint(BigInt(headers.length)),
    ...headers.flatMap(([name, of]) => [bytesOf(Buffer.from(name)), bytesOf(of)]),
  ]);
  return Buffer.concat([varint(BigInt(body.length)), body]);
}

function bytesOf(bytes: Buffer | null): Buffer {
  return bytes === null ? varint(-1n) : Buffer.concat([varint(BigInt(bytes.length)), bytes]);
}

function varint(value: bigint): Buffer {
  let left = BigInt.asUintN(64, (value << 1n) ^ (value >> 63n));
  const bytes: number[] = [];
  for (; left > 0x7fn; left >>= 7n) bytes.push(Number(left & 0x7fn) | 0x80);
  return Buffer.from([...bytes, Number(left)]);
}

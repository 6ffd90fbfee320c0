/**
 * Unpacks the records of a batch, to a limit: a batch of a megabyte may unpack to gigabytes, by accident or not, and must
 * not take the process with it.
 */
import zlib from 'node:zlib';
import { library } from '../client/library.ts';
import { batchTooLarge, corruptBatch, unknownCodec } from './errors.ts';

interface PackedBatch {
  /** Of the batch's attributes. */
  readonly codec: number;
  readonly compressed: Buffer;
  /** For the error. */
  readonly splitId: string;
  readonly offset: number;
  readonly bytesMax: number;
}

const GZIP = 1;
const SNAPPY = 2;
const LZ4 = 3;
const ZSTD = 4;

/** @throws {EngineError} `KAF-012`, `KAF-013`, `KAF-020` */
export function decompress({ codec, compressed, splitId, offset, bytesMax }: PackedBatch): Buffer {
  const algorithm = library().compressionsAlgorithmsByBitmask[codec];
  if (algorithm?.available !== true) throw unknownCodec(splitId, offset, codec);
  const limit = { maxOutputLength: bytesMax };
  let isTooLarge: boolean;
  try {
    if (codec === GZIP) return zlib.gunzipSync(compressed, limit);
    if (codec === ZSTD) return zlib.zstdDecompressSync(compressed, limit);
    // These two cannot be told a limit, but say before how much will come.
    isTooLarge = sizeBefore(codec, compressed) > bytesMax;
    if (!isTooLarge) return algorithm.decompressSync(compressed);
  } catch (cause) {
    isTooLarge = cause instanceof RangeError && codeOf(cause) === 'ERR_BUFFER_TOO_LARGE';
    if (!isTooLarge) throw corruptBatch(splitId, offset, 'it cannot be decompressed', cause);
  }
  throw batchTooLarge(splitId, offset, { packedBytes: compressed.length, bytesMax });
}

function sizeBefore(codec: number, compressed: Buffer): number {
  if (codec === SNAPPY) return snappySize(compressed);
  return codec === LZ4 ? lz4SizeMax(compressed) : 0;
}

const XERIAL = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00]);
const XERIAL_HEADER_BYTES = 16;

/** As the blocks say it, each in its first bytes. In Kafka they mostly stand in the frame of a Java library. */
function snappySize(bytes: Buffer): number {
  if (!bytes.subarray(0, XERIAL.length).equals(XERIAL)) return varint(bytes, 0);
  let size = 0;
  let at = XERIAL_HEADER_BYTES;
  while (at + 4 < bytes.length) {
    size += varint(bytes, at + 4);
    at += 4 + bytes.readUInt32BE(at);
  }
  return size;
}

function varint(bytes: Buffer, from: number): number {
  let value = 0;
  for (let at = from, unit = 1; at < bytes.length && at < from + 5; at += 1, unit *= 128) {
    const byte = bytes.readUInt8(at);
    value += (byte & 0x7f) * unit;
    if (byte < 0x80) break;
  }
  return value;
}

const LZ4_MAGIC_BYTES = 4;
const CONTENT_SIZE = 0x08;
const DICTIONARY_ID = 0x01;
const BLOCK_CHECKSUM = 0x10;
const UNCOMPRESSED = 0x80000000;

/**
 * At most: so many blocks of the greatest size that the frame allows, 64 KiB to 4 MiB. Writers fill their blocks, all but
 * the last one. See https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md.
 */
function lz4SizeMax(bytes: Buffer): number {
  const flags = bytes.readUInt8(LZ4_MAGIC_BYTES);
  const blockBytesMax = 2 ** (8 + 2 * ((bytes.readUInt8(LZ4_MAGIC_BYTES + 1) >> 4) & 7));
  const checksumBytes = (flags & BLOCK_CHECKSUM) === 0 ? 0 : 4;
  let at = LZ4_MAGIC_BYTES + 3;
  if ((flags & CONTENT_SIZE) !== 0) at += 8;
  if ((flags & DICTIONARY_ID) !== 0) at += 4;
  let size = 0;
  while (at + 4 <= bytes.length) {
    const length = bytes.readUInt32LE(at);
    if (length === 0) break;
    const isPacked = length < UNCOMPRESSED;
    const blockBytes = isPacked ? length : length - UNCOMPRESSED;
    size += isPacked ? blockBytesMax : blockBytes;
    at += 4 + blockBytes + checksumBytes;
  }
  return size;
}

function codeOf(error: RangeError): unknown {
  return 'code' in error ? error.code : undefined;
}

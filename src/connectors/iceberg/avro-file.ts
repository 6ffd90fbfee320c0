/**
 * Avro container files, as manifests and manifest lists are. `avsc` encodes records; the container is
 * our own, since a manifest's header holds more than a schema, and holds that as it was given.
 */
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import avro from 'avsc';
import { randomHex, type Random } from '../../common/random.ts';
import { corruptTable } from './errors.ts';
import { isJsonObject, type Json, type JsonObject, parseJson, printJson } from './lossless-json.ts';

export interface AvroFile {
  /** The header without `avro.schema` and `avro.codec`. */
  readonly metadata: ReadonlyMap<string, string>;
  /** Of whoever wrote it. */
  readonly schema: Json;
  readonly records: readonly AvroRecord[];
}

export type AvroRecord = Readonly<Record<string, unknown>>;

const MAGIC = Buffer.from([0x4f, 0x62, 0x6a, 1]);
const SYNC_BYTES = 16;
/** What a block of a damaged file may claim to become. */
const BLOCK_BYTES_MAX = 256 * 1024 * 1024;

const headerType = avro.Type.forSchema({ type: 'map', values: 'bytes' });
const countType = avro.Type.forSchema('long');

/** 64 bits as a bigint: sequence numbers and snapshot ids do not fit a number. */
const longType = avro.types.LongType.__with({
  fromBuffer: (bytes: Buffer) => bytes.readBigInt64LE(),
  toBuffer: (value: bigint | number) => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64LE(BigInt(value));
    return bytes;
  },
  fromJSON: BigInt,
  toJSON: Number,
  isValid: (value: unknown) => typeof value === 'bigint' || Number.isSafeInteger(value),
  compare: (a: bigint, b: bigint) => Number(a > b) - Number(a < b),
});

function typeOf(schema: Json): avro.Type {
  return avro.Type.forSchema(schema as never, {
    wrapUnions: false,
    // Some writers spell it {"type": "long"}, which a registry of names would not catch.
    typeHook: (part: unknown) => (nameOf(part) === 'long' ? longType : undefined),
  });
}

function nameOf(schema: unknown): unknown {
  return isJsonObject(schema as Json) ? (schema as JsonObject)['type'] : schema;
}

/** @param metadata Beside the schema and the codec. */
export function encodeAvroFile(
  schema: Json,
  records: readonly AvroRecord[],
  metadata: Readonly<Record<string, string>>,
  random: Random,
): Uint8Array {
  const type = typeOf(schema);
  const header: Record<string, Buffer> = {
    'avro.schema': Buffer.from(printJson(schema)),
    'avro.codec': Buffer.from('deflate'),
  };
  for (const [name, value] of Object.entries(metadata)) header[name] = Buffer.from(value);
  const sync = Buffer.from(randomHex(random, 2 * SYNC_BYTES), 'hex');
  const parts = [MAGIC, headerType.toBuffer(header), sync];
  if (records.length > 0) {
    const body = deflateRawSync(Buffer.concat(records.map((record) => type.toBuffer(record))));
    parts.push(countType.toBuffer(records.length), countType.toBuffer(body.length), body, sync);
  }
  return Buffer.concat(parts);
}

/**
 * @param what Names the file.
 * @throws {EngineError} `ICE-007` (`corrupt`).
 */
export function decodeAvroFile(bytes: Uint8Array, what: string): AvroFile {
  try {
    return decode(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  } catch (cause) {
    throw corruptTable(what, 'it is no whole Avro file', cause);
  }
}

interface Decoded<T> {
  readonly value: T;
  /** Behind it; negative if the bytes end before it does. */
  readonly offset: number;
}

function decode(bytes: Buffer): AvroFile {
  if (!bytes.subarray(0, MAGIC.length).equals(MAGIC)) throw new RangeError('no Avro file');
  const head: Decoded<Record<string, Buffer>> = headerType.decode(bytes, MAGIC.length);
  if (head.offset < 0) throw new RangeError('the header is cut');
  const header = new Map(Object.entries(head.value).map(([name, text]) => [name, text.toString()]));
  const schema = parseJson(header.get('avro.schema') ?? '');
  const codec = header.get('avro.codec') ?? 'null';
  header.delete('avro.schema');
  header.delete('avro.codec');
  const bodyStart = head.offset + SYNC_BYTES;
  if (bytes.length < bodyStart) throw new RangeError('the header is cut');
  const sync = bytes.subarray(head.offset, bodyStart);
  const type = typeOf(schema);
  const records: AvroRecord[] = [];
  for (let at = bodyStart; at < bytes.length;) {
    const count: Decoded<number> = countType.decode(bytes, at);
    const size: Decoded<number> = countType.decode(bytes, count.offset);
    const end = size.offset + size.value;
    if (!bytes.subarray(end, end + SYNC_BYTES).equals(sync)) throw new RangeError('a block is cut');
    const body = inflated(bytes.subarray(size.offset, end), codec);
    for (let from = 0, left = count.value; left > 0; left--) {
      const next: Decoded<AvroRecord> = type.decode(body, from);
      if (next.offset < 0) throw new RangeError('a record is cut');
      records.push(next.value);
      from = next.offset;
    }
    at = end + SYNC_BYTES;
  }
  return { metadata: header, schema, records };
}

function inflated(body: Buffer, codec: string): Buffer {
  if (codec === 'null') return body;
  if (codec !== 'deflate') throw new RangeError(`the codec ${codec}`);
  return inflateRawSync(body, { maxOutputLength: BLOCK_BYTES_MAX });
}

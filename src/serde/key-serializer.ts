/**
 * Keys as bytes: canonical (equal keys have equal bytes, whatever the order of an object's fields)
 * and self-describing (they are read without a schema). No key's bytes begin another key's bytes, so
 * keys can stand in front of other bytes. Layout: docs/formats/values.md.
 */
import { isPlainObject, notAKey, sortedNames } from '../common/key-hash.ts';
import { ByteReader, ByteWriter } from './bytes.ts';
import { corruptBytes } from './errors.ts';
import { copyPlain, setOwn } from './plain.ts';
import type { Resolution, Serializer } from './serializer.ts';
import { sameSchema, type TypeSchema } from './type-schema.ts';

const NULL = 0;
const FALSE = 1;
const TRUE = 2;
const INT32 = 3;
/** A safe integer that is no int32. */
const LONG = 4;
/** Any other number. */
const DOUBLE = 5;
const BIGINT = 6;
const STRING = 7;
const TUPLE = 8;
const OBJECT = 9;

/**
 * Appends the canonical bytes of a key.
 *
 * @throws {EngineError} `COM-001` (`invalid`) for a value that cannot be a key.
 */
export function writeKey(key: unknown, to: ByteWriter): void {
  switch (typeof key) {
    case 'number':
      writeNumber(key, to);
      return;
    case 'string':
      to.uint8(STRING);
      to.text(key);
      return;
    case 'boolean':
      to.uint8(key ? TRUE : FALSE);
      return;
    case 'bigint':
      to.uint8(BIGINT);
      to.bigint(key);
      return;
    case 'object':
      writeComposite(key, to);
      return;
    default:
      throw notAKey(key);
  }
}

function writeNumber(key: number, to: ByteWriter): void {
  // -0 is 0, and there is one NaN.
  if ((key | 0) === key) {
    to.uint8(INT32);
    to.int32(key);
  } else if (Number.isSafeInteger(key)) {
    to.uint8(LONG);
    to.int64(BigInt(key));
  } else {
    to.uint8(DOUBLE);
    to.float64(key !== key ? NaN : key);
  }
}

function writeComposite(key: object | null, to: ByteWriter): void {
  if (key === null) {
    to.uint8(NULL);
    return;
  }
  if (Array.isArray(key)) {
    to.uint8(TUPLE);
    to.varint(key.length);
    for (let i = 0; i < key.length; i++) writeKey(key[i], to);
    return;
  }
  if (!isPlainObject(key)) throw notAKey(key);
  const fields = key as Readonly<Record<string, unknown>>;
  const names = sortedNames(fields);
  to.uint8(OBJECT);
  to.varint(names.length);
  for (const name of names) {
    to.text(name);
    writeKey(fields[name], to);
  }
}

/** @throws {EngineError} `SER-001` (`corrupt`) for bytes that are no key. */
export function readKey(from: ByteReader): unknown {
  const tag = from.uint8();
  switch (tag) {
    case NULL:
      return null;
    case FALSE:
    case TRUE:
      return tag === TRUE;
    case INT32:
      return from.int32();
    case LONG:
      return Number(from.int64());
    case DOUBLE:
      return from.float64();
    case BIGINT:
      return from.bigint();
    case STRING:
      return from.text();
    case TUPLE: {
      const fields: unknown[] = [];
      for (let count = from.count(1); count > 0; count--) fields.push(readKey(from));
      return fields;
    }
    case OBJECT: {
      const fields: Record<string, unknown> = {};
      for (let count = from.count(2); count > 0; count--) {
        const name = from.text();
        setOwn(fields, name, readKey(from));
      }
      return fields;
    }
    default:
      throw corruptBytes('no key', from.position - 1);
  }
}

/** The canonical bytes of a key. */
export function encodeKey(key: unknown): Uint8Array {
  const to = new ByteWriter(32);
  writeKey(key, to);
  return to.finish();
}

/** The key of canonical bytes, which must hold nothing else. */
export function decodeKey(bytes: Uint8Array): unknown {
  const from = new ByteReader(bytes);
  const key = readKey(from);
  if (from.remaining > 0) throw corruptBytes('something follows a key', from.position);
  return key;
}

/** The order of keys in snapshots and stores: byte by byte, unsigned; of two beginnings, the shorter first. */
export function compareKeyBytes(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

const KEY_SCHEMA: TypeSchema = { kind: 'custom', name: 'key', version: 1 };

/** Any key, as canonical bytes: for keys of map state. Older keys are read whatever their type was. */
export const keySerializer: Serializer<unknown> = {
  write: (key, to) => {
    const start = to.length;
    try {
      writeKey(key, to);
    } catch (error) {
      to.reset(start);
      throw error;
    }
  },
  read: readKey,
  copy: copyPlain,
  describe: () => KEY_SCHEMA,
  resolve: (written): Resolution<unknown> =>
    sameSchema(written, KEY_SCHEMA)
      ? { kind: 'same' }
      : { kind: 'refuse', why: 'the bytes are not those of a key: give the serializer they have' },
};

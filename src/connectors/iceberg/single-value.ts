/**
 * Values as bytes, as the specification's appendix D has them, their order, and the bounds of a column
 * that go into manifests.
 */
import { compareUtf8 } from '../../common/utf8-order.ts';
import { type Datum, type Primitive } from './iceberg-type.ts';

/** Texts and bytes in bounds are cut to so many code points or bytes. */
const BOUND_LENGTH = 16;

const encoder = new TextEncoder();

export function singleValueBytes(type: Primitive, value: Datum): Uint8Array {
  switch (type.kind) {
    case 'boolean':
      return Uint8Array.of(value === true ? 1 : 0);
    case 'int':
    case 'date':
      return view(4, (bytes) => bytes.setInt32(0, Number(value), true));
    case 'long':
    case 'time':
    case 'timestamp':
    case 'timestamptz':
      return view(8, (bytes) => bytes.setBigInt64(0, value as bigint, true));
    case 'float':
      return view(4, (bytes) => bytes.setFloat32(0, Number(value), true));
    case 'double':
      return view(8, (bytes) => bytes.setFloat64(0, Number(value), true));
    case 'string':
      return encoder.encode(value as string);
    case 'uuid':
    case 'fixed':
    case 'binary':
      return value as Uint8Array;
    case 'decimal':
      return twosComplement(value as bigint);
  }
}

/** The fewest bytes that hold it, most significant first. */
export function twosComplement(value: bigint): Uint8Array {
  let length = 1;
  while (BigInt.asIntN(8 * length, value) !== value) length++;
  return twosComplementOf(value, length);
}

/** @param length Bytes; they must hold it. */
export function twosComplementOf(value: bigint, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let rest = value;
  for (let at = length - 1; at >= 0; at--) {
    bytes[at] = Number(BigInt.asUintN(8, rest));
    rest >>= 8n;
  }
  return bytes;
}

/** Of two's complement, most significant byte first. */
export function decimalFrom(bytes: Uint8Array): bigint {
  const hex = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');
  return BigInt.asIntN(8 * bytes.length, BigInt(`0x${hex === '' ? '0' : hex}`));
}

/** The order of Iceberg's values: texts by their UTF-8 bytes, bytes unsigned. */
export function compareDatum(left: Datum, right: Datum): number {
  if (typeof left === 'string') return compareUtf8(left, right as string);
  if (left instanceof Uint8Array) return Buffer.compare(left, right as Uint8Array);
  if (left < right) return -1;
  return left > right ? 1 : 0;
}

/** Not above any value of the column. */
export function lowerBound(type: Primitive, least: Datum): Uint8Array {
  if (type.kind === 'string') return encoder.encode(firstCodePoints(least as string).join(''));
  if (type.kind === 'binary' || type.kind === 'fixed') {
    return (least as Uint8Array).slice(0, BOUND_LENGTH);
  }
  // The specification's order puts -0 below 0, and it is one value here.
  return singleValueBytes(type, least === 0 && isFloating(type) ? -0 : least);
}

/** Not below any value of the column; undefined if no short one is. */
export function upperBound(type: Primitive, greatest: Datum): Uint8Array | undefined {
  if (type.kind === 'string') return upperText(greatest as string);
  if (type.kind === 'binary' || type.kind === 'fixed') return upperBytes(greatest as Uint8Array);
  return singleValueBytes(type, greatest === 0 && isFloating(type) ? 0 : greatest);
}

export function isFloating(type: Primitive): boolean {
  return type.kind === 'float' || type.kind === 'double';
}

function upperText(text: string): Uint8Array | undefined {
  const points = firstCodePoints(text);
  if (points.join('').length === text.length) return encoder.encode(text);
  for (let length = points.length; length > 0; length--) {
    const next = (points[length - 1]?.codePointAt(0) ?? 0) + 1;
    if (next > 0x10ffff) continue;
    // Surrogates are no text.
    const after = String.fromCodePoint(next >= 0xd800 && next <= 0xdfff ? 0xe000 : next);
    return encoder.encode(points.slice(0, length - 1).join('') + after);
  }
  return undefined;
}

function upperBytes(bytes: Uint8Array): Uint8Array | undefined {
  if (bytes.length <= BOUND_LENGTH) return bytes;
  const cut = bytes.slice(0, BOUND_LENGTH);
  for (let at = BOUND_LENGTH - 1; at >= 0; at--) {
    const byte = cut[at] ?? 0;
    if (byte === 0xff) continue;
    cut[at] = byte + 1;
    return cut.slice(0, at + 1);
  }
  return undefined;
}

function firstCodePoints(text: string): string[] {
  const points: string[] = [];
  for (const point of text) {
    if (points.length === BOUND_LENGTH) break;
    points.push(point);
  }
  return points;
}

function view(length: number, set: (bytes: DataView) => void): Uint8Array {
  const bytes = new Uint8Array(length);
  set(new DataView(bytes.buffer));
  return bytes;
}

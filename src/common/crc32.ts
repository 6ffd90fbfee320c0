import { crc32 as nodeCrc32 } from 'node:zlib';

/**
 * The CRC-32 of `bytes` (as in gzip and zip), an unsigned 32-bit number.
 *
 * @param previous What the call for the bytes before these returned. Default: these come first.
 */
export function crc32(bytes: Uint8Array, previous = 0): number {
  return nodeCrc32(bytes, previous);
}

/** The polynomial of CRC-32, its lowest power in the highest bit. */
const POLYNOMIAL = 0xedb88320;

/** The CRC-32 of bytes followed by others, from the checksums of both and the length of the others. */
export function crc32Combine(first: number, second: number, secondBytes: number): number {
  // Behind n more bytes, what a checksum stands for is multiplied by x to the power of 8n.
  let power = 0x00800000;
  let shift = 0x80000000;
  for (let n = secondBytes; n > 0; n = Math.floor(n / 2)) {
    if (n % 2 === 1) shift = product(power, shift);
    power = product(power, power);
  }
  return (product(shift, first) ^ second) >>> 0;
}

/** Of two polynomials over one bit, modulo that of CRC-32. */
function product(a: number, b: number): number {
  let sum = 0;
  let term = b;
  for (let bit = 0x80000000; bit !== 0; bit >>>= 1) {
    if ((a & bit) !== 0) sum ^= term;
    term = (term & 1) === 0 ? term >>> 1 : (term >>> 1) ^ POLYNOMIAL;
  }
  return sum >>> 0;
}

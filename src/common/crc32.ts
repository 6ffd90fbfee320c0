import { crc32 as nodeCrc32 } from 'node:zlib';

/**
 * The CRC-32 of `bytes` (as in gzip and zip), an unsigned 32-bit number.
 *
 * @param previous What the call for the bytes before these returned. Default: these come first.
 */
export function crc32(bytes: Uint8Array, previous = 0): number {
  return nodeCrc32(bytes, previous);
}

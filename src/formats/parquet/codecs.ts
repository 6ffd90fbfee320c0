/** Compression by Node's own zlib, synchronous and bounded. Snappy is the library's. */
import {
  brotliDecompressSync,
  constants,
  gunzipSync,
  gzipSync,
  zstdCompressSync,
  zstdDecompressSync,
} from 'node:zlib';
import type { Compressors } from 'hyparquet';

/** Each page carries a checksum, which Parquet's own readers do not ask for but zstd verifies. */
const ZSTD = { params: { [constants.ZSTD_c_checksumFlag]: 1 } };

/** How a Parquet sink compresses. */
export type ParquetCompression = 'zstd' | 'snappy' | 'gzip' | 'none';

export const CODECS = {
  zstd: 'ZSTD',
  snappy: 'SNAPPY',
  gzip: 'GZIP',
  none: 'UNCOMPRESSED',
} as const;

export const compressors = {
  ZSTD: (page: Uint8Array): Uint8Array => zstdCompressSync(page, ZSTD),
  GZIP: (page: Uint8Array): Uint8Array => gzipSync(page),
};

/** No page may become longer than its header says, so that a small file cannot fill the memory. */
export const decompressors: Compressors = {
  ZSTD: (page, length) => zstdDecompressSync(page, { maxOutputLength: atLeastOne(length) }),
  GZIP: (page, length) => gunzipSync(page, { maxOutputLength: atLeastOne(length) }),
  BROTLI: (page, length) => brotliDecompressSync(page, { maxOutputLength: atLeastOne(length) }),
};

export const READABLE_CODECS: ReadonlySet<string> = new Set([
  'UNCOMPRESSED',
  'SNAPPY',
  ...Object.keys(decompressors),
]);

/** zlib takes no limit of 0. */
function atLeastOne(length: number): number {
  return Math.max(1, length);
}

/** Compression by Node's own zlib, and snappy by the library: synchronous and bounded. */
import {
  brotliDecompressSync,
  constants,
  gunzipSync,
  gzipSync,
  zstdCompressSync,
  zstdDecompressSync,
} from 'node:zlib';
import { snappyUncompress, type Compressors } from 'hyparquet';

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

/** Pages have about 1 MiB, dictionaries rarely more. A damaged or made-up length must not fill the memory. */
const PAGE_BYTES_MAX = 256 * 1024 * 1024;

/** No page becomes longer than its header says. */
export const decompressors: Compressors = {
  ZSTD: limited((page, maxOutputLength) => zstdDecompressSync(page, { maxOutputLength })),
  GZIP: limited((page, maxOutputLength) => gunzipSync(page, { maxOutputLength })),
  BROTLI: limited((page, maxOutputLength) => brotliDecompressSync(page, { maxOutputLength })),
  SNAPPY: limited((page, length) => {
    const plain = new Uint8Array(length);
    snappyUncompress(page, plain);
    return plain;
  }),
};

export const READABLE_CODECS: ReadonlySet<string> = new Set([
  'UNCOMPRESSED',
  ...Object.keys(decompressors),
]);

type Decompress = (page: Uint8Array, length: number) => Uint8Array;

function limited(decompress: Decompress): Decompress {
  return (page, length) => {
    if (length > PAGE_BYTES_MAX) throw new RangeError(`a page of ${length} bytes`);
    // zlib takes no limit of 0.
    return length === 0 ? new Uint8Array(0) : decompress(page, length);
  };
}

/** `tidemark/parquet`: an entry of its own, so that a job without Parquet does not load its libraries. */
export { parquetFiles, type ParquetFilesOptions } from './parquet-source.ts';
export { parquetSink, type ParquetSinkOptions } from './parquet-sink.ts';
export type { ParquetCompression } from '../../formats/parquet/codecs.ts';
export type { ParquetColumnType } from '../../formats/parquet/parquet-leaves.ts';

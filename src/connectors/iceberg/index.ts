/** `tidemark/iceberg`: an entry of its own, so that a job without Iceberg does not load its libraries. */
export {
  icebergSink,
  type IcebergColumns,
  type IcebergRow,
  type IcebergSinkOptions,
} from './iceberg-sink.ts';
export {
  icebergSchema,
  t,
  type Column,
  type ColumnType,
  type Columns,
  type IcebergSchema,
  type RowOf,
  type TimeValue,
} from './columns.ts';
export { deadLetterColumns } from './dead-letter-columns.ts';
export {
  icebergReplayedLetters,
  type IcebergReplayedLettersOptions,
} from './letters/replayed-letters.ts';
export type { LetterFilesState, LetterSplit } from './letters/letter-split.ts';
export {
  bucket,
  day,
  hour,
  identity,
  month,
  truncate,
  year,
  type PartitionBy,
} from './partition-fields.ts';
export { hadoop, type HadoopCatalogOptions } from './hadoop-catalog.ts';
export { rest, type RestCatalogOptions } from './rest-catalog.ts';
export type { RestAccess } from './rest-client.ts';
export type { S3Access } from './s3-access.ts';
export type { IcebergCatalog } from './catalog.ts';
export type { PendingManifest, PendingPartition } from './committable.ts';

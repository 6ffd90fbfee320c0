import type { Sink } from '../../contracts/sink.ts';
import { CODECS, type ParquetCompression } from '../../formats/parquet/codecs.ts';
import { parquetColumns } from '../../formats/parquet/parquet-columns.ts';
import type { ParquetColumnType } from '../../formats/parquet/parquet-leaves.ts';
import { typeSchemaFrom } from '../../serde/schema-structure.ts';
import type { InferOutput, StandardSchema } from '../../serde/standard-schema.ts';
import { badFileOption } from './errors.ts';
import { type FilePlacement, twoPhaseFiles } from './file-sink.ts';
import { ParquetParts } from './parquet-parts.ts';
import type { PendingFile } from './pending-file.ts';

export interface ParquetSinkOptions<S extends StandardSchema> extends FilePlacement<
  InferOutput<S>
> {
  /**
   * What the rows are: an object whose fields become the columns. Its structure must be known, as
   * that of state: no transforms.
   */
  readonly schema: S;
  /**
   * Other column types than the schema gives, by the path of the column: `volume`, `order.at`,
   * `items[].count`. Numbers can be `int32` or `int64`, bigints and dates and numbers of milliseconds
   * a timestamp; a bigint has the timestamp's own unit.
   */
  readonly types?: Readonly<Record<string, ParquetColumnType>>;
  /** Default: `zstd`. */
  readonly compression?: ParquetCompression;
  /**
   * A row group is written when it has so many rows. Small ones compress badly and make long footers;
   * encoding a large one keeps the subtask busy. Default: 50,000.
   */
  readonly rowGroupRows?: number;
  /** Or when its rows take so many bytes in memory, roughly. Default: 8 MiB. */
  readonly rowGroupBytes?: number;
  /**
   * What the row groups of all open buckets of a subtask may take together; the fullest is written
   * early. Default: 64 MiB.
   */
  readonly bufferBytesMax?: number;
}

const MIB = 1024 * 1024;

/**
 * Writes Parquet files, exactly once, as `fileSink` writes its files: one appears under its name
 * `part-….parquet` when the checkpoint that it belongs to is complete, and then has its footer, is
 * durable and never changed again.
 *
 * A Parquet file is only readable with its footer, so each checkpoint ends the open files. The
 * checkpoint interval is thus the roll policy, together with `rollBytes`: a short one makes many small
 * files.
 *
 * ```ts
 * const Sale = z.object({ shop: z.string(), amount: z.number() });
 * sales.sinkTo('sales', parquetSink({ path: 'out/sales', schema: Sale }));
 * ```
 *
 * `z.number()` becomes DOUBLE, `z.int32()` INT32, `z.bigint()` INT64, `z.date()` TIMESTAMP in UTC and
 * milliseconds, `z.instanceof(Uint8Array)` BYTE_ARRAY, an array LIST, `z.record()` MAP, an object a
 * group; what may be `null` or missing is OPTIONAL.
 *
 * @throws {EngineError} `FIL-010`, `FMT-003`, `FMT-008` or `SER-006` for an option; when it runs:
 * `FMT-009` for a value, `FIL-002` to `FIL-005`, `FIL-012`, `FIL-013`.
 */
export function parquetSink<S extends StandardSchema>(
  options: ParquetSinkOptions<S>,
): Sink<InferOutput<S>, PendingFile> {
  const { schema, types, compression = 'zstd' } = options;
  const { rowGroupRows = 50_000, rowGroupBytes = 8 * MIB, bufferBytesMax = 64 * MIB } = options;
  const columns = parquetColumns(typeSchemaFrom(schema), types);
  if (!(compression in CODECS)) throw badFileOption('compression', compression, '"zstd"');
  for (const [name, value, good] of [
    ['rowGroupRows', rowGroupRows, '50000'],
    ['rowGroupBytes', rowGroupBytes, '8388608'],
    ['bufferBytesMax', bufferBytesMax, '67108864'],
  ] as const) {
    if (!(value >= 1)) throw badFileOption(name, value, good);
  }
  const parts = { columns, compression, rowGroupRows, rowGroupBytes, bufferBytesMax };
  return twoPhaseFiles(options, () => new ParquetParts<InferOutput<S>>(parts));
}

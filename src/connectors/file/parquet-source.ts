import type { Source } from '../../contracts/source.ts';
import { EngineError } from '../../common/errors.ts';
import { typeSchemaFrom } from '../../serde/schema-structure.ts';
import type { InferOutput, StandardSchema } from '../../serde/standard-schema.ts';
import type { TypeSchema } from '../../serde/type-schema.ts';
import { readFiles, type WatchOptions } from './file-source.ts';
import type { FileEnumeratorState, FileSplit } from './file-split.ts';
import { ParquetRecords } from './parquet-records.ts';
import { type RowOptions, rowHandler } from './row-handler.ts';

export interface ParquetFilesOptions<R, P, B> extends RowOptions<R, P, B> {
  /** The names of the columns that are read. Default: all of the file. */
  readonly columns?: readonly string[];
  /**
   * Goes on for ever: looks for new files and reads each once. Default: the files that are there at
   * the start are read, and the source ends. A file without its footer is waited for.
   */
  readonly watch?: WatchOptions;
}

/**
 * Reads Parquet files, from a file, a folder (with all below it) or a pattern such as
 * `data/*.parquet`. Each row goes through `schema`, so that its output type is the stream's.
 *
 * A file is one split: files are read in parallel, the rows of a file in order. After a restore
 * reading goes on at the very next row; a file that has changed since is refused.
 *
 * ```ts
 * const Trade = z.object({ symbol: z.string(), price: z.number(), at: z.date() });
 * env.fromSource('trades', parquetFiles('data/trades', Trade));
 * ```
 *
 * The schema also says what a column becomes: INT64 a bigint, or a number where it asks for one (larger
 * ones than 2^53 do not fit); a timestamp a `Date`, a number of milliseconds, or a bigint in the
 * column's own unit; a null `null`, or a missing field where it may be missing but not `null`.
 *
 * @param path Relative ones begin at the folder in which the job was started.
 * @throws {EngineError} when it runs: `FIL-001` to `FIL-010`, `FMT-006`, `FMT-007`.
 */
export function parquetFiles<S extends StandardSchema, P = InferOutput<S>, B = never>(
  path: string,
  schema: S,
  options: ParquetFilesOptions<InferOutput<S>, P, B> = {},
): Source<P | B, FileSplit, FileEnumeratorState> {
  const { columns, watch } = options;
  const wanted = wantedBy(schema);
  return readFiles(
    { path, watch },
    (where) => new ParquetRecords({ ...where, columns, wanted }),
    rowHandler<S, P, B>(schema, options),
  );
}

/** A schema that does not tell what it takes gets what the file says. */
function wantedBy(schema: StandardSchema): TypeSchema | undefined {
  try {
    return typeSchemaFrom(schema, 'input');
  } catch (error) {
    if (error instanceof EngineError && error.code === 'SER-006') return undefined;
    throw error;
  }
}

import type { Source } from '../../contracts/source.ts';
import type { InferOutput, StandardSchema } from '../../serde/standard-schema.ts';
import { badFileOption } from './errors.ts';
import { FileEnumerator } from './file-enumerator.ts';
import type { FileFormat } from './file-format.ts';
import { FileSourceReader } from './file-reader.ts';
import { FileRecords } from './file-records.ts';
import {
  type FileEnumeratorState,
  fileEnumeratorState,
  type FileSplit,
  fileSplits,
} from './file-split.ts';
import { type RowHandler, type RowOptions, rowHandler } from './row-handler.ts';
import type { OpenRecords } from './split-records.ts';

export interface FilesOptions<R, P, B> extends FileFormat, RowOptions<R, P, B> {
  /**
   * Goes on for ever: looks for new files and reads each once. Default: the files that are there at
   * the start are read, and the source ends.
   *
   * Files should be moved into the folder when they are complete. A plain file that ends in the
   * middle of a line is waited for; lines added to a file that was read to its end are not read.
   */
  readonly watch?: WatchOptions;
}

export interface WatchOptions {
  /** Milliseconds between two looks. Short ones cost a listing of the folder each, long ones latency. */
  readonly everyMs: number;
  /**
   * A last line without a line feed counts as complete when its file has not grown for so many
   * milliseconds. Too short cuts a line that is still being written in two. Default: 60,000.
   */
  readonly lastLineAfterMs?: number;
}

const LAST_LINE_AFTER_MS = 60_000;

/**
 * Reads CSV and JSON lines, plain or gzip, from a file, a folder (with all below it) or a pattern
 * such as `data/*.csv.gz`. Each row goes through `schema`, so that its output type is the stream's.
 *
 * A file is one split: files are read in parallel, the rows of a file in order. After a restore
 * reading goes on at the very next row; a file that has changed since is refused.
 *
 * ```ts
 * const CgmRow = z.object({ isig: z.coerce.number(), datetime: z.string(), glucose: z.string() });
 * env.fromSource('cgm', files('data/CGM.csv.gz', CgmRow));
 * ```
 *
 * All CSV fields are strings. Note that `z.coerce.number()` makes 0 of an empty one; a schema of
 * strings keeps bad values as they are, for the job to sort out.
 *
 * @param path Relative ones begin at the folder in which the job was started.
 * @throws {EngineError} when it runs: `FIL-001` to `FIL-010`, `FMT-001` to `FMT-005`.
 */
export function files<S extends StandardSchema, P = InferOutput<S>, B = never>(
  path: string,
  schema: S,
  options: FilesOptions<InferOutput<S>, P, B> = {},
): Source<P | B, FileSplit, FileEnumeratorState> {
  const open: OpenRecords = (where) => new FileRecords({ ...where, format: options });
  return readFiles({ path, watch: options.watch }, open, rowHandler<S, P, B>(schema, options));
}

/** Which files a source reads. */
export interface FilesToRead {
  readonly path: string;
  readonly watch: WatchOptions | undefined;
  /** Default: with `watch` only. */
  readonly emptyIsFine?: boolean;
}

/** A source of the files that a path means, whatever their format. */
export function readFiles<T>(
  given: FilesToRead,
  open: OpenRecords,
  rows: RowHandler<T>,
): Source<T, FileSplit, FileEnumeratorState> {
  const watch = given.watch && checkWatch(given.watch);
  const where = {
    path: given.path,
    everyMs: watch?.everyMs,
    emptyIsFine: given.emptyIsFine ?? watch !== undefined,
  };
  return {
    kind: 'files',
    boundedness: watch === undefined ? 'bounded' : 'unbounded',
    splits: fileSplits,
    enumeratorState: fileEnumeratorState,
    splitId: (split) => split.file,
    enumerator: (context, from) => new FileEnumerator(context, where, from),
    reader: (context) => new FileSourceReader({ context, open, rows, watch }),
  };
}

function checkWatch(watch: WatchOptions): Required<WatchOptions> {
  const { everyMs, lastLineAfterMs = LAST_LINE_AFTER_MS } = watch;
  if (!(everyMs >= 1)) throw badFileOption('watch.everyMs', everyMs, '1000');
  if (!(lastLineAfterMs >= 0)) {
    throw badFileOption('watch.lastLineAfterMs', lastLineAfterMs, '60000');
  }
  return { everyMs, lastLineAfterMs };
}

import type { Sink } from '../../contracts/sink.ts';
import { badFileOption, cannotEncode } from './errors.ts';
import { FileCommitter } from './file-committer.ts';
import { FileSinkWriter } from './file-writer.ts';
import { absolutePath } from './find-files.ts';
import type { PartFormat } from './part-format.ts';
import { PartWriter } from './part-writer.ts';
import { type PendingFile, pendingFiles } from './pending-file.ts';

/** How values become bytes, if not as JSON lines. */
export interface FileEncoder<T> {
  /** Of the file names, without the dot: `csv`. */
  readonly extension: string;
  /** One record with its separator, such as a line feed. */
  readonly encode: (value: T) => string | Uint8Array;
  /** Stands at the beginning of every file, with its separator. */
  readonly header?: string;
}

/** Where a sink's files go, and when one is finished. */
export interface FilePlacement<T> {
  /** The folder. Several jobs and sinks may share one. Relative ones begin where the job was started. */
  readonly path: string;
  /**
   * A value's folder below `path`, such as `day=2026-01-31`. Default: `path` itself. Every bucket has a
   * file of its own per subtask and checkpoint.
   */
  readonly bucket?: (value: T) => string;
  /**
   * A file that has reached so many bytes is finished and a new one begun; every checkpoint finishes
   * files as well. Small ones make many files, large ones long commits after a crash. Default: 128 MiB.
   */
  readonly rollBytes?: number;
  /** Buckets that a subtask has open at a time; one more finishes the oldest early. Default: 64. */
  readonly openFilesMax?: number;
}

export interface FileSinkOptions<T> extends FilePlacement<T> {
  /** `json-lines` is what `JSON.stringify` makes: dates become text, `NaN` and `Infinity` become `null`. */
  readonly format: 'json-lines' | FileEncoder<T>;
  readonly compression?: 'none' | 'gzip';
}

const ROLL_BYTES = 128 * 1024 * 1024;
const OPEN_FILES_MAX = 64;

/**
 * Writes files, exactly once: a file appears under its name `part-…` when the checkpoint that it
 * belongs to is complete, and is then whole, durable and never changed again.
 *
 * ```ts
 * readings.sinkTo('readings', fileSink({ path: 'out/readings', format: 'json-lines' }));
 * ```
 *
 * @throws {EngineError} `FIL-010` for an option; when it runs: `FIL-002` to `FIL-005`, `FIL-011` to `FIL-013`.
 */
export function fileSink<T>(options: FileSinkOptions<T>): Sink<T, PendingFile> {
  const { format, compression } = options;
  const encoder = format === 'json-lines' ? undefined : format;
  const extension = encoder?.extension ?? 'jsonl';
  if (!/^\w[\w.]*$/.test(extension)) throw badFileOption('format.extension', extension, '"csv"');
  const gzip = compression === 'gzip';
  return twoPhaseFiles(options, (uid) => ({
    extension: gzip ? `${extension}.gz` : extension,
    encode: encoder?.encode ?? ((value) => jsonLine(value, uid)),
    begin: (fs, path) => new PartWriter({ fs, path, gzip, header: encoder?.header }),
  }));
}

/** A sink that writes files of any format, and commits them with their checkpoint. */
export function twoPhaseFiles<T, R>(
  placement: FilePlacement<T>,
  formatOf: (uid: string) => PartFormat<T, R>,
): Sink<T, PendingFile> {
  const { rollBytes = ROLL_BYTES, openFilesMax = OPEN_FILES_MAX, bucket } = placement;
  if (!(rollBytes >= 1)) throw badFileOption('rollBytes', rollBytes, '134217728');
  if (!(openFilesMax >= 1)) throw badFileOption('openFilesMax', openFilesMax, '64');
  return {
    kind: 'files',
    committables: pendingFiles,
    writer: (context) =>
      new FileSinkWriter(context, {
        path: absolutePath(placement.path),
        format: formatOf(context.uid),
        rollBytes,
        openFilesMax,
        bucket,
      }),
    committer: (context) => new FileCommitter(context, absolutePath(placement.path)),
  };
}

function jsonLine(value: unknown, uid: string): string {
  let text: unknown;
  try {
    text = JSON.stringify(value);
  } catch (cause) {
    throw cannotEncode(uid, cause);
  }
  if (typeof text !== 'string') throw cannotEncode(uid, undefined);
  return `${text}\n`;
}

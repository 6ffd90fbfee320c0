/**
 * Where a file sink puts its files.
 *
 * ```text
 * <path>/.in-progress/<uid>/<writer>-<sequence>   being written, or waiting for its checkpoint
 * <path>/<bucket>/part-<uid>-<writer>-<sequence>.jsonl     finished: whole, durable, committed
 * ```
 *
 * A writer's id begins with its lineage, so that files of dead attempts of this job can be told from
 * other jobs' in the same folder; uid and writer together make every final name unique for ever.
 */
import { badBucket } from './errors.ts';

const UNFINISHED = '.in-progress';

/** Files that may be read begin like this. */
export const FINISHED_PREFIX = 'part-';

export function unfinishedFolder(path: string, uid: string): string {
  return `${path}/${UNFINISHED}/${encodeURIComponent(uid)}`;
}

export interface PartName {
  readonly uid: string;
  readonly writerId: string;
  readonly sequence: number;
}

export function unfinishedName({ writerId, sequence }: Omit<PartName, 'uid'>): string {
  return `${writerId}-${sequence}`;
}

export function finishedName({ uid, writerId, sequence }: PartName, extension: string): string {
  return `${FINISHED_PREFIX}${encodeURIComponent(uid)}-${writerId}-${sequence}.${extension}`;
}

/** How the names of all unfinished files of a history begin. */
export function unfinishedPrefix(lineage: string): string {
  return `${lineage}-`;
}

/** How the names of all files begin that a history has finished by this sink. */
export function finishedPrefix(uid: string, lineage: string): string {
  return `${FINISHED_PREFIX}${encodeURIComponent(uid)}-${lineage}-`;
}

/** Who wrote an unfinished file. */
export function writerOf(unfinishedName: string): string {
  return unfinishedName.slice(0, unfinishedName.lastIndexOf('-'));
}

/** A bucket is a relative folder; `''` is the sink's own. */
export function checkBucket(bucket: unknown): string {
  if (bucket === '') return '';
  if (typeof bucket !== 'string') throw badBucket(bucket);
  const usable = bucket.split('/').every((name) => /^[^._\0][^\0]*$/.test(name));
  if (!usable) throw badBucket(bucket);
  return bucket;
}

export function folderOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/')) || '/';
}

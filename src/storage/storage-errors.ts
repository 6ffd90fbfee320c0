import { EngineError } from '../common/errors.ts';

const HINTS: Readonly<Record<string, string>> = {
  ENOSPC: 'Free space on that disk, or point the checkpoint folder to a larger one.',
  EDQUOT: "Raise this user's disk quota, or point the checkpoint folder to another disk.",
  EACCES: 'Give the user that runs this process the right to read and write that folder.',
  EPERM: 'Give the user that runs this process the right, on a file system with hard links.',
  EROFS: 'Mount that disk for writing, or point the checkpoint folder to another one.',
  EIO: 'Check the disk (kernel log, SMART), and point the checkpoint folder to a healthy one.',
  EMFILE: 'Raise the limit of open files of this process (ulimit -n).',
  ENFILE: "Raise the machine's limit of open files (sysctl fs.file-max).",
  EMLINK: 'Point the checkpoint folder to a file system with hard links.',
  ENOTSUP: 'Point the checkpoint folder to a file system with hard links, such as ext4 or xfs.',
  EXDEV: 'Keep the checkpoint folder on one file system: no mounts or links inside it.',
  ETIMEDOUT:
    'Check the disk, or the server of the network file system: it did not answer within tidemark.storage.answer-timeout.',
  ESTALE: 'Check the network file system: the server dropped that file.',
};

export interface FailedOperation {
  readonly operation: string;
  readonly url: string;
  readonly progress?: WriteProgress | undefined;
}

const INVALID_NAME = ['ENAMETOOLONG', 'EINVAL', 'EILSEQ'];

/** `ENOENT`, `ENOSPC` …, where the error is the operating system's. */
export function errnoOf(error: unknown): string | undefined {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : undefined;
}

/** Whether nothing was there: the name, or a folder on the way, is gone, or a file stands in its place. */
export function isGone(error: unknown): boolean {
  const errno = errnoOf(error);
  return errno === 'ENOENT' || errno === 'ENOTDIR';
}

/**
 * What a write of a blob has come to. Until `published` is set, nobody can have seen any of it.
 */
export interface WriteProgress {
  /** Set before the one operation that gives the blob its name or its new version. */
  published: boolean;
}

/** By this a caller knows that its write took no effect, and never will. */
export const REFUSED_WRITE = 'STO-006';

/** With these the operating system says that it did not even begin. */
const REFUSALS = ['ENOSPC', 'EDQUOT', 'EROFS', 'EACCES', 'EPERM'];

/** Whether the operating system refused an operation, as far as its word is to be trusted. */
export function isRefusal(error: unknown): boolean {
  return REFUSALS.includes(errnoOf(error) ?? '');
}

/**
 * What a failure of the disk means to the caller of the store.
 *
 * @param progress Of a write; undefined for what only reads or deletes.
 */
export function storageError(
  error: unknown,
  { operation, url, progress }: FailedOperation,
): EngineError {
  if (error instanceof EngineError) return error;
  const errno = errnoOf(error);
  if (errno !== undefined && INVALID_NAME.includes(errno)) {
    return new EngineError('STO-002', 'invalid', 'not a path of a blob', {
      details: { path: url, problem: `the file system refuses the name, ${errno}` },
      hint: 'Give a shorter path, of characters that the file system takes.',
      cause: error,
    });
  }
  if (errno === 'ENOTDIR' || errno === 'EISDIR') return pathConflictError(url, error);
  const facts = {
    details: { operation, url, ...(errno === undefined ? {} : { errno }) },
    hint: HINTS[errno ?? ''] ?? 'Check that the folder is there and its disk is well, and retry.',
    cause: error,
  };
  return progress?.published === false
    ? new EngineError('STO-006', 'unavailable', 'the blob store could not take a write', facts)
    : new EngineError('STO-001', 'unavailable', 'the blob store does not answer', facts);
}

/** A path would have to be both a blob and a folder of blobs. */
export function pathConflictError(url: string, cause?: unknown): EngineError {
  return new EngineError('STO-003', 'invalid', 'a blob stands where a folder is, or beneath one', {
    details: { url },
    hint: 'Choose a path that neither is a folder of blobs nor leads through a blob.',
    ...(cause === undefined ? {} : { cause }),
  });
}

export function cannotReplaceError(url: string): EngineError {
  return new EngineError('STO-004', 'invalid', 'a blob made by create cannot be replaced', {
    details: { url },
    hint: 'Make the first version with replaceIf(path, bytes, undefined), or delete and create it.',
  });
}

export function missingBodyError(url: string, body: string): EngineError {
  return new EngineError('STO-005', 'corrupt', 'the content of a blob is missing', {
    details: { url, body },
    hint: 'Restore the folder from a copy, or restore the job from another snapshot.',
  });
}

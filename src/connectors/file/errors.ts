import { EngineError } from '../../common/errors.ts';

/** An error of the file system, in words that say what to do. */
export function fileError(doing: string, path: string, cause: unknown): Error {
  if (cause instanceof EngineError) return cause;
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
  // A bug, not the file system's word.
  if (cause instanceof Error && code === '') return cause;
  const details = { path, doing, code };
  switch (code) {
    case 'ENOENT':
    case 'ENOTDIR':
      return missingFile(path, cause);
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return new EngineError('FIL-002', 'invalid', 'a file or folder must not be used', {
        details,
        hint: 'Give the user that runs the job the permission, or name another path.',
        cause,
      });
    case 'EISDIR':
      return notAFile(path, cause);
    case 'ENOSPC':
    case 'EDQUOT':
      return new EngineError('FIL-005', 'unavailable', 'the disk is full', {
        details,
        hint: 'Free space or raise the quota; the job goes on from its last checkpoint.',
        cause,
      });
    default:
      return new EngineError('FIL-004', 'unavailable', 'the disk reports an error', {
        details,
        hint: 'Check the disk and the kernel log; the job goes on from its last checkpoint.',
        cause,
      });
  }
}

export function missingFile(path: string, cause?: unknown) {
  return new EngineError('FIL-001', 'invalid', 'there is no such file', {
    details: { path },
    hint: 'Check the path; a relative one begins at the folder in which the job was started.',
    cause,
  });
}

export function notAFile(path: string, cause?: unknown) {
  return new EngineError('FIL-003', 'invalid', 'this is not a file', {
    details: { path },
    hint: 'Name a file, a folder of files, or a pattern such as "data/*.csv".',
    cause,
  });
}

export function unknownFormat(path: string) {
  return new EngineError('FIL-006', 'invalid', 'the format of a file cannot be told by its name', {
    details: { path },
    hint: path.endsWith('.parquet')
      ? "Read it with parquetFiles from 'tidemark/parquet', or leave such files out by a pattern."
      : 'Set the option format to "csv" or "json-lines", or leave such files out by a pattern.',
  });
}

/** @param why `is gone`, `has shrunk`, `has another content`. */
export function changedFile(path: string, why: string, offset: number, cause?: unknown) {
  return new EngineError('FIL-007', 'invalid', `an input file ${why} since it was read`, {
    details: { path, offset },
    hint: 'Put the file back as it was, or start without this state and read all files anew.',
    cause,
  });
}

export function invalidRow(file: string, row: number, reason: string, text: string) {
  return new EngineError('FIL-008', 'invalid', 'a row does not fit the schema', {
    details: { file, row, reason, text },
    hint: 'Correct the row, or set onInvalid to "skip" or to a function that makes a value of it.',
  });
}

export function asyncSchema(path: string) {
  return new EngineError('FIL-009', 'invalid', 'the schema of files validates asynchronously', {
    details: { path },
    hint: 'Use a schema without async checks, and do these in an asyncMap behind the source.',
  });
}

export function badFileOption(option: string, value: unknown, good: string) {
  return new EngineError('FIL-010', 'invalid', 'a file option cannot be used', {
    details: { option, value: printable(value) },
    hint: `Set ${option} to something like ${good}.`,
  });
}

export function cannotEncode(uid: string, cause: unknown) {
  return new EngineError('FIL-011', 'invalid', 'a value cannot be written as JSON', {
    details: { uid },
    hint: 'Map it to plain JSON first (bigints to strings), or give the sink an encoder.',
    cause,
  });
}

export function badBucket(bucket: unknown) {
  return new EngineError('FIL-012', 'invalid', 'a bucket is not a usable folder name', {
    details: { bucket: printable(bucket) },
    hint: 'Return names such as "day=2026-01-31" from bucket: relative, none beginning with . or _.',
  });
}

export function foreignFile(path: string, expectedBytes: number, foundBytes: number) {
  return new EngineError('FIL-013', 'corrupt', 'a file of another size stands at a final name', {
    details: { path, expectedBytes, foundBytes },
    hint: 'Move that file away; the job then puts its own there.',
  });
}

function printable(value: unknown): string {
  return typeof value === 'number' ? String(value) : JSON.stringify(value);
}

/** A fork whose settings name the output of the original. */
export function sharedFolder(uid: string, path: string) {
  return new EngineError(
    'FIL-060',
    'invalid',
    'a fork would write into the folder of the original',
    {
      details: { uid, path },
      hint: 'Give the fork another folder by its own settings, behind --, such as -- --out other.',
    },
  );
}

import { EngineError } from '../common/errors.ts';

/** Names that begin so are the file store's own, in every folder. */
export const RESERVED_PREFIX = '.tidemark-';

const SEGMENT_BYTES_MAX = 255;
const PATH_BYTES_MAX = 1024;

/** Refuses what would leave the root or cannot be stored everywhere. */
export function checkBlobPath(path: string): void {
  const problem = problemOf(path);
  if (problem !== undefined) refuse(path, problem);
}

export function isBlobPath(path: string): boolean {
  return problemOf(path) === undefined;
}

/** `jobs/` and `jobs` → `jobs/`; the root, `''` or `/`, → `''`. */
export function checkBlobPrefix(prefix: string): string {
  const folder = prefix.endsWith('/') ? prefix.slice(0, -1) : prefix;
  if (folder === '') return '';
  checkBlobPath(folder);
  return `${folder}/`;
}

function problemOf(path: string): string | undefined {
  if (path === '') return 'it is empty';
  if (path.startsWith('/')) return 'it is absolute';
  if (path.includes('\0')) return 'it holds a NUL character';
  if (/\p{Surrogate}/u.test(path)) return 'it is not well-formed Unicode';
  if (Buffer.byteLength(path) > PATH_BYTES_MAX) return `it is over ${PATH_BYTES_MAX} bytes long`;
  for (const segment of path.split('/')) {
    if (segment === '') return 'a part of it is empty';
    if (segment === '.' || segment === '..') return `it holds '${segment}'`;
    if (segment.startsWith(RESERVED_PREFIX)) return `a part begins with '${RESERVED_PREFIX}'`;
    if (Buffer.byteLength(segment) > SEGMENT_BYTES_MAX) {
      return `a part is over ${SEGMENT_BYTES_MAX} bytes long`;
    }
  }
  return undefined;
}

function refuse(path: string, problem: string): never {
  throw new EngineError('STO-002', 'invalid', 'not a path of a blob', {
    details: { path, problem },
    hint: "Give a path relative to the store's root, such as 'jobs/wordcount/HEAD'.",
  });
}

import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { FileSystem } from '../../common/file-system.ts';
import { missingFile } from './errors.ts';

/** Names that begin like this are not input: unfinished files, markers, lists of others. */
const HIDDEN = /^[._]/;
const WILDCARD = /[*?{}]/;

/**
 * The files that a path means, in the order of their names: a file itself; of a folder everything
 * below it; of a pattern (`*`, `?`, `**`, `{a,b}`) what fits. Hidden ones (`.x`, `_x`) are left out
 * unless they are named.
 *
 * @param path Absolute; see {@link absolutePath}.
 * @throws {EngineError} `FIL-001` if nothing is there, unless `nothingIsFine`.
 */
export async function findFiles(
  fs: FileSystem,
  path: string,
  nothingIsFine: boolean,
): Promise<string[]> {
  const found = (await fs.stat(path)) ?? { kind: 'nothing' };
  if (found.kind === 'file') return [path];
  const files: string[] = [];
  if (found.kind === 'folder') {
    await walk(fs, path, (file) => files.push(file));
    return files;
  }
  if (WILDCARD.test(path)) {
    const segments = path.split('/');
    const fixed = segments.slice(
      0,
      segments.findIndex((segment) => WILDCARD.test(segment)),
    );
    const pattern = patternOf(path);
    await walk(fs, fixed.join('/') || '/', (file) => {
      if (pattern.test(file)) files.push(file);
    });
  }
  if (files.length === 0 && !nothingIsFine) throw missingFile(path);
  return files;
}

/** Relative paths begin at the folder in which the process was started. */
export function absolutePath(path: string): string {
  return path.startsWith('file://') ? fileURLToPath(path) : resolve(path);
}

async function walk(fs: FileSystem, folder: string, found: (file: string) => void): Promise<void> {
  for (const { name, kind } of await fs.list(folder)) {
    if (HIDDEN.test(name)) continue;
    const path = folder === '/' ? `/${name}` : `${folder}/${name}`;
    if (kind === 'folder') await walk(fs, path, found);
    else found(path);
  }
}

function patternOf(glob: string): RegExp {
  const source = glob.replaceAll(/\*\*\/|\*\*|\*|\?|\{[^{}]*\}|[$()+.[\\\]^{|}]/g, (token) => {
    if (token === '**/') return '(?:[^/]+/)*';
    if (token === '**') return '.*';
    if (token === '*') return '[^/]*';
    if (token === '?') return '[^/]';
    if (token.length === 1) return `\\${token}`;
    const choices = token.slice(1, -1).split(',');
    return `(?:${choices.map((choice) => patternOf(choice).source.slice(1, -1)).join('|')})`;
  });
  return new RegExp(`^${source}$`, 'u');
}

// Refuses in tracked files what belongs to one machine or to unfinished work.

import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';

const ROOT = path.resolve(process.argv[2] ?? path.join(import.meta.dirname, '..'));

// Written with a class of one letter here and there, so that this file passes its own check.
const REFUSED: readonly { readonly pattern: RegExp; readonly why: string }[] = [
  { pattern: /(?<![\w.-])\/[w]ork\//, why: 'a path of one machine' },
  { pattern: /\.\.\/[s]hared\b/, why: 'a path of one machine' },
  { pattern: /\b[T]ODO\b|\b[F]IXME\b/, why: 'unfinished work: do it, or write an issue' },
  {
    pattern:
      /\b(registry\.(npmjs|yarnpkg|npmmirror)[.]|npm\.pkg\.github[.]com|(files\.pythonhosted|pypi)[.]org|repo1?\.maven[.]|deb\.debian[.]org)/,
    why: 'a registry host: the user decides where packages come from',
  },
];

const BYTES_MAX = 2 ** 20;

const UNTRACKED = /(^|\/)(node_modules|dist|coverage|\.git|\.cache|\.node)(\/|$)/;

/** Without git, in an unpacked archive of the sources, everything but what the tools make. */
function trackedFiles(): string[] {
  const { status, stdout } = spawnSync('git', ['ls-files', '-z'], { cwd: ROOT, encoding: 'utf8' });
  const names =
    status === 0
      ? stdout.split('\0').filter((name) => name !== '')
      : fs
          .readdirSync(ROOT, { recursive: true, encoding: 'utf8' })
          .filter((name) => !UNTRACKED.test(name));
  return names.filter((name) => fs.existsSync(path.join(ROOT, name)));
}

function problemsIn(name: string): string[] {
  const file = path.join(ROOT, name);
  const stat = fs.lstatSync(file);
  if (!stat.isFile() || stat.size > BYTES_MAX) return [];
  const text = fs.readFileSync(file, 'utf8');
  if (text.includes('\0')) return [];
  return text.split('\n').flatMap((line, index) =>
    REFUSED.flatMap(({ pattern, why }) => {
      const found = pattern.exec(line);
      return found === null ? [] : [`${name}:${index + 1}: "${found[0]}" is ${why}`];
    }),
  );
}

const found = trackedFiles().flatMap(problemsIn);
for (const problem of found) console.error(problem);
process.exitCode = found.length === 0 ? 0 : 1;

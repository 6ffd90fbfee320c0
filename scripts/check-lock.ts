// The lock file must serve every machine: each direct dependency at one exact version, the native
// packages of all platforms (npm leaves out, without a word, those it could not find), and no
// address of the registry that happened to be in use.

import fs from 'node:fs';
import path from 'node:path';

interface Entry {
  readonly version?: string;
  readonly resolved?: string;
  readonly link?: boolean;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

type Entries = Readonly<Record<string, Entry>>;

const ROOT = path.resolve(process.argv[2] ?? path.join(import.meta.dirname, '..'));

function problems(entries: Entries): string[] {
  return Object.entries(entries).flatMap(([name, entry]) => [
    ...(name === '' ? inexact(entry) : []),
    ...(entry.resolved === undefined || entry.link === true
      ? []
      : [`${name}: has an address; set omit-lockfile-registry-resolved=true for npm`]),
    ...Object.keys(entry.optionalDependencies ?? {})
      .filter((dependency) => !isLocked(entries, name, dependency))
      .map((dependency) => `${name}: ${dependency} is missing; pin a version that has it`),
  ]);
}

function inexact(entry: Entry): string[] {
  return Object.entries({ ...entry.dependencies, ...entry.devDependencies })
    .filter(([, range]) => !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(range))
    .map(([name, range]) => `${name}: "${range}" is not an exact version; install it with -E`);
}

/** As Node resolves: in the package's own node_modules, then in those of the folders above. */
function isLocked(entries: Entries, from: string, name: string): boolean {
  const parts = from.split('/node_modules/');
  const above = parts.map((_, depth) => `${parts.slice(0, depth + 1).join('/node_modules/')}/`);
  const places = from === '' ? [''] : ['', ...above];
  return places.some((place) => `${place}node_modules/${name}` in entries);
}

const text = fs.readFileSync(path.join(ROOT, 'package-lock.json'), 'utf8');
const found = problems((JSON.parse(text) as { packages: Entries }).packages);
for (const problem of found) console.error(problem);
process.exitCode = found.length === 0 ? 0 : 1;

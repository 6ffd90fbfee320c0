/** What file sinks have committed, followed while jobs write, die and go on. */
import fs from 'node:fs';
import path from 'node:path';
import { canonicalJson } from '../../src/graph/canonical-json.ts';

/** Finished files below a folder; what begins with a dot, and what is in such folders, is not finished. */
export function finishedFiles(folder: string): string[] {
  return filesBelow(folder, (name) => !name.startsWith('.')).sort();
}

/**
 * Files below a folder, in which others write and delete meanwhile.
 *
 * @param takes Whether a file or a folder of this name counts.
 */
export function filesBelow(
  folder: string,
  takes: (name: string) => boolean = () => true,
): string[] {
  return entriesOf(folder)
    .filter(({ name }) => takes(name))
    .flatMap((entry) => {
      const place = path.join(folder, entry.name);
      return entry.isDirectory() ? filesBelow(place, takes) : [place];
    });
}

function entriesOf(folder: string): fs.Dirent[] {
  try {
    return fs.readdirSync(folder, { withFileTypes: true });
  } catch (error) {
    // It was not made yet, or was removed since it was listed.
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw error;
  }
}

/** Lines of all finished files below a folder, in order. */
export function finishedLines(folder: string): string[] {
  return finishedFiles(folder)
    .flatMap((file) => fs.readFileSync(file, 'utf8').split('\n'))
    .filter((line) => line !== '')
    .sort();
}

/** One text per line, whatever the order of its fields. */
export function lineKeys(file: string): string[] {
  const text = fs.readFileSync(file, 'utf8');
  if (text !== '' && !text.endsWith('\n')) return [`a torn line at the end of ${file}`];
  const lines = text.split('\n').filter((line) => line !== '');
  return lines.map((line) => canonicalJson(JSON.parse(line)));
}

/**
 * Holds what may still appear. Always holds: a file that was seen once stays as it was.
 */
export class FinishedLines {
  readonly #folder: string;
  readonly #left = new Map<string, number>();
  readonly #seen = new Map<string, string>();

  constructor(folder: string, expected: readonly string[]) {
    this.#folder = folder;
    for (const key of expected) this.#left.set(key, (this.#left.get(key) ?? 0) + 1);
  }

  /** Takes in what is new. Returns what is wrong with it. */
  look(): string[] {
    const problems: string[] = [];
    const files = finishedFiles(this.#folder);
    const there = new Set(files);
    for (const file of this.#seen.keys()) {
      if (!there.has(file)) problems.push(`${file} is gone`);
    }
    for (const file of files) {
      const stamp = stampOf(file);
      const before = this.#seen.get(file);
      if (before === stamp) continue;
      if (before !== undefined) problems.push(`${file} has changed`);
      this.#seen.set(file, stamp);
      problems.push(...lineKeys(file).flatMap((key) => this.#take(key, file)));
    }
    return problems;
  }

  /** What never came. */
  missing(): string[] {
    return [...this.#left].filter(([, count]) => count > 0).map(([key]) => key);
  }

  #take(key: string, file: string): string[] {
    const left = this.#left.get(key);
    if (left === undefined) return [`${file} has what nobody expects: ${key}`];
    if (left === 0) return [`${file} has a second time: ${key}`];
    this.#left.set(key, left - 1);
    return [];
  }
}

function stampOf(file: string): string {
  const { size, mtimeNs, ino } = fs.statSync(file, { bigint: true });
  return `${size} ${mtimeNs} ${ino}`;
}

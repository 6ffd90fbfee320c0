/** The job of test/process/jobs/sales-pipeline.ts in a project of its own, and what its output has to be. */
import fs from 'node:fs';
import path from 'node:path';
import { expect } from 'vitest';
import { filesBelow, finishedFiles } from './finished-lines.ts';
import { REPOSITORY, runTidemark } from './tidemark-process.ts';

export const KEYS = 20;

interface Count {
  readonly key: number;
  readonly n: number;
  readonly count: number;
}

/**
 * A project as `tidemark init` makes it, with `tidemark` as it is installed, and the job in these files.
 *
 * @param jobs Names of jobs by the names of their files.
 */
export async function makeProject(
  folder: string,
  jobs: Readonly<Record<string, string>>,
): Promise<void> {
  await initialize(folder);
  const text = fs.readFileSync(`${REPOSITORY}/test/process/jobs/sales-pipeline.ts`, 'utf8');
  for (const [file, name] of Object.entries(jobs)) {
    fs.writeFileSync(`${folder}/${file}.ts`, text.replace("'sales_pipeline'", `'${name}'`));
  }
  fs.mkdirSync(`${folder}/node_modules/.bin`, { recursive: true });
  fs.symlinkSync(REPOSITORY, `${folder}/node_modules/tidemark`);
  fs.symlinkSync(`${REPOSITORY}/node_modules/zod`, `${folder}/node_modules/zod`);
  const command = `#!/bin/sh\nexec '${process.execPath}' '${REPOSITORY}/bin/tidemark.mjs' "$@"\n`;
  fs.writeFileSync(`${folder}/node_modules/.bin/tidemark`, command, { mode: 0o755 });
}

interface MadeFile {
  /** In the project. */
  readonly name: string;
  readonly text: string;
  readonly mode: number;
}

/** What the first `tidemark init` of this process has made: the same for each project, but for its name. */
let made: readonly MadeFile[] | undefined;

async function initialize(folder: string): Promise<void> {
  if (made === undefined) {
    expect(await runTidemark(['init', folder])).toMatchObject({ code: 0 });
    made = filesBelow(folder).map((file) => ({
      name: path.relative(folder, file),
      text: fs.readFileSync(file, 'utf8'),
      mode: fs.statSync(file).mode,
    }));
    return;
  }
  for (const { name, text, mode } of made) {
    fs.mkdirSync(path.dirname(`${folder}/${name}`), { recursive: true });
    fs.writeFileSync(`${folder}/${name}`, text, { mode });
  }
}

/** Of a shell in the project. */
export function projectPath(folder: string): string {
  return `${folder}/node_modules/.bin:${process.env['PATH'] ?? ''}`;
}

/** Writes the project's settings, as its reader has them in `.env`. */
export function configure(folder: string, variables: Readonly<Record<string, unknown>>): void {
  const all = {
    FLINK_CHECKPOINT_INTERVAL_MS: 100,
    FLINK_MIN_PAUSE_BETWEEN_CHECKPOINTS_MS: 0,
    ...variables,
  };
  const lines = Object.entries(all).map(([name, value]) => `${name}=${String(value)}\n`);
  fs.writeFileSync(`${folder}/.env`, lines.join(''));
}

/** What has come out, in all files that are finished. */
export function countsIn(folder: string): readonly Count[] {
  return finishedFiles(folder)
    .flatMap((file) => fs.readFileSync(file, 'utf8').split('\n'))
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Count);
}

/**
 * Nothing is there twice, nothing is missing, and each count belongs to its record: source and state went
 * on from one and the same moment.
 *
 * @param how Whether the output begins with the first records, and whether records come in order.
 */
export function expectWhole(
  output: readonly Count[],
  how: { readonly isFresh: boolean; readonly isInOrder: boolean },
): void {
  const byKey = new Map<number, Count[]>();
  for (const each of output) byKey.set(each.key, [...(byKey.get(each.key) ?? []), each]);
  expect(byKey.size).toBe(KEYS);
  for (const lines of byKey.values()) {
    const counts = lines.map(({ count }) => count).sort((a, b) => a - b);
    const [first = 0] = counts;
    expect(counts).toEqual(counts.map((_, at) => first + at));
    if (how.isFresh) expect(first).toBe(1);
    else expect(first).toBeGreaterThan(1);
    expect(new Set(lines.map(({ n }) => n)).size).toBe(lines.length);
    if (!how.isInOrder) continue;
    for (const { n, count } of lines) expect(count).toBe(Math.floor(n / KEYS) + 1);
  }
}

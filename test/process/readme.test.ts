/*
 * Goal: what README.md and the guides show compiles and runs, and each promise has the test it names.
 * Method: every whole job in a code block goes into an empty project that has tidemark and zod as a
 * user has them; there it is type-checked strictly and run with the real command.
 * Replay: npm run test:process -- readme
 */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { finishedFiles } from '../support/finished-lines.ts';
import { REPOSITORY, runTidemark } from '../support/tidemark-process.ts';

let project: string;

beforeEach(() => {
  project = fs.mkdtempSync(path.join(os.tmpdir(), 'tidemark-readme-'));
  fs.mkdirSync(`${project}/node_modules`);
  fs.symlinkSync(REPOSITORY, `${project}/node_modules/tidemark`);
  fs.symlinkSync(`${REPOSITORY}/node_modules/zod`, `${project}/node_modules/zod`);
  fs.writeFileSync(`${project}/package.json`, '{ "type": "module" }\n');
});

afterEach(() => {
  fs.rmSync(project, { recursive: true });
});

function jobsIn(document: string): string[] {
  const text = fs.readFileSync(`${REPOSITORY}/${document}`, 'utf8');
  const blocks = [...text.matchAll(/```ts\n(.*?)```/gs)].map(([, code = '']) => code);
  return blocks.filter((code) => code.includes('export default defineJob('));
}

function compile(name: string, code: string): void {
  fs.writeFileSync(`${project}/${name}`, code);
  const { status, stdout } = spawnSync(
    process.execPath,
    [
      `${REPOSITORY}/node_modules/typescript/bin/tsc`,
      ...['--noEmit', '--strict', '--skipLibCheck', '--target', 'es2023'],
      ...['--module', 'nodenext', name],
    ],
    { cwd: project, encoding: 'utf8' },
  );
  expect(stdout).toBe('');
  expect(status).toBe(0);
}

describe('README.md', () => {
  it('runs the first job', async () => {
    const [job = '', ...others] = jobsIn('README.md');
    expect(others).toEqual([]);
    compile('first-job.ts', job);

    const { code, stdout, stderr } = await runTidemark(['run', 'first-job.ts', '-p', '1'], {
      cwd: project,
    });

    expect(code, stderr).toBe(0);
    const counts = ['to 1', 'be 1', 'or 1', 'not 1', 'to 2', 'be 2'];
    expect(stdout.split('\n').filter((line) => counts.includes(line))).toEqual(counts);
  });

  it('names for each promise a test that is there', () => {
    const text = fs.readFileSync(`${REPOSITORY}/README.md`, 'utf8');
    const promises = [...text.matchAll(/^\| [^|]+ \| `([^`]+)`, \[[^\]]+\]\(([^)]+)\)/gm)];
    expect(promises.length).toBeGreaterThan(5);
    for (const [, name = '', file = ''] of promises) {
      expect(fs.readFileSync(`${REPOSITORY}/${file}`, 'utf8')).toContain(name);
    }
  });

  it.each([
    'README.md',
    'LIMITATIONS.md',
    'docs/guides/your-first-job.md',
    'docs/guides/configure-a-job.md',
  ])('%s links to what is there', (document) => {
    const folder = path.dirname(`${REPOSITORY}/${document}`);
    const text = fs.readFileSync(`${REPOSITORY}/${document}`, 'utf8');
    for (const [, link = ''] of text.matchAll(/\]\(([^)#:]+)\)/g)) {
      expect(fs.existsSync(path.join(folder, link)), link).toBe(true);
    }
  });
});

describe('the guide to a first job', () => {
  it('begins with the job of README.md', () => {
    expect(jobsIn('docs/guides/your-first-job.md')[0]).toBe(jobsIn('README.md')[0]);
  });

  it('sums up temperatures by the hour', async () => {
    compile('temperatures.ts', jobsIn('docs/guides/your-first-job.md')[1] ?? '');
    const rows = ['sensor,at,celsius', 'a,0,10', 'a,60000,20', 'b,0,5', 'a,3600000,7'];
    fs.writeFileSync(`${project}/temperatures.csv`, `${rows.join('\n')}\n`);

    const { code, stderr } = await runTidemark(['run', 'temperatures.ts'], { cwd: project });

    expect(code, stderr).toBe(0);
    const lines = finishedFiles(`${project}/out/by-hour`).flatMap((file) =>
      fs.readFileSync(file, 'utf8').trim().split('\n'),
    );
    expect(lines.sort()).toEqual([
      '{"sensor":"a","hour":"1970-01-01T00:00:00.000Z","mean":15}',
      '{"sensor":"a","hour":"1970-01-01T01:00:00.000Z","mean":7}',
      '{"sensor":"b","hour":"1970-01-01T00:00:00.000Z","mean":5}',
    ]);
  });
});

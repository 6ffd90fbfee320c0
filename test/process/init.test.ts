/*
 * Goal: `tidemark init` makes a project that runs at once, from the very package that the command came
 * from, and never touches what is there.
 * Method: the packed package is installed into an empty folder with the real npm, as a user does it.
 * Replay: npm run test:process -- init
 */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { REPOSITORY, runTidemark } from '../support/tidemark-process.ts';

const INSTALL = ['--no-audit', '--no-fund', '--prefer-offline'];
const COUNTS = ['to 1', 'be 1', 'or 1', 'not 1', 'to 2', 'be 2'];

/** What npm tells the programs that it starts about itself must not reach another npm. */
const OUTER_NPM = /^npm_(package|lifecycle|config_local_prefix)/;

let root: string;

beforeAll(() => {
  root = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'tidemark-init-')));
});

afterAll(() => {
  fs.rmSync(root, { recursive: true });
});

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function npm(folder: string, command: string, ...args: readonly string[]): Ended {
  const env = Object.entries(process.env).filter(([name]) => !OUTER_NPM.test(name));
  const { status, stdout, stderr } = spawnSync(command, args, {
    cwd: folder,
    encoding: 'utf8',
    env: Object.fromEntries([...env, ['NO_COLOR', '1']]),
  });
  return { code: status, stdout, stderr };
}

function expectOk(ended: Ended): Ended {
  expect(ended, ended.stderr).toMatchObject({ code: 0 });
  return ended;
}

function expectCounts({ stdout }: Ended): void {
  // A line begins with its subtask if there are several.
  const texts = stdout.split('\n').map((line) => line.replace(/^\d+> /, ''));
  const lines = texts.filter((text) => COUNTS.includes(text));
  expect(lines.sort()).toEqual(COUNTS.toSorted());
}

describe('a project', () => {
  it('runs at once where the package is installed, and after npm install in itself', () => {
    const app = `${root}/app`;
    fs.mkdirSync(app);
    const [packed] = JSON.parse(
      expectOk(npm(REPOSITORY, 'npm', 'pack', '--json', '--pack-destination', root)).stdout,
    ) as readonly { readonly filename: string }[];
    const archive = packed?.filename ?? '';
    expectOk(npm(app, 'npm', 'install', ...INSTALL, `../${archive}`));

    const made = expectOk(npm(app, 'npx', 'tidemark', 'init', 'demo'));
    expect(made.stdout).toContain('cd demo && npm start');
    expectCounts(expectOk(npm(`${app}/demo`, 'npm', 'start')));

    const { dependencies } = JSON.parse(fs.readFileSync(`${app}/demo/package.json`, 'utf8')) as {
      readonly dependencies: Readonly<Record<string, string>>;
    };
    expect(dependencies['tidemark']).toBe(`file:../../${archive}`);
    expectOk(npm(`${app}/demo`, 'npm', 'install', ...INSTALL, '--omit=dev'));
    expect(fs.existsSync(`${app}/demo/node_modules/tidemark/dist/index.js`)).toBe(true);
    expectCounts(expectOk(npm(`${app}/demo`, 'npm', 'start')));

    const compiler = `${REPOSITORY}/node_modules/typescript/bin/tsc`;
    const checked = npm(`${app}/demo`, process.execPath, compiler);
    expect(checked).toEqual({ code: 0, stdout: '', stderr: '' });
  });

  it('tells a program what was made', async () => {
    const { code, stdout } = await runTidemark(['init', 'My Job!', '--json'], { cwd: root });
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toEqual({
      kind: 'created',
      folder: `${root}/My Job!`,
      files: [
        ...['job.ts', 'package.json', 'tsconfig.json', '.env', '.gitignore', 'README.md'],
        'scripts/trigger_savepoint.sh',
        'scripts/restore_from_savepoint.sh',
        'scripts/create-savepoint.sh',
      ],
      tidemark: `file:${path.relative(`${root}/My Job!`, REPOSITORY)}`,
      next: ["cd 'My Job!'", 'npm install', 'npm start'],
    });
    const text = fs.readFileSync(`${root}/My Job!/package.json`, 'utf8');
    expect(JSON.parse(text)).toMatchObject({ name: 'my-job-' });
  });

  it('may be made in a folder that only git knows', async () => {
    fs.mkdirSync(`${root}/repository/.git`, { recursive: true });
    const { code, stdout } = await runTidemark(['init', '.'], { cwd: `${root}/repository` });
    expect(code).toBe(0);
    expect(stdout).toContain('Run it:  npm install && npm start');
  });
});

describe('nothing is touched', () => {
  it('in a folder that holds something', async () => {
    fs.mkdirSync(`${root}/full`);
    fs.writeFileSync(`${root}/full/notes.txt`, 'mine');
    const refused = await runTidemark(['init', 'full', '--json'], { cwd: root });
    expect(refused.code).toBe(2);
    expect(JSON.parse(refused.stdout)).toMatchObject({ kind: 'refused' });
    expect(refused.stderr).toContain('CLI-003');
    expect(refused.stderr).toContain('notes.txt');
    expect(fs.readdirSync(`${root}/full`)).toEqual(['notes.txt']);
  });

  it('where a file has the name', async () => {
    fs.writeFileSync(`${root}/file`, 'mine');
    const refused = await runTidemark(['init', 'file'], { cwd: root });
    expect(refused).toMatchObject({ code: 2 });
    expect(refused.stderr).toContain('CLI-003');
    const below = await runTidemark(['init', 'file/demo'], { cwd: root });
    expect(below).toMatchObject({ code: 2 });
    expect(below.stderr).toContain('CLI-004');
    expect(fs.readFileSync(`${root}/file`, 'utf8')).toBe('mine');
  });
});

// Goal: from any state a machine or an interrupted run may leave behind, the bootstrap ends with
// everything whole and the asked command run, or with a message that says what to do.
// Method: a tiny project with its own copy of the bootstrap, in a temporary folder. "Node" is a
// shell script in an npm package made here, and "npm pack" a script that copies it, so that no
// network is needed; npm ci and tsc are the real ones.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import crypto from 'node:crypto';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import zlib from 'node:zlib';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

const REPOSITORY = fileURLToPath(new URL('../..', import.meta.url));

const temporary: string[] = [];

function newFolder(): string {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'tidemark-bootstrap-'));
  temporary.push(folder);
  return folder;
}

function write(root: string, files: Readonly<Record<string, string>>): void {
  for (const [name, text] of Object.entries(files)) {
    const file = path.join(root, name);
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(file, text);
  }
}

afterAll(() => {
  for (const folder of temporary) fs.rmSync(folder, { recursive: true, force: true });
});

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

async function ended(child: ChildProcess): Promise<Ended> {
  let stdout = '';
  let stderr = '';
  child.stdout?.on('data', (text: Buffer) => (stdout += text.toString()));
  child.stderr?.on('data', (text: Buffer) => (stderr += text.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, stdout, stderr };
}

describe('Node', () => {
  const VERSION = '24.99.0';
  const WHOLE = `#!/bin/sh\n[ "$1" = --version ] && echo v${VERSION} && exit\necho "fake $@"\n`;
  let root: string;

  /** An npm package of one file, as `npm pack` would leave it. */
  function archiveOf(name: string, content: string): Buffer {
    const header = Buffer.alloc(512);
    header.write(name, 0);
    header.write(Buffer.byteLength(content).toString(8).padStart(11, '0'), 124);
    const body = Buffer.alloc(Math.ceil(Buffer.byteLength(content) / 512) * 512);
    body.write(content);
    return zlib.gzipSync(Buffer.concat([header, body, Buffer.alloc(1024)]));
  }

  const archive = archiveOf('package/bin/node', WHOLE);
  const wanted = {
    name: 'node-some-os',
    version: VERSION,
    integrity: `sha512-${crypto.createHash('sha512').update(archive).digest('base64')}`,
  };

  const cached = (): string => path.join(root, 'cache/tidemark', `node-some-os-${VERSION}.tgz`);
  const executable = (): string => path.join(root, '.node/bin/node');
  const fetches = (): number => fs.readFileSync(path.join(root, 'fetches'), 'utf8').length;

  /** Runs ensureNode as an old Node would, in a process of its own. */
  function ensure(
    npm = 'printf x >> fetches; sleep 0.2; cp package.tgz "$4/x.tgz"',
  ): Promise<Ended> {
    write(root, { 'bin/npm': `#!/bin/sh\n${npm}\n`, fetches: '' });
    fs.chmodSync(path.join(root, 'bin/npm'), 0o755);
    return ensureOnly();
  }

  function ensureOnly(): Promise<Ended> {
    const module = path.join(REPOSITORY, 'scripts/bootstrap/node.mjs');
    const machine = { version: '20.20.0', platform: 'some-os', packages: { 'some-os': wanted } };
    const source = `
      const { ensureNode } = await import(${JSON.stringify(module)});
      try { console.log(await ensureNode('.', ${JSON.stringify(machine)})); }
      catch (error) { console.error(error.message); process.exitCode = 1; }`;
    const { npm_execpath: _, ...env } = process.env;
    return ended(
      spawn(process.execPath, ['--input-type=module', '--eval', source], {
        cwd: root,
        env: {
          ...env,
          XDG_CACHE_HOME: path.join(root, 'cache'),
          PATH: `${root}/bin:${process.env['PATH'] ?? ''}`,
        },
      }),
    );
  }

  beforeEach(() => {
    root = newFolder();
    fs.writeFileSync(path.join(root, 'package.tgz'), archive);
  });

  it('is fetched once and then left alone', async () => {
    const first = await ensure();
    const second = await ensure('exit 1');

    expect(first).toMatchObject({ code: 0, stdout: '.node/bin/node\n' });
    expect(first.stderr.split('\n')).toHaveLength(3);
    expect(fs.readFileSync(executable(), 'utf8')).toBe(WHOLE);
    expect(second).toEqual({ code: 0, stdout: '.node/bin/node\n', stderr: '' });
  });

  it('is unpacked from the cache without npm', async () => {
    write(root, { [path.relative(root, cached())]: '' });
    fs.writeFileSync(cached(), archive);

    expect(await ensure('exit 1')).toMatchObject({ code: 0 });
    expect(fs.readFileSync(executable(), 'utf8')).toBe(WHOLE);
  });

  const breakages: Readonly<Record<string, () => void>> = {
    'a half executable': () => fs.writeFileSync(executable(), '#!/bin/sh\n'),
    'no executable': () => fs.rmSync(executable()),
    'an unfinished folder': () => fs.rmSync(path.join(root, '.node/whole.json')),
    'another version': () =>
      write(root, {
        '.node/whole.json': JSON.stringify({ version: '24.0.0', sizeBytes: WHOLE.length }),
      }),
    'a file in its place': () => {
      fs.rmSync(path.join(root, '.node'), { recursive: true });
      write(root, { '.node': 'in the way' });
    },
    'the rest of a killed unpacking': () => {
      fs.rmSync(path.join(root, '.node'), { recursive: true });
      write(root, { '.node.new/bin/node': 'half' });
    },
    "a killed process's lock": () => {
      fs.rmSync(path.join(root, '.node'), { recursive: true });
      const { pid } = spawnSync(process.execPath, ['--version']);
      write(root, { '.node.lock': String(pid) });
    },
  };
  for (const [name, doBreak] of Object.entries(breakages)) {
    it(`is put right after ${name}`, async () => {
      await ensure();
      doBreak();

      expect(await ensureOnly()).toMatchObject({ code: 0 });
      expect(fs.readFileSync(executable(), 'utf8')).toBe(WHOLE);
      expect(fs.readdirSync(root).filter((each) => each.startsWith('.node'))).toEqual(['.node']);
      expect(fetches()).toBe(1);
    });
  }

  it('is fetched again where the cache holds half an archive', async () => {
    write(root, { [path.relative(root, cached())]: '' });
    fs.writeFileSync(cached(), archive.subarray(0, archive.length / 2));

    expect(await ensure()).toMatchObject({ code: 0 });
    expect(fs.readFileSync(cached())).toEqual(archive);
  });

  it('is fetched by one of two processes that start together', async () => {
    const [first, second] = await Promise.all([ensure(), ensureOnly()]);

    expect([first.code, second.code]).toEqual([0, 0]);
    expect(fetches()).toBe(1);
  });

  it('says what to do without a network', async () => {
    const { code, stderr } = await ensure('echo ENOTFOUND the.host >&2; exit 1');

    expect(code).toBe(1);
    expect(stderr).toContain('npm could not fetch node-some-os@24.99.0');
    expect(stderr).toContain('  | ENOTFOUND the.host');
    expect(stderr).toContain('Check the network');
    expect(fs.existsSync(path.join(root, '.node'))).toBe(false);
  });

  it('refuses another package than the published one', async () => {
    const { code, stderr } = await ensure('echo "something else" > "$4/x.tgz"');

    expect(code).toBe(1);
    expect(stderr).toContain('is not the published package');
    expect(fs.readdirSync(path.dirname(cached()))).toEqual([]);
  });
});

describe('a command', () => {
  let root: string;

  function bootstrap(...args: string[]): ChildProcess {
    return spawn(process.execPath, ['scripts/bootstrap.mjs', ...args], { cwd: root });
  }

  const run = (...args: string[]): Promise<Ended> => ended(bootstrap(...args));

  function linkCompiler(): void {
    const own = path.join(root, 'node_modules/typescript');
    fs.rmSync(own, { force: true });
    fs.symlinkSync(path.join(REPOSITORY, 'node_modules/typescript'), own);
  }

  beforeAll(async () => {
    root = newFolder();
    for (const name of ['scripts/bootstrap', 'scripts/bootstrap.mjs', 'bin/tidemark.mjs']) {
      fs.cpSync(path.join(REPOSITORY, name), path.join(root, name), { recursive: true });
    }
    const project = { name: 'tidemark', version: '0.1.0', type: 'module' };
    const compilerOptions = {
      ...{ module: 'NodeNext', target: 'ES2023', rewriteRelativeImportExtensions: true },
      ...{ types: [], declaration: true, sourceMap: true, rootDir: 'src', outDir: 'dist' },
      ...{ incremental: true, tsBuildInfoFile: '.cache/tsc/build.tsbuildinfo' },
    };
    write(root, {
      'package.json': JSON.stringify(project),
      'package-lock.json': JSON.stringify({
        ...project,
        lockfileVersion: 3,
        requires: true,
        packages: { '': { name: 'tidemark', version: '0.1.0' } },
      }),
      'tsconfig.json': '{}',
      'tsconfig.build.json': JSON.stringify({ compilerOptions, include: ['src'] }),
      'src/cli/main.ts': 'export const name: string = "main";',
      'scripts/start.ts': 'const args: string[] = process.argv.slice(2); console.log(args);',
    });
    const first = await run('tool', 'node', '--version');
    expect(first).toEqual({
      code: 0,
      stdout: `${process.version}\n`,
      stderr: 'setup: installing packages (npm ci)\n',
    });
    linkCompiler();
  });

  it('gets its arguments, and its exit code comes back', async () => {
    const source = 'console.log(process.argv.slice(1).join("|")); process.exitCode = 7';

    const { code, stdout, stderr } = await run('tool', 'node', '-e', source, 'a b', '--', '$c');

    expect({ code, stdout, stderr }).toEqual({ code: 7, stdout: 'a b|--|$c\n', stderr: '' });
  });

  it('is built for at first, and starts at once from then on', async () => {
    fs.rmSync(path.join(root, '.cache/build.json'), { force: true });
    const first = await run('start', '--rate', '5');
    const made = ['node_modules/.tidemark-stamp', 'dist/cli/main.js'];
    const stamps = () => made.map((file) => fs.statSync(path.join(root, file)).mtimeMs);
    const before = stamps();
    const second = await run('start', '--rate', '5');

    expect(first.stderr).toBe('setup: building dist/\n');
    expect(second).toEqual({ code: 0, stdout: "[ '--rate', '5' ]\n", stderr: '' });
    // Neither npm ci nor tsc has run again.
    expect(stamps()).toEqual(before);
  });

  it('finds in dist/ what is in src/, and nothing else', async () => {
    write(root, { 'src/deep/old.ts': 'export const old = 1;' });
    await run('build');
    expect(fs.existsSync(path.join(root, 'dist/deep/old.js'))).toBe(true);
    write(root, { 'dist/dashboard/page.js': '// made by another tool' });

    fs.renameSync(path.join(root, 'src/deep/old.ts'), path.join(root, 'src/deep/new.ts'));
    fs.rmSync(path.join(root, 'dist/cli/main.js'));
    const { code } = await run('build');

    expect(code).toBe(0);
    expect(fs.readdirSync(path.join(root, 'dist/deep')).sort()).toEqual([
      ...['new.d.ts', 'new.js', 'new.js.map'],
    ]);
    expect(fs.existsSync(path.join(root, 'dist/cli/main.js'))).toBe(true);
    expect(fs.existsSync(path.join(root, 'dist/dashboard/page.js'))).toBe(true);
  });

  it('does not start on type errors, unless it is a developer’s', async () => {
    write(root, { 'src/wrong.ts': 'export const wrong: number = "text";' });

    const strict = await run('start');
    const lenient = await run('dev', 'node', '-p', '1 + 1');
    fs.rmSync(path.join(root, 'src/wrong.ts'));
    const corrected = await run('start');

    expect(strict).toMatchObject({ code: 1, stdout: '' });
    expect(strict.stderr).toContain('src/wrong.ts(1,14): error TS2322');
    expect(lenient).toMatchObject({ code: 0, stdout: '2\n' });
    expect(lenient.stderr).toContain('in spite of type errors');
    expect(corrected).toMatchObject({ code: 0, stdout: '[]\n' });
  });

  it('is told of signals', async () => {
    const source = `
      process.on('SIGTERM', () => process.exit(5));
      setTimeout(() => process.exit(6), 60_000);
      console.log('ready');`;
    const child = bootstrap('tool', 'node', '-e', source);
    child.stdout?.once('data', () => child.kill('SIGTERM'));

    expect(await ended(child)).toMatchObject({ code: 5 });
  });

  it('waits for whole packages after an interrupted npm ci', async () => {
    const modules = path.join(root, 'node_modules');
    fs.rmSync(path.join(modules, '.tidemark-stamp'));
    fs.rmSync(path.join(modules, '.package-lock.json'), { force: true });
    write(root, { 'node_modules/half/package.json': '{' });

    const { code, stderr } = await run('tool', 'node', '--version');
    linkCompiler();

    expect({ code, stderr }).toEqual({ code: 0, stderr: 'setup: installing packages (npm ci)\n' });
    expect(fs.existsSync(path.join(modules, 'half'))).toBe(false);
  });

  it('keeps the packages that npm install has just put in place', async () => {
    write(root, { 'local/package.json': '{ "name": "local", "version": "1.0.0" }' });
    fs.rmSync(path.join(root, 'node_modules/typescript'));
    const npm = ['tool', 'npm', 'install', '--no-audit', '--no-fund', 'file:local'];
    expect(await run(...npm)).toMatchObject({ code: 0 });

    expect(await run('tool', 'node', '--version')).toMatchObject({ code: 0, stderr: '' });
    linkCompiler();
  });

  it('that is not known is answered with those that are', async () => {
    const { code, stderr } = await run('strat');

    expect(code).toBe(2);
    expect(stderr).toContain('start     run the main job');
  });

  it('tidemark is found by its name and says when it is not built', async () => {
    fs.rmSync(path.join(root, 'dist'), { recursive: true, force: true });
    const before = await run('tool', 'tidemark', 'list');
    write(root, { 'dist/cli/main.js': 'console.log(process.argv.slice(2));' });
    const after = await run('tool', 'tidemark', 'list');

    expect(before).toMatchObject({ code: 1, stdout: '' });
    expect(before.stderr).toContain('npm run build');
    expect(after).toMatchObject({ code: 0, stdout: "[ 'list' ]\n" });
  });
});

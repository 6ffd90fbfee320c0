import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { dependencyFor, readOwnPackage } from './package-origin.ts';

let root: string;

beforeEach(() => {
  root = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'tidemark-origin-')));
});

afterEach(() => {
  fs.rmSync(root, { recursive: true });
});

function write(name: string, content: unknown): void {
  const file = path.join(root, name);
  fs.mkdirSync(path.dirname(file), { recursive: true });
  fs.writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content));
}

const PACKAGE = { version: '1.2.3', dependencies: { zod: '4.0.0' }, devDependencies: {} };

/** What a project in the folder `demo` of the installing one depends on. */
function dependency(modules = 'app/node_modules', project = 'app/demo'): string {
  write(`${modules}/tidemark/package.json`, PACKAGE);
  return dependencyFor(
    path.join(root, project),
    readOwnPackage(path.join(root, modules, 'tidemark')),
  );
}

function installed(resolved: string): void {
  const packages = { 'node_modules/tidemark': { version: '1.2.3', resolved } };
  write('app/node_modules/.package-lock.json', { packages });
}

describe('a new project depends on what its tidemark came from:', () => {
  test.each([
    ['https://registry.example/tidemark/-/tidemark-1.2.3.tgz', '1.2.3'],
    ['https://files.example/nightly/tidemark.tgz', 'https://files.example/nightly/tidemark.tgz'],
    ['git+ssh://git@host.example/tidemark.git#abc', 'git+ssh://git@host.example/tidemark.git#abc'],
    ['file:../packed/tidemark.tgz', 'file:../../packed/tidemark.tgz'],
  ])('%s', (resolved, expected) => {
    write('packed/tidemark.tgz', '');
    installed(resolved);
    expect(dependency()).toBe(expected);
  });

  test('a file that is gone: the installed package', () => {
    installed('file:../packed/tidemark.tgz');
    expect(dependency()).toBe('file:../node_modules/tidemark');
  });

  test.each([
    ['^1.0.0', '1.2.3'],
    ['latest', '1.2.3'],
    ['file:tidemark.tgz', 'file:../tidemark.tgz'],
    ['github:someone/tidemark', 'github:someone/tidemark'],
  ])('what package.json says, if npm did not install it: %s', (specification, expected) => {
    write('app/tidemark.tgz', '');
    write('app/package.json', { devDependencies: { tidemark: specification } });
    expect(dependency()).toBe(expected);
    // As pnpm has it.
    const store = 'app/node_modules/.pnpm/tidemark@1.2.3/node_modules';
    expect(dependency(store)).toBe(expected);
  });

  test('a global installation: its version', () => {
    expect(dependency('lib/node_modules', 'home/demo')).toBe('1.2.3');
  });

  test('a clone: its folder', () => {
    expect(dependency('home/code', 'home/work/demo')).toBe('file:../../code/tidemark');
  });
});
